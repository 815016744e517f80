"""Count an attempt at a code, and spend the code; each in as few statements as possible.

Where units run concurrently (PostgreSQL), the count is written, and its row locked, before the code is
compared. Where they are serialized (SQLite), the decision is also made first, but the count is written with
the outcome: no other unit can run in between, and no response is sent before the commit (decision 0003).
"""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from authfactor.models import ChallengeRecord, FactorRecord, FailureRecord
from authfactor.store.tables.challenges import CHARGE, CHARGE_AND_CLOSE, CLOSE, JOINED, JOINED_COLUMNS
from authfactor.store.tables.factors import ADVANCE_DUPLICATE, ADVANCE_STEP
from authfactor.store.tables.failures import BY_SUBJECT, PUT, failure_record, write_step

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row, Step

_NO_FAILURES = FailureRecord((), 0, None)
_CHALLENGE_END, _FACTOR_END = 7, 22  # where each record's columns end in a row
_FOUND_END = 23  # where the columns of the challenge and its factors end

# The sealed secrets of the user's other factors that may have the same secret, as `id secret,…`: at least one
# of the two was enrolled by a release that did not compare them. Each database has its aggregate.
_OTHERS = """
(SELECT {aggregate} FROM factors o INDEXED BY factors_user
 WHERE o.environment = f.environment AND o.user_id = f.user_id AND o.id <> f.id
 AND o.secret_compared + f.secret_compared < 2 AND o.type = 'totp')
"""
_FIND = f"SELECT {JOINED_COLUMNS}, {_OTHERS} {JOINED}"
_AGGREGATE_POSTGRES = "string_agg(o.id || ' ' || o.secret, ',')"
FIND_SQLITE = _FIND.format(aggregate="group_concat(o.id || ' ' || o.secret)")
FIND_POSTGRES = _FIND.format(aggregate=_AGGREGATE_POSTGRES)

_FOUND = (
    "id, factor_id, attempts, created_at, expires_at, verified_at, session_id, factor, user_id, issuer,"
    " account, secret, activated_at, last_step, factor_created_at, updated_at, drift, last_offset, type,"
    " algorithm, digits, period, others"
)

# PostgreSQL: a round trip costs more than a statement. All CTEs see one snapshot; each waits for its row lock
# and then rechecks its own WHERE clause.
CHARGE_IN_ONE_STATEMENT = f"""
WITH found ({_FOUND}) AS ({FIND_POSTGRES}),
record AS (
  INSERT INTO failures (environment, subject, times, in_a_row, locked_until)
  SELECT $1, coalesce(user_id, factor), $3, 1, NULL FROM found
  WHERE verified_at IS NULL AND expires_at > $4 AND type = 'totp'
  ON CONFLICT (environment, subject) DO UPDATE
  SET times = failures.times || ',' || excluded.times, in_a_row = failures.in_a_row + 1
  RETURNING times, in_a_row, locked_until),
charged AS (
  UPDATE challenges SET attempts = attempts + 1
  WHERE environment = $1 AND id = $2 AND verified_at IS NULL AND attempts < $5
    AND EXISTS (SELECT 1 FROM record WHERE locked_until IS NULL OR locked_until <= $4)
  RETURNING 1)
SELECT found.*, record.times, record.in_a_row, record.locked_until, (SELECT count(*) FROM charged)
FROM found LEFT JOIN record ON TRUE
"""

