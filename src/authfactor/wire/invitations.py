"""Invitations (contract of hosted sign-in, section 5.4)."""

from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from authfactor.models import RecordPage
from authfactor.models.mailed import InvitationRecord
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp

MAX_DAYS = 30
Locale = Annotated[str | None, Meta(description="Language of the mail, such as `de`.")]


class CreateInvitation(RequestModel, frozen=True, gc=False):
    """Invite an email address to sign up."""

    email: Annotated[str | None, Meta(description="The address to invite.")] = None
    expires_in_days: Annotated[
        int | None,
        Meta(
            description="For how many days the invitation is open. Default: 7.",
            extra_json_schema={"minimum": 1, "maximum": MAX_DAYS},
        ),
    ] = None
    inviter_user_id: Annotated[str | None, Meta(description="The user who invites.")] = None
    locale: Locale = None
    organization_id: Any = None
    role_slug: Any = None

    NOT_SERVED = ("organization_id", "role_slug")


class ResendInvitation(RequestModel, frozen=True, gc=False):
    """Mail an invitation again."""

    locale: Locale = None


class InvitationEvent(ResponseModel, frozen=True, gc=False, tag_field="object", tag="invitation"):
    """Data of the events of an invitation."""

    id: str
    email: str
    state: Literal["pending", "accepted", "expired", "revoked"]
    accepted_at: Timestamp | None
    revoked_at: Timestamp | None
    expires_at: Timestamp
    organization_id: str | None
    inviter_user_id: str | None
    accepted_user_id: str | None
    role_slug: str | None
    created_at: Timestamp
    updated_at: Timestamp


class InvitationObject(
    InvitationEvent, frozen=True, gc=False, kw_only=True, tag_field="object", tag="invitation"
):
    """An invitation with its token and link. All keys are always present."""

    token: str
    accept_invitation_url: str


class IssuedInvitation(NamedTuple):
    """An invitation, its token and its link; its state is that at `now` (milliseconds)."""

    record: InvitationRecord
    token: str
    url: str
    now: int


def invitation(issued: IssuedInvitation) -> InvitationObject:
    """Render an invitation with its token and link."""
    fields = _fields(issued.record, issued.now)
    return InvitationObject(*fields, token=issued.token, accept_invitation_url=issued.url)


def invitation_event(record: InvitationRecord, now: int) -> InvitationEvent:
    """Render the events of an invitation at `now` (milliseconds)."""
    return InvitationEvent(*_fields(record, now))


def invitations(page: RecordPage[IssuedInvitation]) -> ListOf[InvitationObject]:
    """Render a page of invitations."""
    return ListOf([invitation(each) for each in page.items], ListMetadataObject(page.before, page.after))


def _fields(record: InvitationRecord, now: int) -> tuple[Any, ...]:
    return (
        record.id,
        record.email,
        record.state(now),
        timestamps.format_optional(record.accepted_at),
        timestamps.format_optional(record.revoked_at),
        timestamps.format_ms(record.expires_at),
        record.organization_id,
        record.inviter_user_id,
        record.accepted_user_id,
        record.role_slug,
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )
