"""Why a ceremony is refused: one stable reason for each check."""

from typing import Final, Literal, get_args

Reason = Literal[
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
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class CeremonyRefused(Exception):
    """A registration or an assertion is refused. `message` is for humans and quotes nothing that was sent."""

    def __init__(self, reason: Reason, message: str) -> None:
        """`reason` is the first check that failed, in the order of `ceremony`."""
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message


def malformed(message: str) -> CeremonyRefused:
    """Return the refusal of a response that is not in the format of the specification, or too large."""
    return CeremonyRefused("webauthn_response_malformed", message)
