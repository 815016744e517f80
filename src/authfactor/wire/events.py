"""Events as JSON, in `GET /events` and in webhook deliveries alike (contract section 6.2)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from authfactor.models import EventRecord, RecordPage
from authfactor.wire import timestamps
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp


class EventObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="event"):
    """An event."""

    id: str
    event: str
    data: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
    created_at: Timestamp
    context: dict[str, Any] = msgspec.field(default_factory=dict)


class SignInFailure(ResponseModel, frozen=True, gc=False):
    """Why a sign-in failed."""

    code: str
    message: str


class SignInAttempt(ResponseModel, frozen=True, gc=False):
    """Data of the `authentication.…` events."""

    type: str
    status: str
    ip_address: str | None
    user_agent: str | None
    user_id: str | None
    email: str | None
    method: str | UnsetType = UNSET
    error: SignInFailure | UnsetType = UNSET


class FactorEvent(ResponseModel, frozen=True, gc=False):
    """Data of events about a factor that does not change."""

    factor_id: str
    user_id: str | None


class RenamedFactor(ResponseModel, frozen=True, gc=False):
    """Data of the event of a renamed factor; null: its name was removed."""

    factor_id: str
    user_id: str | None
    name: str | None


class ResyncedFactor(ResponseModel, frozen=True, gc=False):
    """Data of the event of a factor whose clock was resynced: how far it is ahead of this server's."""

    factor_id: str
    user_id: str | None
    offset_seconds: int


class SuspectPasskey(ResponseModel, frozen=True, gc=False):
    """Data of the event of a passkey whose counter went back; one in backups is accepted nevertheless."""

    factor_id: str
    user_id: str
    accepted: bool


class RefusedAttempt(ResponseModel, frozen=True, gc=False):
    """Data of the event of a code that was refused; a resync has no challenge."""

    challenge_id: str | None
    factor_id: str
    user_id: str | None
    reason: str


class LockedUser(ResponseModel, frozen=True, gc=False):
    """Data of the event of a locked user; `factor_id` is null if mailed codes were guessed."""

    factor_id: str | None
    user_id: str | None


class UnlockedUser(ResponseModel, frozen=True, gc=False):
    """Data of the event of an unlocked user."""

    user_id: str


class CreatedRecoveryCodes(ResponseModel, frozen=True, gc=False):
    """Data of the event of a new set of recovery codes."""

    user_id: str
    total: int


class UsedRecoveryCode(ResponseModel, frozen=True, gc=False):
    """Data of the event of a recovery code that was accepted: how many are left."""

    user_id: str
    challenge_id: str
    remaining: int


class FewRecoveryCodes(ResponseModel, frozen=True, gc=False):
    """Data of the event that a user has few recovery codes left."""

    user_id: str
    remaining: int


class RaisedSessionEvent(ResponseModel, frozen=True, gc=False):
    """Data of the event of a session in which a second factor was proven again: how."""

    session_id: str
    user_id: str
    method: str


class ChangedPolicy(ResponseModel, frozen=True, gc=False):
    """Data of the event of a changed policy: the policy without rules, before and now."""

    policy: str
    previous_policy: str
    required_from: Timestamp | None
    grace_days: int
    rules: int


class StartedGrace(ResponseModel, frozen=True, gc=False):
    """Data of the event that a user got a deadline for enrolling."""

    user_id: str
    deadline: Timestamp

    @classmethod
    def until(cls, user_id: str, deadline: int) -> "StartedGrace":
        """Render a deadline in milliseconds."""
        return cls(user_id, timestamps.format_ms(deadline))


class EndedGrace(ResponseModel, frozen=True, gc=False):
    """Data of the event that a user's grace is over."""

    user_id: str
    reason: Literal["enrolled", "deadline_passed"]


class ExemptedUser(ResponseModel, frozen=True, gc=False):
    """Data of the event that a user was exempted from a required factor."""

    user_id: str
    until: Timestamp
    reason: str

    @classmethod
    def until_time(cls, user_id: str, until: int, reason: str) -> "ExemptedUser":
        """Render an exemption that ends at `until`, in milliseconds."""
        return cls(user_id, timestamps.format_ms(until), reason)


class TrustedDeviceEvent(ResponseModel, frozen=True, gc=False):
    """Data of events about a trusted device."""

    trusted_device_id: str
    user_id: str


class UsedTrustedDevice(ResponseModel, frozen=True, gc=False):
    """Data of the event of a trusted device that replaced a code: in which sign-in, or on which page."""

    trusted_device_id: str
    user_id: str
    session_id: str | None
    link_id: str | None


class RevokedTrustedDevice(ResponseModel, frozen=True, gc=False):
    """Data of the event of a trusted device that has ended, and why."""

    trusted_device_id: str
    user_id: str
    reason: str


class LinkEvent(ResponseModel, frozen=True, gc=False):
    """Data of events about a link: ids, never its URL."""

    link_id: str
    purpose: str
    user_id: str
    factor_id: str | None


def event(record: EventRecord) -> EventObject:
    """Render an event."""
    return EventObject(
        record.id, record.name, Raw(record.data.encode()), timestamps.format_ms(record.created_at)
    )


def events(page: RecordPage[EventRecord]) -> ListOf[EventObject]:
    """Render a page of events."""
    return ListOf([event(item) for item in page.items], ListMetadataObject(page.before, page.after))
