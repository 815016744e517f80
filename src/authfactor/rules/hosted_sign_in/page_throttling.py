"""How often strangers of one network may have the pages send mail or make users."""

from typing import Final

from authfactor import errors
from authfactor.ip_addresses import client_network
from authfactor.rules.unit import Scope

# A burst, then one more in this many milliseconds. A company may share one address.
BURST: Final = 30
INTERVAL_MS: Final = 20_000
_RETRY_SECONDS: Final = 5


async def charge_mail(scope: Scope, address: str | None) -> None:
    """Count mail that a network asks for. Raises `TooManyRequests`."""
    await _charge(scope, "page-mail", address)


async def charge_sign_up(scope: Scope, address: str | None) -> None:
    """Count a user that a network makes. Raises `TooManyRequests`."""
    await _charge(scope, "sign-ups", address)


async def _charge(scope: Scope, what: str, address: str | None) -> None:
    subject = f"{what}:{client_network(address) or 'unknown'}"
    if not await scope.tx.throttles.charge(scope.number, subject, scope.now, INTERVAL_MS, BURST):
        raise errors.TooManyRequests(_RETRY_SECONDS)