# The same for several units: `keys` are their parameters, numbered by `at`. Records are created and locked in
# one order, whatever the order of the units (decision 0040). Of several units with the same subject the first
# is charged; the others get a negative number, and each runs alone.
CHARGE_MANY = f"""
WITH k AS MATERIALIZED (SELECT * FROM {{keys}}),
found (at, number, seconds, now, allowed, subject, {_FOUND}) AS (
  SELECT k.at, k.p1, k.p3, k.p4, k.p5, coalesce(f.user_id, f.id), {JOINED_COLUMNS},
    {_OTHERS.format(aggregate=_AGGREGATE_POSTGRES)}
  FROM k JOIN challenges c ON c.environment = k.p1 AND c.id = k.p2
  JOIN factors f ON f.environment = c.environment AND f.id = c.factor_id),
ranked AS (SELECT *, row_number() OVER (PARTITION BY number, subject ORDER BY at) AS rank FROM found),
record AS (
  INSERT INTO failures (environment, subject, times, in_a_row, locked_until)
  SELECT number, subject, seconds, 1, NULL FROM ranked
  WHERE rank = 1 AND verified_at IS NULL AND expires_at > now AND type = 'totp' ORDER BY number, subject
  ON CONFLICT (environment, subject) DO UPDATE
  SET times = failures.times || ',' || excluded.times, in_a_row = failures.in_a_row + 1
  RETURNING environment, subject, times, in_a_row, locked_until),
charged AS (
  UPDATE challenges c SET attempts = c.attempts + 1
  FROM ranked t JOIN record r ON r.environment = t.number AND r.subject = t.subject AND t.rank = 1
  WHERE c.environment = t.number AND c.id = t.id AND c.verified_at IS NULL AND c.attempts < t.allowed
    AND (r.locked_until IS NULL OR r.locked_until <= t.now)
  RETURNING t.at)
SELECT CASE WHEN t.rank = 1 THEN t.at ELSE -t.at END, t.{_FOUND.replace(", ", ", t.")},
  r.times, r.in_a_row, r.locked_until, (SELECT count(*) FROM charged WHERE charged.at = t.at)
FROM ranked t LEFT JOIN record r ON r.environment = t.number AND r.subject = t.subject AND t.rank = 1
"""


class CodeAttempt(NamedTuple):
    """An attempt at a code, with the state it was decided on.

    `record` includes this attempt; it is empty when the challenge was expired, verified, or not of a TOTP
    factor. `charged` is False
    when the attempt did not count against the challenge. `others` holds the user's other factors for
    `other_secrets`. `stored` is the record in the table where the count is written only with the outcome
    (SQLite), else None.
    """

    challenge: ChallengeRecord
    factor: FactorRecord
    record: FailureRecord
    charged: bool
    others: str | None = None
    stored: FailureRecord | None = None

    @property
    def subject(self) -> str:
        """The id that failures are counted under: the user's, or a stand-alone factor's."""
        return subject_of(self.factor)

    def other_secrets(self) -> list[tuple[str, str]]:
        """Return the id and the sealed secret of each of the user's other factors."""
        if self.others is None:
            return []
        pairs = [pair.partition(" ") for pair in self.others.split(",")]
        return [(factor_id, sealed) for factor_id, _, sealed in pairs]


class SpendResult(IntEnum):
    """How many steps of `spend` succeeded."""

    STEP_USED = 0
    CHALLENGE_CLOSED = 1
    ALL = 3


