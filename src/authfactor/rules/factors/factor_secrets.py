"""Where the sealed secrets of factors are stored."""

from authfactor.crypto.vault import SealedLocation


def secret_row(environment: int, factor_id: str) -> SealedLocation:
    """Return where a factor's sealed secret is stored."""
    return SealedLocation("factors", "secret", environment, factor_id)
