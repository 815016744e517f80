"""Links to hosted pages, and their branding."""

from typing import Literal

from authfactor.models.base import Record

LinkPurpose = Literal["enrollment", "challenge", "factors"]
"""What the page of a link is for: enroll a factor, enter a code, manage all factors."""

ProofMethod = Literal["totp", "recovery_code", "trusted_device", "webauthn"]


class LinkRecord(Record, frozen=True, gc=False):
    """A one-time link to a hosted page, on which a user enrolls a factor, enters a code or manages factors.

    `return_to` is the URL the page redirects to at the end. An enrollment's `factor_id` and `challenge_id`
    are set when the link is opened; from then on `expires_at` is the end of the page session. `session_id` is
    the session that a right code raises; of a link to the factors page, the one that its browser is signed in
    with, and `factor_id` is a factor that is being added. `confirmed_at`: when a code was last right there.
    `remember_device`: whether the page may offer to trust the browser. `method`: which kind of proof has
    completed a challenge.
    """

    environment: int
    id: str
    purpose: LinkPurpose
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
    session_id: str | None = None
    confirmed_at: int | None = None
    remember_device: bool = False
    method: ProofMethod | None = None


class BrandingRecord(Record, frozen=True, gc=False):
    """Branding of an environment's pages: name, color `#rrggbb`, logo as PNG; None means the default."""

    name: str | None
    color: str | None
    logo: bytes | None
    updated_at: int
