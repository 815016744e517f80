"""Making a restored database safe: nothing used since the backup becomes valid again (decision 0015)."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from authfactor.models import Clock
from authfactor.otp import totp
from authfactor.rules.audit.audit_log import COMMAND_LINE, Actor, AuditLog
from authfactor.rules.factors.clock_drift import LEARNED_STEPS
from authfactor.rules.unit import InstallationScope
from authfactor.settings import Settings
from authfactor.store import Store, Tx

BATCH: Final = 1000
RESTORED: Final = "database.restored"
# Longer than a sign-in by passkey may take.
_KEPT_MS: Final = 24 * 3600 * 1000
_Key = tuple[int, str]
_FIRST: Final[_Key] = (-(2**31), "")


class RestoreMarks(NamedTuple):
    """What was marked; `not_before` is the first step whose codes are accepted, of most clocks."""

    not_before: int
    factors: int
    sessions: int
    expired: int
    recovery_codes: int
    trusted_devices: int


class AfterRestore:
    """Marks a restored database."""

    def __init__(
        self, clock: Clock, settings: Settings, audit: AuditLog, actor: Actor = COMMAND_LINE
    ) -> None:
        """Keep clock, settings, audit log and acting user."""
        self._audit = audit
        self._actor = actor
        self._clock = clock
        self._settings = settings

    async def mark(self, store: Store, reason: str) -> RestoreMarks:
        """Refuse every code up to now, window included; end sessions, challenges, pending sign-ins and links.

        The window is that of a clock ahead of now as far as learning may have moved it since the backup.

        Recovery codes are deleted and trusted devices ended: nothing tells which were used since the backup.

        Every verification checks a factor's `last_step` anyway, so requests do not get slower. Running it
        again marks again, with the later time. `reason` is for the audit log.
        """
        now = self._clock()
        seconds, window = now // 1000, self._settings.window
        learned = LEARNED_STEPS if self._settings.learn_drift else 0
        factors = await _walk(
            store, "factors", lambda tx, a, b: tx.restored_rows.spend_steps(a, b, seconds, window, learned)
        )
        sessions = await _walk(store, "sessions", lambda tx, a, b: tx.restored_rows.end_sessions(a, b, now))
        challenges = await _walk(
            store, "challenges", lambda tx, a, b: tx.restored_rows.expire_challenges(a, b, now)
        )
        devices = await _walk(
            store, "trusted_devices", lambda tx, a, b: tx.restored_rows.end_trusted_devices(a, b, now)
        )
        codes = 0
        while deleted := await store.write(lambda tx: tx.restored_rows.delete_recovery_codes(BATCH)):
            codes += deleted
        rest = await store.write(lambda tx: self._expire_rest(InstallationScope(tx, now), reason))
        first = totp.step_at(seconds) + window + learned + 1
        return RestoreMarks(first, factors, sessions, challenges + rest, codes, devices)

    async def _expire_rest(self, scope: InstallationScope, reason: str) -> int:
        await scope.tx.restored_rows.end_operator_sessions(scope.now)
        await scope.tx.restored_rows.cancel_messages(scope.now)
        await self._audit.append(scope.tx, self._actor, RESTORED, "database", reason=reason)
        expired = await scope.tx.restored_rows.expire_rest(scope.now)
        await scope.tx.restored_rows.mark_passkeys(scope.now + _KEPT_MS, scope.now)
        return expired


async def _walk(store: Store, table: str, change: Callable[[Tx, _Key, _Key], Awaitable[int]]) -> int:
    count = 0
    after = _FIRST
    while True:
        upto = await store.read(lambda tx, after=after: tx.restored_rows.end_of_batch(table, after, BATCH))  # type: ignore[misc]  # bound per batch
        if upto is None:
            return count
        count += await store.write(lambda tx, after=after, upto=upto: change(tx, after, upto))  # type: ignore[misc]  # bound per batch
        after = upto
