"""Links to hosted pages, and how the pages look."""

from typing import Literal

from authfactor.models.base import Record


class LinkRecord(Record, frozen=True, gc=False):
    """An address that leads one person to a page, once: to enrol a factor, or to give a code.

    `return_to` is where the page leads in the end. `factor_id` and `challenge_id` of an enrolment are made
    when the link is opened; from then on `expires_at` is the end of the page session.
    """

    environment: int
    id: str
    purpose: Literal["enrollment", "challenge"]
    user_id: str
    factor_id: str | None
    challenge_id: str | None
    issuer: str | None
    account: str | None
    return_to: str | None
    created_at: int
    expires_at: int
    opened_at: int | None
    completed_at: int | None


class BrandingRecord(Record, frozen=True, gc=False):
    """How an environment's pages look: a name, a colour `#rrggbb`, a logo as PNG; None: as by default."""

    name: str | None
    color: str | None
    logo: bytes | None
    updated_at: int
