"""Bodies of requests and responses about recovery codes and named factors: extensions of the contract."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from authfactor.models import FactorDetails, NewRecoveryCodes, RecoveryCodeCount
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp, TotpObject

State = Literal["pending", "active"]


class RenameFactor(RequestModel, frozen=True, gc=False):
    """Name a factor."""

    name: Annotated[
        str | UnsetType | None,
        Meta(description="At most 64 characters, such as the name of the phone; null removes the name."),
    ] = UNSET


class RecoveryCodesCreated(ResponseModel, frozen=True, gc=False, tag_field="object", tag="recovery_codes"):
    """A new set. No other response has the codes."""

    user_id: str
    codes: list[str]
    total: int
    remaining: int
    created_at: Timestamp


class RecoveryCodes(ResponseModel, frozen=True, gc=False, tag_field="object", tag="recovery_codes"):
    """How many recovery codes a user has; `created_at` is null without a set."""

    user_id: str
    total: int
    remaining: int
    created_at: Timestamp | None


class UserFactor(ResponseModel, frozen=True, gc=False, tag_field="object", tag="authentication_factor"):
    """A factor of any type, with its name, its state, and when a code of it was last right."""

    id: str
    user_id: str | None
    type: str
    name: str | None
    state: State
    totp: TotpObject
    last_used_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


def recovery_codes_created(user_id: str, made: NewRecoveryCodes) -> RecoveryCodesCreated:
    """Render a new set."""
    total = len(made.codes)
    return RecoveryCodesCreated(
        user_id, list(made.codes), total, total, timestamps.format_ms(made.created_at)
    )


def recovery_codes(user_id: str, count: RecoveryCodeCount) -> RecoveryCodes:
    """Render the count of a set."""
    return RecoveryCodes(user_id, count.total, count.remaining, timestamps.format_optional(count.created_at))


def user_factor(factor: FactorDetails) -> UserFactor:
    """Render a factor with its details."""
    return UserFactor(
        factor.id,
        factor.user_id,
        factor.type,
        factor.name,
        "pending" if factor.activated_at is None else "active",
        TotpObject(factor.issuer, factor.account),
        timestamps.format_optional(factor.last_used_at),
        timestamps.format_ms(factor.created_at),
        timestamps.format_ms(factor.updated_at),
    )


def user_factors(factors: Sequence[FactorDetails]) -> ListOf[UserFactor]:
    """Render all factors of a user: one page, as their number is limited."""
    return ListOf([user_factor(factor) for factor in factors], ListMetadataObject(None, None))
