"""The types that the client returns for what only this server has.

Times are datetimes with the time zone UTC. Fields that a newer server adds are ignored.
"""

from datetime import datetime
from typing import Literal

from authfactor.client.types import Model


class RecoveryCodesCreated(Model, frozen=True, kw_only=True):
    """A user's new recovery codes. Nothing returns them again."""

    user_id: str
    codes: list[str]
    total: int
    remaining: int
    created_at: datetime
    object: Literal["recovery_codes"] = "recovery_codes"

    def __repr__(self) -> str:
        """Omit the codes, for logs and tracebacks."""
        return f"RecoveryCodesCreated(user_id={self.user_id!r}, total={self.total}, codes=***)"


class RecoveryCodes(Model, frozen=True, kw_only=True):
    """How many recovery codes a user has; `created_at` is None without a set."""

    user_id: str
    total: int
    remaining: int
    created_at: datetime | None = None
    object: Literal["recovery_codes"] = "recovery_codes"


class FactorImportResult(Model, frozen=True, kw_only=True):
    """What became of an entry of an import."""

    index: int
    status: Literal["imported", "exists", "user_unknown", "refused"]
    code: str | None = None
    """Why the entry was refused."""
    user_id: str | None = None
    factor_id: str | None = None


class FactorImport(Model, frozen=True, kw_only=True):
    """What became of the entries of an import, in their order."""

    imported: int
    exists: int
    user_unknown: int
    refused: int
    results: tuple[FactorImportResult, ...]
    object: Literal["import"] = "import"


class SessionCheck(Model, frozen=True, kw_only=True):
    """Whether a session satisfies what was asked, and what it has."""

    session_id: str
    satisfied: bool
    amr: tuple[str, ...]
    acr: str
    auth_time: datetime
    """When the password was last entered."""
    mfa_at: datetime | None = None
    """When a second factor was last proven."""
    age: int | None = None
    """Seconds since the proof that was asked for."""
    reason: str | None = None
    """If not satisfied: `session_ended`, `acr_too_low`, `method_missing` or `too_old`."""
    www_authenticate: str | None = None
    """If not satisfied: a value for the header `WWW-Authenticate` of a 401."""
    object: Literal["session_check"] = "session_check"


class HostedPageLink(Model, frozen=True, kw_only=True):
    """A link with which a user enrolls a factor, enters a code or manages factors on a hosted page."""

    object: Literal["enrollment_link", "challenge_link", "factors_link"]
    id: str
    user_id: str
    status: Literal["pending", "opened", "completed", "expired"]
    """`completed`: the code was right. Of an enrollment link, the factor is active from then on. Of a factors
    link: the user has left the page."""
    created_at: datetime
    expires_at: datetime
    factor_id: str | None = None
    """Of an enrollment link, set once it has been opened."""
    session_id: str | None = None
    """Of a challenge link: the session that a right code raises. Of a factors link: the one that stays when
    all others are ended."""
    return_to: str | None = None
    opened_at: datetime | None = None
    completed_at: datetime | None = None
    method: str | None = None
    """Of a completed challenge link: `totp`, `recovery_code` or `trusted_device`."""
    url: str | None = None
    """Where to send the user's browser; only in the response that creates the link."""

    def __repr__(self) -> str:
        """Omit the URL, which works for everyone who has it, for logs and tracebacks."""
        return f"HostedPageLink(id={self.id!r}, user_id={self.user_id!r}, status={self.status!r}, url=***)"


class HostedPageBranding(Model, frozen=True, kw_only=True):
    """The branding of the hosted pages; None in a field means the default."""

    name: str | None = None
    color: str | None = None
    logo_url: str | None = None
    updated_at: datetime | None = None
    object: Literal["branding"] = "branding"