class Attempts:
    """Statements that count an attempt and spend a code. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def charge(
        self, environment: int, challenge_id: str, max_attempts: int, now: int
    ) -> CodeAttempt | None:
        """Count one attempt before the code is compared; None when the challenge or factor does not exist.

        The attempt counts against the failure record (of the user, or of a stand-alone factor), whose row is
        locked until the unit ends, and, unless that record has a lock at `now`, against the challenge.
        `charged` is False when the challenge was not charged: locked, already verified, or `max_attempts`
        used up; and for a factor that takes no codes, for which nothing is counted. The
        returned challenge is in its state before the attempt.
        """
        seconds = now // 1000
        if self._db.serializes_writes:
            return await self._charge_serialized(environment, challenge_id, seconds, max_attempts, now)
        row = await self._db.one(
            CHARGE_IN_ONE_STATEMENT, environment, challenge_id, str(seconds), now, max_attempts
        )
        if row is None:
            return None
        record = _NO_FAILURES if row[_FOUND_END] is None else failure_record(row[_FOUND_END:])
        return CodeAttempt(*_found(row), record, charged=row[-1] == 1, others=row[_FACTOR_END])

    async def _charge_serialized(
        self, environment: int, challenge_id: str, seconds: int, max_attempts: int, now: int
    ) -> CodeAttempt | None:
        row = await self._db.one(FIND_SQLITE, environment, challenge_id)
        if row is None:
            return None
        challenge, factor = _found(row)
        if challenge.verified_at is not None or challenge.expires_at <= now or not factor.is_totp:
            return CodeAttempt(challenge, factor, _NO_FAILURES, charged=False)
        stored_row = await self._db.one(BY_SUBJECT, environment, subject_of(factor))
        stored = _NO_FAILURES if stored_row is None else failure_record(stored_row)
        record = FailureRecord((*stored.times, seconds), stored.in_a_row + 1, stored.locked_until)
        if record.locked_until is not None and record.locked_until > now:
            return CodeAttempt(challenge, factor, record, charged=False, stored=stored)
        charged = challenge.attempts < max_attempts
        return CodeAttempt(challenge, factor, record, charged=charged, others=row[_FACTOR_END], stored=stored)

    async def write_without_spending(
        self, environment: int, attempt: CodeAttempt, updated: FailureRecord
    ) -> None:
        """Write an attempt that spent no step; `updated` is the subject's failure record after it."""
        if attempt.stored is None:
            if updated != attempt.record:
                await self._write(write_step(environment, attempt.subject, updated))
            return
        if attempt.charged:
            challenge = attempt.challenge
            await self._db.run(CHARGE, environment, challenge.id, challenge.attempts + 1)
        if updated != attempt.stored:
            await self._write(write_step(environment, attempt.subject, updated, PUT))

    async def spend(
        self,
        environment: int,
        attempt: CodeAttempt,
        step: int,
        updated: FailureRecord,
        now: int,
        *,
        learned: tuple[int, int],
        repeatable: bool = False,
    ) -> SpendResult:
        """Advance the factor's step, close the challenge and write the failure record `updated`.

        Of any number of concurrent callers with the same step, exactly one gets beyond `STEP_USED`. After
        `CHALLENGE_CLOSED` the caller must roll the unit back, because the step has been advanced.
        `learned` are the drift and the last offset that follow from the attempt's factor and this step.
        `repeatable`: keep the step with the challenge, so that the response can be repeated.
        """
        factor = attempt.factor
        advance = ADVANCE_STEP, (environment, factor.id, step, now, *learned, factor.last_step)
        closing = environment, attempt.challenge.id, now, step if repeatable else None
        if attempt.stored is None:
            # `charge` created the record and holds its row lock.
            failures = write_step(environment, attempt.subject, updated)
            return SpendResult(await self._db.run_while_matched(advance, (CLOSE, closing), failures))
        done = await self._db.run_while_matched(advance, (CHARGE_AND_CLOSE, closing))
        if done <= SpendResult.CHALLENGE_CLOSED:
            return SpendResult(done)
        if updated != attempt.stored:
            await self._write(write_step(environment, attempt.subject, updated, PUT))
        return SpendResult.ALL

    async def spend_duplicate(self, environment: int, factor_id: str, step: int) -> None:
        """Spend the step of another factor with the same secret, in the unit of `spend`."""
        await self._db.run(ADVANCE_DUPLICATE, environment, factor_id, step)

    async def _write(self, step: "Step") -> None:
        statement, parameters = step
        await self._db.run(statement, *parameters)


def _found(row: "Row") -> tuple[ChallengeRecord, FactorRecord]:
    return ChallengeRecord(*row[:_CHALLENGE_END]), FactorRecord(*row[_CHALLENGE_END:_FACTOR_END])


def subject_of(factor: FactorRecord) -> str:
    """Return the id that failures are counted under: the user's, or a stand-alone factor's."""
    return factor.user_id or factor.id
