"""Factors of every type, with what people know them by."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, UnsetType

from authfactor.models import FactorDetails
from authfactor.models.passkeys import PasskeyRecord
from authfactor.wire import timestamps
from authfactor.wire.responses import (
    ListMetadataObject,
    ListOf,
    ResponseModel,
    Timestamp,
    TotpObject,
    totp_names,
)


class PasskeyObject(ResponseModel, frozen=True, gc=False):
    """What is known of a passkey. An AAGUID names a model of authenticator, unless it is all zeros.

    `product` is the name of that model: of loaded metadata, or of widespread products.
    """

    name: str | None
    aaguid: str
    product: str | None
    backup_eligible: bool
    backed_up: bool
    transports: list[str]


class ProfileObject(ResponseModel, frozen=True, gc=False):
    """What else than secret and time decides the codes of an imported factor; `period` in seconds."""

    algorithm: Literal["SHA1", "SHA256", "SHA512"]
    digits: Literal[6, 8]
    period: Literal[30, 60]


class UserFactorObject(
    ResponseModel, frozen=True, gc=False, kw_only=True, tag_field="object", tag="authentication_factor"
):
    """A factor of any type, with its name, its state, and when it was last used.

    `profile` is there only for an imported factor of another profile than SHA-1, 6 digits and 30 seconds.
    `suspect`: a passkey whose signature counter went back, which is refused because it may be a copy.
    """

    id: str
    user_id: str | None
    type: str
    name: str | None
    state: Literal["pending", "active", "suspect"]
    totp: TotpObject | UnsetType = UNSET
    profile: ProfileObject | UnsetType = UNSET
    webauthn: PasskeyObject | UnsetType = UNSET
    last_used_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


def user_factor(record: FactorDetails, passkey: PasskeyRecord | None = None) -> UserFactorObject:
    """Render a factor with its details."""
    return UserFactorObject(
        id=record.id,
        user_id=record.user_id,
        type=record.type,
        name=record.name,
        state=_state(record, passkey),
        totp=totp_names(record),
        profile=_profile(record),
        webauthn=UNSET if passkey is None else _passkey(record, passkey),
        last_used_at=timestamps.format_optional(record.last_used_at),
        created_at=timestamps.format_ms(record.created_at),
        updated_at=timestamps.format_ms(record.updated_at),
    )


def user_factors(
    factors: list[FactorDetails], passkeys: Mapping[str, PasskeyRecord] | None = None
) -> ListOf[UserFactorObject]:
    """Render all factors of a user: one page, as their number is limited. `passkeys` are by factor id."""
    known = passkeys or {}
    rendered = [user_factor(each, known.get(each.id)) for each in factors]
    return ListOf(rendered, ListMetadataObject(None, None))


def _profile(record: FactorDetails) -> ProfileObject | UnsetType:
    given = record.algorithm, record.digits, record.period
    return UNSET if given == ("SHA1", 6, 30) else ProfileObject(*given)  # type: ignore[arg-type]  # as imported


def _state(record: FactorDetails, passkey: PasskeyRecord | None) -> Literal["pending", "active", "suspect"]:
    if passkey is not None and passkey.is_suspect:
        return "suspect"
    return "pending" if record.activated_at is None else "active"


def _passkey(record: FactorDetails, passkey: PasskeyRecord) -> PasskeyObject:
    return PasskeyObject(
        record.name,
        passkey.aaguid,
        passkey.product,
        passkey.backup_eligible,
        passkey.backed_up,
        passkey.transports.split(),
    )
