"""An in-memory store in which other units, or a crash, may run between any two statements.

It behaves like PostgreSQL under READ COMMITTED: a statement sees committed rows and its own unit's writes; a
write locks its row until the unit ends, and another unit that wants the row waits and then reads it again.
"""

import random
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, NoReturn, cast

import msgspec

from authfactor.models import ChallengeRecord, FactorRecord, FailureRecord
from authfactor.store import Tx, Unit
from authfactor.store.queries.attempts import CodeAttempt, SpendResult
from authfactor.store.tables.challenges import VerifiedStep

Key = tuple[str, str]


class Pause:
    """Suspend the unit; `wanted` is the row whose lock it waits for, if any."""

    def __init__(self, wanted: Key | None = None) -> None:
        self.wanted = wanted

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


async def no_messages(*_notice: object) -> NoReturn:
    """Stand for the outbox of an environment without a sender."""
    raise AssertionError("no schedule sends a message")


@dataclass
class Task:
    """A running unit."""

    name: int
    coroutine: Coroutine[Pause, None, Any]
    writes: dict[Key, Any] = field(default_factory=dict)
    wanted: Key | None = None
    read_factor: FactorRecord | None = None
    """The factor as this unit read it, before it waited for any lock."""


class SimulatedStore:
    """Rows, their locks, and a schedule drawn from one seed."""

    def __init__(self, chance: random.Random, *, racy: bool = False) -> None:
        self.rows: dict[Key, Any] = {}
        self.holders: dict[Key, Task] = {}
        self.chance = chance
        # A mutation: reads and then writes without a lock, as most published verifiers do.
        self.racy = racy
        self.current: Task | None = None
        self.tx = cast("Tx", _tables(self))

    def insert(self, table: str, key: str, row: object) -> None:
        self.rows[table, key] = row

    def run(
        self,
        units: list[Unit[Any]],
        committed: Callable[[int, Any, FactorRecord | None], None],
        crash_rate: float,
    ) -> dict[int, Any]:
        """Run units in a random interleaving, some crashing without effect; return their results."""
        tasks = [
            Task(number, cast("Coroutine[Pause, None, Any]", unit(self.tx)))
            for number, unit in enumerate(units)
        ]
        results: dict[int, Any] = {}
        while tasks:
            ready = [task for task in tasks if self._may_go_on(task)]
            assert ready, "the units wait for one another"
            task = self.chance.choice(ready)
            task.wanted = None
            if self.chance.random() < crash_rate:
                task.coroutine.close()
                self._end(task)
                tasks.remove(task)
                continue
            try:
                self.current = task
                task.wanted = task.coroutine.send(None).wanted
            except StopIteration as stop:
                self.rows.update(task.writes)
                self._end(task)
                tasks.remove(task)
                results[task.name] = stop.value
                committed(task.name, stop.value, task.read_factor)
            except Exception as error:  # noqa: BLE001 - what a unit raises is its result
                if getattr(error, "commits", False):
                    self.rows.update(task.writes)
                self._end(task)
                tasks.remove(task)
                results[task.name] = error
                committed(task.name, error, task.read_factor)
        return results

    def _may_go_on(self, task: Task) -> bool:
        return task.wanted is None or self.holders.get(task.wanted, task) is task

    def _end(self, task: Task) -> None:
        self.holders = {key: holder for key, holder in self.holders.items() if holder is not task}

    def read(self, table: str, key: str) -> Any:  # noqa: ANN401 - a row of any table
        assert self.current is not None
        return self.current.writes.get((table, key), self.rows.get((table, key)))

    async def write(self, table: str, key: str, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - a row
        """Replace one row by the result of `change` on its latest state, unless that is None; return it."""
        row = (table, key)
        while True:
            await Pause(row)
            task = self.current
            assert task is not None
            if self.holders.get(row, task) is task:
                break
        new = change(self.read(table, key))
        if new is not None:
            self.holders[row] = task
            task.writes[row] = new
        return new


NOTHING: Final = FailureRecord((), 0, None)


def _tables(store: SimulatedStore) -> SimpleNamespace:  # noqa: C901, PLR0915 - one small function for each call
    async def with_factor(_: int, challenge_id: str) -> tuple[ChallengeRecord, FactorRecord] | None:
        await Pause()
        challenge = store.read("challenge", challenge_id)
        return challenge and (challenge, store.read("factor", challenge.factor_id))

    async def by_id(_: int, challenge_id: str) -> ChallengeRecord | None:
        await Pause()
        return cast("ChallengeRecord | None", store.read("challenge", challenge_id))

    async def charge_challenge(_: int, challenge_id: str, limit: int) -> bool:
        def more(row: ChallengeRecord) -> ChallengeRecord | None:
            if row.verified_at is not None or row.attempts >= limit:
                return None
            return msgspec.structs.replace(row, attempts=row.attempts + 1)

        return await store.write("challenge", challenge_id, more) is not None

    async def charge(_: int, subject: str, seconds: int) -> FailureRecord:
        def more(row: FailureRecord | None) -> FailureRecord:
            old = row or NOTHING
            return FailureRecord((*old.times, seconds), old.in_a_row + 1, old.locked_until)

        if store.racy:
            observed = more(store.read("failures", subject))
            await Pause()
            assert store.current is not None
            store.current.writes["failures", subject] = observed
            return observed
        return cast("FailureRecord", await store.write("failures", subject, more))

    async def charge_attempt(_: int, challenge_id: str, limit: int, now: int) -> CodeAttempt | None:
        found = await with_factor(_, challenge_id)
        if found is None:
            return None
        challenge, factor = found
        assert store.current is not None
        store.current.read_factor = factor
        if challenge.verified_at is not None or challenge.expires_at <= now:
            return CodeAttempt(challenge, factor, NOTHING, charged=False)
        record = await charge(_, factor.user_id or factor.id, now // 1000)
        if record.locked_until is not None and record.locked_until > now:
            return CodeAttempt(challenge, factor, record, charged=False)
        others = [row for (table, key), row in store.rows.items() if table == "factor" and key != factor.id]
        secrets = ",".join(f"{row.id} {row.secret}" for row in others if row.user_id == factor.user_id)
        charged = await charge_challenge(_, challenge_id, limit)
        return CodeAttempt(challenge, factor, record, charged, secrets or None)

    async def keep(_: int, attempt: CodeAttempt, settled: FailureRecord) -> None:
        if settled != attempt.record:
            await store.write("failures", attempt.subject, lambda _: settled)

    async def spend(
        _: int,
        attempt: CodeAttempt,
        step: int,
        settled: FailureRecord,
        now: int,
        *,
        learned: tuple[int, int],
        repeatable: bool = False,
    ) -> SpendResult:
        factor_id, challenge_id = attempt.factor.id, attempt.challenge.id
        observed = store.read("factor", factor_id).last_step
        await Pause()

        def advance(row: FactorRecord) -> FactorRecord | None:
            if (observed if store.racy else row.last_step) >= step:
                return None
            unchanged = row.last_step == attempt.factor.last_step
            drift, offset = learned if unchanged else (row.drift, 0)
            return msgspec.structs.replace(
                row, last_step=step, drift=drift, last_offset=offset, activated_at=row.activated_at or now
            )

        def close(row: ChallengeRecord) -> ChallengeRecord | None:
            return None if row.verified_at is not None else msgspec.structs.replace(row, verified_at=now)

        if await store.write("factor", factor_id, advance) is None:
            return SpendResult.STEP_USED
        if await store.write("challenge", challenge_id, close) is None:
            return SpendResult.CHALLENGE_CLOSED
        if repeatable:
            await store.write("verified step", challenge_id, lambda _: step)
        await store.write("failures", attempt.subject, lambda _: settled)
        return SpendResult.ALL

    async def spend_duplicate(_: int, factor_id: str, step: int) -> None:
        def advance(row: FactorRecord) -> FactorRecord | None:
            return None if row.last_step >= step else msgspec.structs.replace(row, last_step=step)

        await store.write("factor", factor_id, advance)

    async def withdraw_step(_: int, challenge_id: str, earliest: int, latest: int) -> VerifiedStep | None:
        challenge = store.read("challenge", challenge_id)
        if not earliest <= challenge.verified_at <= latest:
            return None

        def withdraw(step: int | None) -> int | None:
            return None if step is None or step < 0 else -step

        step = await store.write("verified step", challenge_id, withdraw)
        return None if step is None else VerifiedStep(-step, challenge)

    async def restore_step(_: int, challenge_id: str) -> None:
        await store.write("verified step", challenge_id, lambda step: -step)

    async def failures_of(_: int, subject: str) -> FailureRecord:
        await Pause()
        return cast("FailureRecord", store.read("failures", subject) or NOTHING)

    async def nothing(*_: object) -> list[object]:
        await Pause()
        return []

    return SimpleNamespace(
        challenges=SimpleNamespace(
            by_id=by_id, with_factor=with_factor, withdraw_step=withdraw_step, restore_step=restore_step
        ),
        failures=SimpleNamespace(of=failures_of),
        attempts=SimpleNamespace(
            charge=charge_attempt, write_without_spending=keep, spend=spend, spend_duplicate=spend_duplicate
        ),
        events=SimpleNamespace(append=nothing),
        throttles=SimpleNamespace(charge=nothing),
        webhook_endpoints=SimpleNamespace(subscribed=nothing),
        # No user of these schedules has any.
        trusted_devices=SimpleNamespace(end_of_user=nothing),
    )
