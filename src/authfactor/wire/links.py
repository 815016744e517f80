"""Request and response bodies of links to hosted pages and of branding: extensions of the public contract."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from authfactor.models import BrandingRecord, LinkRecord, ProofMethod
from authfactor.wire import timestamps
from authfactor.wire.events import LinkEvent
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp

UserId = Annotated[str | None, Meta(description="The user that the link is for.")]
ReturnTo = Annotated[
    str | None,
    Meta(description="URL that the page redirects to at the end; one of the environment's page redirects."),
]
State = Annotated[
    str | None, Meta(description="Returned as `state` in that URL's query; at most 512 characters.")
]
Status = Literal["pending", "opened", "completed", "expired"]


class CreateEnrollmentLink(RequestModel, frozen=True, gc=False):
    """Create a link with which a user enrolls a factor."""

    user_id: UserId = None
    return_to: ReturnTo = None
    state: State = None
    totp_issuer: Annotated[str | None, Meta(description="Default: the team name.")] = None
    totp_user: Annotated[str | None, Meta(description="Default: the user's email.")] = None


class CreateChallengeLink(RequestModel, frozen=True, gc=False):
    """Create a link with which a user enters a factor's code."""

    user_id: UserId = None
    factor_id: Annotated[
        str | None, Meta(description="Needed only when the user has several authenticator apps.")
    ] = None
    return_to: ReturnTo = None
    state: State = None
    session_id: Annotated[
        str | None, Meta(description="A session of the user, which a correct code raises.")
    ] = None
    remember_device: Annotated[
        bool | None,
        Meta(
            description="Whether the page offers to trust the browser, and accepts a trusted one without a"
            " code, if the environment allows trusted devices. Default: false."
        ),
    ] = None


class CreateFactorsLink(RequestModel, frozen=True, gc=False):
    """Create a link to the page on which a user manages their factors."""

    user_id: UserId = None
    session_id: Annotated[
        str | None,
        Meta(
            description="The session that the browser is signed in with; it stays when all others are ended."
        ),
    ] = None
    return_to: ReturnTo = None
    state: State = None


class EnrollmentLink(ResponseModel, frozen=True, gc=False, tag_field="object", tag="enrollment_link"):
    """A link with which a user enrolls a factor; `url` is only in the response that creates it.

    `factor_id` is set once the link has been opened.
    """

    id: str
    user_id: str
    status: Status
    factor_id: str | None
    return_to: str | None
    created_at: Timestamp
    expires_at: Timestamp
    opened_at: Timestamp | None
    completed_at: Timestamp | None
    url: str | UnsetType = UNSET


class ChallengeLink(ResponseModel, frozen=True, gc=False, tag_field="object", tag="challenge_link"):
    """A link with which a user enters a code; `completed` means that the code was correct.

    `session_id` is the session that it has raised then, if there is one. `method` is what completed it, or
    null.
    """

    id: str
    user_id: str
    status: Status
    factor_id: str | None
    return_to: str | None
    created_at: Timestamp
    expires_at: Timestamp
    opened_at: Timestamp | None
    completed_at: Timestamp | None
    session_id: str | None
    method: ProofMethod | None
    url: str | UnsetType = UNSET


class FactorsLink(ResponseModel, frozen=True, gc=False, tag_field="object", tag="factors_link"):
    """A link to the page on which a user manages their factors; `completed`: the user has left the page."""

    id: str
    user_id: str
    status: Status
    session_id: str | None
    return_to: str | None
    created_at: Timestamp
    expires_at: Timestamp
    opened_at: Timestamp | None
    completed_at: Timestamp | None
    url: str | UnsetType = UNSET


Link = EnrollmentLink | ChallengeLink | FactorsLink


class UpdateBranding(RequestModel, frozen=True, gc=False):
    """Change the branding of hosted pages. Absent fields are unchanged; null restores the default."""

    name: Annotated[str | UnsetType | None, Meta(description="Default: the team name.")] = UNSET
    color: Annotated[str | UnsetType | None, Meta(description="As `#rrggbb`.")] = UNSET
    logo: Annotated[
        str | UnsetType | None,
        Meta(description="A PNG of at most 32 KiB and 1024 by 1024 pixels, in base64."),
    ] = UNSET


class Branding(ResponseModel, frozen=True, gc=False, tag_field="object", tag="branding"):
    """The branding of hosted pages."""

    name: str | None
    color: str | None
    logo_url: str | None
    updated_at: Timestamp | None


def status_of(link: LinkRecord, now: int) -> Status:
    """Return a link's status at `now` (milliseconds since the epoch)."""
    if link.completed_at is not None:
        return "completed"
    if link.expires_at <= now:
        return "expired"
    return "pending" if link.opened_at is None else "opened"


def link(record: LinkRecord, now: int, url: str | UnsetType = UNSET) -> Link:
    """Render a link with its status at `now` (milliseconds), and its URL if it is being created."""
    fields: dict[str, Any] = {
        "id": record.id,
        "user_id": record.user_id,
        "status": status_of(record, now),
        "return_to": record.return_to,
        "created_at": timestamps.format_ms(record.created_at),
        "expires_at": timestamps.format_ms(record.expires_at),
        "opened_at": timestamps.format_optional(record.opened_at),
        "completed_at": timestamps.format_optional(record.completed_at),
        "url": url,
    }
    if record.purpose == "factors":
        return FactorsLink(session_id=record.session_id, **fields)
    if record.purpose == "enrollment":
        return EnrollmentLink(factor_id=record.factor_id, **fields)
    fields |= {"factor_id": record.factor_id, "session_id": record.session_id}
    return ChallengeLink(method=record.method, **fields)


def link_event_data(record: LinkRecord) -> LinkEvent:
    """Return the data of an event about a link."""
    return LinkEvent(record.id, record.purpose, record.user_id, record.factor_id)


def branding(record: BrandingRecord | None, logo_url: str | None) -> Branding:
    """Render branding; None renders the defaults."""
    if record is None:
        return Branding(None, None, None, None)
    return Branding(record.name, record.color, logo_url, timestamps.format_ms(record.updated_at))
