"""How fast passwords may be guessed: by account and address, by address, by account from strange addresses.

No lock that a stranger can put on somebody else's account (decision 0013): the account's own limit does
not hold for addresses from which its user has signed in before.
"""

import hashlib
import ipaddress
from typing import Final, NamedTuple

from authfactor.errors import SignInRefused
from authfactor.models import Environment, UserRecord
from authfactor.settings import Settings
from authfactor.store import Tx

MINUTE: Final = 60_000
# One place of each comes back in this time (milliseconds).
PAIR_INTERVAL: Final = 90_000
ADDRESS_INTERVAL: Final = 36_000
ACCOUNT_INTERVAL: Final = 30 * MINUTE


class ThrottleLimit(NamedTuple):
    """One limit that an attempt counts against."""

    subject: str
    interval: int
    allowance: int


async def limits_of(
    tx: Tx,
    environment: Environment,
    user: UserRecord | None,
    email: str,
    address: str | None,
    settings: Settings,
) -> list[ThrottleLimit]:
    """Return every limit that this attempt counts against, in an order that is the same for everybody.

    An email that is nobody's is limited like one that is somebody's. An address that cannot be read is none.
    """
    account = _digest(email.strip().casefold())
    network = _network(address)
    found = []
    if network is not None:
        found = [
            ThrottleLimit(f"address:{network}", ADDRESS_INTERVAL, settings.passwords_per_address),
            ThrottleLimit(
                f"pair:{account}:{network}", PAIR_INTERVAL, settings.passwords_per_account_and_address
            ),
        ]
        if user is not None and await _is_familiar(tx, environment, user.id, network):
            return found
    return [*found, ThrottleLimit(account_subject(email), ACCOUNT_INTERVAL, settings.passwords_per_account)]


async def charge(tx: Tx, environment: Environment, limits: list[ThrottleLimit], now: int) -> bool:
    """Count an attempt against every limit, or against none when one of them has no place left."""
    for number, place in enumerate(limits):
        if not await tx.throttles.charge(
            environment.number, place.subject, now, place.interval, place.allowance
        ):
            await refund(tx, environment, limits[:number])
            return False
    return True


async def refund(tx: Tx, environment: Environment, limits: list[ThrottleLimit]) -> None:
    """Take a counted attempt back: the password was right."""
    for place in limits:
        await tx.throttles.refund(environment.number, place.subject, place.interval)


async def is_open(tx: Tx, environment: Environment, limits: list[ThrottleLimit], now: int) -> bool:
    """Tell whether an attempt would be looked at now; only `charge` decides."""
    for place in limits:
        full_at = await tx.throttles.tat(environment.number, place.subject)
        if full_at > now + (place.allowance - 1) * place.interval:
            return False
    return True


def refusal() -> SignInRefused:
    """Say no to right and wrong passwords alike. Not a 429: SDKs would sleep inside a person's request."""
    return SignInRefused("too_many_password_attempts", "Too many wrong passwords. Try again in some minutes.")


def account_subject(email: str) -> str:
    """Name an account's own limit."""
    return f"account:{_digest(email.strip().casefold())}"


def stranger_subject(address: str | None) -> str:
    """Name all the emails that are nobody's and are tried from one address."""
    return f"stranger:{_network(address) or ''}"


async def _is_familiar(tx: Tx, environment: Environment, user_id: str, network: str) -> bool:
    known = await tx.sessions.addresses_of(environment.number, user_id)
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
