"""Rate limits on password guesses: per account and network, per network, and per account.

The account's own limit does not apply to networks from which its user has signed in before, so that a
stranger cannot lock a user out (decision 0013). A network is an IPv4 address or an IPv6 /64.
"""

import hashlib
import ipaddress
from typing import Final, NamedTuple

from authfactor.email_identity import email_key
from authfactor.errors import SignInRefused
from authfactor.models import UserRecord
from authfactor.rules.unit import Scope
from authfactor.settings import Settings

MINUTE: Final = 60_000
# How long until each limit allows one more attempt (milliseconds).
PAIR_INTERVAL: Final = 90_000
ADDRESS_INTERVAL: Final = 36_000
ACCOUNT_INTERVAL: Final = 30 * MINUTE


class ThrottleLimit(NamedTuple):
    """A limit: `allowance` attempts in a burst, then one every `interval` milliseconds."""

    subject: str
    interval: int
    allowance: int


async def limits_of(
    scope: Scope, user: UserRecord | None, email: str, address: str | None, settings: Settings
) -> list[ThrottleLimit]:
    """Return every limit that an attempt counts against, always in the same order.

    Unknown emails are throttled exactly like known ones. An unparsable IP address has no limits of its own.
    """
    account = _digest(email_key(email))
    network = _network(address)
    found = []
    if network is not None:
        found = [
            ThrottleLimit(f"address:{network}", ADDRESS_INTERVAL, settings.passwords_per_address),
            ThrottleLimit(
                f"pair:{account}:{network}", PAIR_INTERVAL, settings.passwords_per_account_and_address
            ),
        ]
        if user is not None and await _is_familiar(scope, user.id, network):
            return found
    return [*found, ThrottleLimit(account_subject(email), ACCOUNT_INTERVAL, settings.passwords_per_account)]


async def charge(scope: Scope, limits: list[ThrottleLimit]) -> bool:
    """Count an attempt against every limit; against none, and return False, when one is exhausted."""
    for position, limit in enumerate(limits):
        if not await scope.tx.throttles.charge(
            scope.number, limit.subject, scope.now, limit.interval, limit.allowance
        ):
            await refund(scope, limits[:position])
            return False
    return True


async def refund(scope: Scope, limits: list[ThrottleLimit]) -> None:
    """Take back a counted attempt whose password was right."""
    for limit in limits:
        await scope.tx.throttles.refund(scope.number, limit.subject, limit.interval)


async def is_open(scope: Scope, limits: list[ThrottleLimit]) -> bool:
    """Return whether `charge` would succeed now, without counting."""
    for limit in limits:
        # Theoretical arrival time (GCRA): when the limit would be unused again.
        tat = await scope.tx.throttles.tat(scope.number, limit.subject)
        if tat > scope.now + (limit.allowance - 1) * limit.interval:
            return False
    return True


def refusal() -> SignInRefused:
    """Return the refusal, the same for right and wrong passwords.

    Not a 429: SDKs would sleep within a person's request.
    """
    return SignInRefused("too_many_password_attempts", "Too many wrong passwords. Try again in some minutes.")


def account_subject(email: str) -> str:
    """Return the subject of an account's own limit."""
    return f"account:{_digest(email_key(email))}"


def stranger_subject(address: str | None) -> str:
    """Return the subject that all unknown emails from one network share."""
    return f"stranger:{_network(address) or ''}"


async def _is_familiar(scope: Scope, user_id: str, network: str) -> bool:
    known = await scope.tx.sessions.ip_addresses_of(scope.number, user_id)
    return any(_network(each) == network for each in known if each)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _network(address: str | None) -> str | None:
    """Return what one person usually has: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address((address or "").strip())
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
