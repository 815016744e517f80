"""Factors, challenges, and failed attempts."""

from collections.abc import Callable
from typing import Any, Final, Literal

from authfactor.models.base import Record

TOTP: Final = "totp"
PASSKEY: Final = "webauthn"
"""The types of factors, as in the API. Nothing but `totp` may be verified by six digits."""


class FactorRecord(Record, frozen=True, gc=False):
    """A factor, pending until `activated_at`; `secret` is sealed, TOTP steps up to `last_step` are spent.

    `drift` is how many steps its clock is known to be off, `last_offset` how far from that the last code was.
    `algorithm`, `digits` and `period` (seconds) are the profile of its codes, another one only if imported.
    """

    id: str
    user_id: str | None
    issuer: str
    account: str
    secret: str
    activated_at: int | None
    last_step: int
    created_at: int
    updated_at: int
    drift: int = 0
    last_offset: int = 0
    type: str = TOTP
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30

    @property
    def is_active(self) -> bool:
        """Whether a code of it was right once."""
        return self.activated_at is not None

    @property
    def is_totp(self) -> bool:
        """Whether one-time codes answer it; its secret is none otherwise."""
        return self.type == TOTP


class FactorDetails(FactorRecord, frozen=True, gc=False):
    """A factor with what only lists and people need: its name, and when it was last used."""

    name: str | None = None
    last_used_at: int | None = None


class RecoveryCodeCount(Record, frozen=True, gc=False):
    """How many recovery codes a user's set has and how many are unused; 0 and None without a set."""

    total: int
    remaining: int
    created_at: int | None


class RecoveryCodeUse(Record, frozen=True, gc=False):
    """When a recovery code was used, and on which challenge."""

    used_at: int
    challenge_id: str


class NewRecoveryCodes(Record, frozen=True, gc=False):
    """A new set, in the form that people type; nothing else ever has the codes."""

    codes: tuple[str, ...]
    created_at: int

    def __repr__(self) -> str:
        """Omit the codes, for logs and tracebacks."""
        return f"NewRecoveryCodes({len(self.codes)}, ***)"


class ChallengeRecord(Record, frozen=True, gc=False):
    """A challenge of one factor, open for a few attempts until it expires or is verified.

    `session_id` is the session that a right code raises, if there is one. `public_key` are the options for
    the browser where a passkey answers; they are stored nowhere.
    """

    id: str
    factor_id: str
    attempts: int
    created_at: int
    expires_at: int
    verified_at: int | None
    session_id: str | None = None
    public_key: dict[str, Any] | None = None


class FailureRecord(Record, frozen=True, gc=False):
    """Failed codes of a user or stand-alone factor: `times` in epoch seconds, the current run, the lock."""

    times: tuple[int, ...]
    in_a_row: int
    locked_until: int | None


class Enrollment(Record, frozen=True, gc=False):
    """The result of an enrollment: the factor, its first challenge, and the secret, which is shown only once.

    `picture` returns the QR code as a data URI, drawn on the first call.
    """

    factor: FactorRecord
    challenge: ChallengeRecord | None
    secret: str
    uri: str
    picture: Callable[[], str]

    @property
    def qr_code(self) -> str:
        """The QR code as a `data:` URI."""
        return self.picture()


PasskeyReason = Literal[
    "webauthn_response_malformed",
    "webauthn_type_mismatch",
    "webauthn_challenge_mismatch",
    "webauthn_origin_mismatch",
    "webauthn_cross_origin",
    "webauthn_rp_id_mismatch",
    "webauthn_user_not_present",
    "webauthn_user_not_verified",
    "webauthn_credential_unknown",
    "webauthn_algorithm_not_offered",
    "webauthn_backup_state_invalid",
    "webauthn_backup_flag_changed",
    "webauthn_credential_not_allowed",
    "webauthn_user_handle_mismatch",
    "webauthn_signature_invalid",
    "webauthn_attestation_not_supported",
    "webauthn_authenticator_not_allowed",
    "webauthn_credential_exists",
    "webauthn_counter_not_growing",
]
"""Why an assertion or a registration of a passkey was not valid: the first check that failed."""

CodeReason = Literal[
    "code_mismatch",
    "code_already_used",
    "clock_drift",
    "code_malformed",
    "method_not_allowed",
    PasskeyReason,
]
"""Why a code, or an assertion of a passkey, was not valid."""

RefusalReason = Literal[CodeReason, "device_not_trusted"]
"""Why a sign-in refused a proof."""


class Verification(Record, frozen=True, gc=False):
    """The result of verifying a code; `reason` and `attempts_remaining` are set only if it was not valid.

    `repeated`: the code had closed this challenge moments before, and this is the same result again.
    `recovery_codes_remaining` is set if a recovery code was used: how many are left. `offset_seconds` is set
    for `clock_drift`: the time of the code's step minus that of the server, negative. `amr` is set for a
    passkey: the methods that it proves.
    """

    challenge: ChallengeRecord
    valid: bool
    reason: CodeReason | None = None
    attempts_remaining: int | None = None
    locked_until: int | None = None
    repeated: bool = False
    recovery_codes_remaining: int | None = None
    offset_seconds: int | None = None
    amr: str | None = None
