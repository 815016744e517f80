"""Recovery codes and their pace in the simulated store, as the statements of their tables behave."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from authfactor.models import ChallengeRecord, RecoveryCodeCount, RecoveryCodeUse
from tests.support.simulated_store import NOTHING, Pause, SimulatedStore

UNUSED: Final = RecoveryCodeUse(0, "")


class SimulatedCodes:
    """The tables `recovery_codes`, `throttles` and what else a recovery code writes, of one user."""

    def __init__(self, store: SimulatedStore, bits: int | None) -> None:
        self._store = store
        self._bits = bits
        # Always there, so that clearing it locks it. On a real database a wrong code that runs beside the
        # first right one may stay counted, which is the safe side.
        store.insert("failures", "user_1", NOTHING)
        tx: Any = store.tx
        tx.recovery_codes = self
        tx.throttles.charge, tx.throttles.tat, tx.throttles.clear = self.charge, self.tat, self.clear_pace
        tx.failures.clear, tx.challenges.close = self.clear_failures, self.close

    def insert(self, digest: str) -> None:
        self._store.insert("recovery code", digest, UNUSED)

    async def spend(
        self, _: int, __: str, digests: Sequence[str], now: int, challenge_id: str, least_bits: int
    ) -> bool:
        if self._bits is not None and self._bits < least_bits:
            return False

        def use(row: RecoveryCodeUse | None) -> RecoveryCodeUse | None:
            return RecoveryCodeUse(now, challenge_id) if row == UNUSED else None

        if self._store.racy:
            observed = [digest for digest in digests if self._store.read("recovery code", digest) == UNUSED]
            await Pause()
            for digest in observed:
                assert self._store.current is not None
                self._store.current.writes["recovery code", digest] = RecoveryCodeUse(now, challenge_id)
            return bool(observed)
        found = [digest for digest in digests if self._store.read("recovery code", digest) is not None]
        return any([await self._store.write("recovery code", digest, use) is not None for digest in found])

    async def use_of(self, _: int, __: str, digests: Sequence[str]) -> RecoveryCodeUse | None:
        await Pause()
        uses = [self._store.read("recovery code", digest) for digest in digests]
        return next((use for use in uses if use not in {None, UNUSED}), None)

    async def count(self, _: int, __: str) -> RecoveryCodeCount:
        await Pause()
        return RecoveryCodeCount(0, 0, None)

    async def imported_bits(self, _: int, __: str) -> int | None:
        await Pause()
        return self._bits

    async def charge(self, _: int, subject: str, now: int, interval: int, burst: int) -> bool:
        def more(row: int | None) -> int | None:
            free_at = max(row or 0, now)
            return None if free_at > now + (burst - 1) * interval else free_at + interval

        return await self._store.write("throttle", subject, more) is not None

    async def tat(self, _: int, subject: str) -> int:
        await Pause()
        return int(self._store.read("throttle", subject) or 0)

    async def clear_pace(self, _: int, subject: str) -> bool:
        await self._store.write("throttle", subject, lambda row: None if row is None else 0)
        return True

    async def clear_failures(self, _: int, subject: str) -> bool:
        await self._store.write("failures", subject, lambda _: NOTHING)
        return True

    async def close(self, _: int, challenge_id: str, now: int) -> bool:
        def closed(row: ChallengeRecord) -> ChallengeRecord | None:
            return None if row.verified_at is not None else msgspec.structs.replace(row, verified_at=now)

        return await self._store.write("challenge", challenge_id, closed) is not None
