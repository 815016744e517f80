"""Rate limits on password guesses: per account and network, per network, and per account.

The account's own limit does not apply to networks from which its user has signed in before, nor to sign-ins
that send a code with the password, so that a stranger cannot lock a user out (decisions 0013 and 0034). A
network is an IPv4 address or an IPv6 /64.
"""

from typing import Final, NamedTuple

from authfactor.crypto.vault import Vault
from authfactor.email_identity import email_key
from authfactor.errors import SignInRefused
from authfactor.ip_addresses import client_network
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


class PasswordThrottling:
    """Which limits an attempt at a user's password counts against."""

    def __init__(self, vault: Vault, settings: Settings) -> None:
        """`vault` makes the digests by which accounts are named."""
        self._vault = vault
        self._settings = settings

    async def limits_of(
        self, scope: Scope, user: UserRecord | None, email: str, address: str | None, *, with_code: bool
    ) -> list[ThrottleLimit]:
        """Return every limit that an attempt counts against, always in the same order.

        Unknown emails are throttled exactly like known ones. An unparsable IP address has no limits of its
        own. `with_code`: the attempt succeeds only with a code too, so strangers learn nothing from it.
        """
        network, account = client_network(address), self._account(email)
        by_account = ThrottleLimit(
            f"account:{account}", ACCOUNT_INTERVAL, self._settings.passwords_per_account
        )
        if network is None:
            return [by_account]
        familiar = user is not None and await _is_familiar(scope, user.id, network)
        # Strangers in the same network cannot use up the attempts of those who have signed in from there.
        share = "familiar-address" if familiar else "address"
        found = [
            ThrottleLimit(f"{share}:{network}", ADDRESS_INTERVAL, self._settings.passwords_per_address),
            ThrottleLimit(
                f"pair:{account}:{network}",
                PAIR_INTERVAL,
                self._settings.passwords_per_account_and_address,
            ),
        ]
        return found if familiar or with_code else [*found, by_account]

    def account_subject(self, email: str) -> str:
        """Return the subject of an account's own limit."""
        return f"account:{self._account(email)}"

    def _account(self, email: str) -> str:
        # Keyed: a copy of the database does not reveal for which emails passwords were tried.
        return self._vault.digest("throttled account", email_key(email))[:32]


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
        if await opens_at(scope, limit) > scope.now:
            return False
    return True


async def opens_at(scope: Scope, limit: ThrottleLimit) -> int:
    """Return when a limit allows the next attempt (milliseconds); a time that has passed if it does now."""
    # Theoretical arrival time (GCRA): when the limit would be unused again.
    tat = await scope.tx.throttles.tat(scope.number, limit.subject)
    return tat - (limit.allowance - 1) * limit.interval


def refusal() -> SignInRefused:
    """Return the refusal, the same for right and wrong passwords.

    Not a 429: SDKs would sleep within a person's request.
    """
    return SignInRefused("too_many_password_attempts", "Too many wrong passwords. Try again in some minutes.")


def stranger_subject(address: str | None) -> str:
    """Return the subject that all unknown emails from one network share."""
    return f"stranger:{client_network(address) or ''}"


async def _is_familiar(scope: Scope, user_id: str, network: str) -> bool:
    known = await scope.tx.sessions.ip_addresses_of(scope.number, user_id)
    return any(client_network(each) == network for each in known if each)
