"""Factors, challenges, and failed attempts."""

from collections.abc import Callable
from typing import Literal

from authfactor.models.base import Record


class FactorRecord(Record, frozen=True, gc=False):
    """A TOTP factor. `secret` is sealed; it is pending until `activated_at`; `last_step` is spent."""

    id: str
    user_id: str | None
    issuer: str
    account: str
    secret: str
    activated_at: int | None
    last_step: int
    created_at: int
    updated_at: int


class ChallengeRecord(Record, frozen=True, gc=False):
    """A question put to one factor, good for a few attempts until it expires or is verified."""

    id: str
    factor_id: str
    attempts: int
    created_at: int
    expires_at: int
    verified_at: int | None


class FailureRecord(Record, frozen=True, gc=False):
    """Wrong codes of one user (or stand-alone factor): when (seconds), how many in a row, and a lock."""

    times: tuple[int, ...]
    in_a_row: int
    locked_until: int | None


class Enrollment(Record, frozen=True, gc=False):
    """What enrolling gives: the factor, its first challenge, and the secrets that are shown this once.

    `picture` draws the URI when it is first called, and remembers.
    """

    factor: FactorRecord
    challenge: ChallengeRecord | None
    secret: str
    uri: str
    picture: Callable[[], str]

    @property
    def qr_code(self) -> str:
        """The picture, itself a `data:` URI."""
        return self.picture()


class Verification(Record, frozen=True, gc=False):
    """Outcome of one code. `reason` and `attempts_remaining` only when it was not valid."""

    challenge: ChallengeRecord
    valid: bool
    reason: Literal["code_mismatch", "code_already_used", "clock_drift"] | None = None
    attempts_remaining: int | None = None
    locked_until: int | None = None
