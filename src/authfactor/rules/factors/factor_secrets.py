"""Where the sealed secrets of factors are stored, and what makes codes of them."""

from authfactor.crypto.vault import SealedLocation
from authfactor.models import FactorRecord
from authfactor.otp import totp


def secret_row(environment: int, factor_id: str) -> SealedLocation:
    """Return where a factor's sealed secret is stored."""
    return SealedLocation("factors", "secret", environment, factor_id)


def profile_of(factor: FactorRecord) -> totp.CodeProfile:
    """Return the profile of a factor's codes."""
    if factor.algorithm == "SHA1" and factor.digits == totp.DIGITS and factor.period == totp.PERIOD_SECONDS:
        return totp.STANDARD
    return totp.CodeProfile(factor.algorithm, factor.digits, factor.period)
