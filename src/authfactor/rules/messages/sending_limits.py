"""Limits on messages: to an address, to a user, and of an environment.

Notices count apart, for each user: an attacker who asks for codes must not suppress them, nor the reverse.
"""

from typing import Final, Literal, NamedTuple

from authfactor.crypto.vault import Vault
from authfactor.email_identity import email_key
from authfactor.errors import SendLimitReached
from authfactor.models import SendLimits
from authfactor.models.messages import MessageKind
from authfactor.rules.unit import Scope

HOUR: Final = 3600 * 1000
DAY: Final = 24 * HOUR
NOTICE_LIMITS: Final = SendLimits(interval=0, per_hour=10, per_day=30)
_NO_LIMIT: Final = 2**31 - 1


class _Limited(NamedTuple):
    """One subject: what it is called in errors and in the table, and its limits."""

    scope: Literal["address", "user", "environment"]
    subject: str
    limits: SendLimits


class SendingLimits:
    """Charges messages."""

    def __init__(self, vault: Vault) -> None:
        """`vault` makes the digests by which addresses are named."""
        self._vault = vault

    async def charge(
        self,
        scope: Scope,
        kind: MessageKind | Literal["test"],
        to: str,
        user_id: str | None,
        limits: SendLimits,
    ) -> None:
        """Count a message with a code or a link. Raises `SendLimitReached`.

        Always in the same order, so that concurrent units do not block each other.
        """
        digest = self._vault.digest("message recipient", f"{scope.number}\0{email_key(to)}")
        whole = SendLimits(interval=0, per_hour=limits.environment_per_hour, per_day=_NO_LIMIT)
        subjects = [_Limited("address", f"to:{digest}", limits), _Limited("environment", "all", whole)]
        if user_id is not None:
            subjects.insert(0, _Limited("user", f"user:{user_id}", limits))
        for each in subjects:
            if not await scope.tx.send_limits.charge(
                scope.number, each.subject, kind, scope.now, each.limits
            ):
                raise SendLimitReached(await _retry_at(scope, kind, each), each.scope)

    async def charge_notice(self, scope: Scope, kind: MessageKind, user_id: str) -> bool:
        """Count a notice; False when the user has had too many."""
        subject = f"notice:{user_id}"
        return await scope.tx.send_limits.charge(scope.number, subject, kind, scope.now, NOTICE_LIMITS)


async def _retry_at(scope: Scope, kind: str, limited: _Limited) -> int:
    """Return when the subject may be charged again."""
    sent = await scope.tx.send_limits.of_subject(scope.number, limited.subject)
    limits, ends = limited.limits, [scope.now + 1]
    if sent.last_kind == kind:
        ends.append(sent.last_at + limits.interval * 1000)
    if sent.hour_count >= limits.per_hour:
        ends.append(sent.hour_at + HOUR)
    if sent.day_count >= limits.per_day:
        ends.append(sent.day_at + DAY)
    return max(ends)
