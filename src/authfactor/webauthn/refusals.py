"""Why a ceremony is refused: one stable reason for each check."""

from typing import Final, get_args

from authfactor.models.factors import PasskeyReason

REASONS: Final[tuple[PasskeyReason, ...]] = get_args(PasskeyReason)


class CeremonyRefused(Exception):
    """A registration or an assertion is refused. `message` is for humans and quotes nothing that was sent."""

    def __init__(self, reason: PasskeyReason, message: str) -> None:
        """`reason` is the first check that failed, in the order of `ceremony`."""
        super().__init__(message)
        self.reason: PasskeyReason = reason
        self.message = message


def malformed(message: str) -> CeremonyRefused:
    """Return the refusal of a response that is not in the format of the specification, or too large."""
    return CeremonyRefused("webauthn_response_malformed", message)
