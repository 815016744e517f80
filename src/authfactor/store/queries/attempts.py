"""An attempt at a code: counting it, and spending the code; each told to the database at once.

Where units run at the same time the count is written, and held, before the code is looked at. Where they run
one after the other it is decided first all the same, and written with the outcome: nobody can come between,
and what is not committed is not answered (decision 0003).
"""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from authfactor.models import ChallengeRecord, FactorRecord, FailureRecord
from authfactor.store.tables.challenges import CHARGE, CHARGE_AND_CLOSE, CLOSE, WITH_FACTOR
from authfactor.store.tables.factors import ADVANCE_STEP
from authfactor.store.tables.failures import BY_SUBJECT, PUT, failure_record, write_step

if TYPE_CHECKING:
    from authfactor.store.db import Db, Step

_NO_FAILURES = FailureRecord((), 0, None)
_CHALLENGE_END, _FACTOR_END = 6, 15  # where the columns of each end in a row of `WITH_FACTOR`

# One statement where a round trip costs more than the statement does. All parts see one state of the
# database; each waits for its row by itself and then looks at it again.
CHARGE_IN_ONE_STATEMENT = f"""
WITH found (id, factor_id, attempts, created_at, expires_at, verified_at,
  factor, user_id, issuer, account, secret, activated_at, last_step, born_at, updated_at) AS ({WITH_FACTOR}),
record AS (
  INSERT INTO failures (environment, subject, times, in_a_row, locked_until)
  SELECT $1, coalesce(user_id, factor), $3, 1, NULL FROM found WHERE verified_at IS NULL AND expires_at > $4
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


class CodeAttempt(NamedTuple):
    """An attempt, counted unless the challenge was over: then the record is empty.

    `stored`: what the table holds meanwhile, where the count is written with the outcome; else None.
    """

    challenge: ChallengeRecord
    factor: FactorRecord
    record: FailureRecord
    charged: bool
    stored: FailureRecord | None = None

    @property
    def subject(self) -> str:
        """Whose failures a wrong code counts against: the user, or the factor that has none."""
        return subject_of(self.factor)


class SpendResult(IntEnum):
    """How far it came."""

    STEP_USED = 0
    CHALLENGE_CLOSED = 1
    ALL = 3


class Attempts:
    """The calls that count an attempt and spend a code."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def charge(
        self, environment: int, challenge_id: str, max_attempts: int, now: int
    ) -> CodeAttempt | None:
        """Count one attempt before the code is looked at; None when challenge or factor is gone.

        Counted are the record of failures (the user's, or that of a factor without one), whose row is held
        until the unit ends, and, unless that is locked at `now` (milliseconds), the challenge. `charged` is
        False when it did not count: locked, verified meanwhile, or `most` attempts were made. The challenge
        is as it was before.
        """
        seconds = now // 1000
        if self._db.serializes_writes:
            return await self._charge_serialized(environment, challenge_id, seconds, max_attempts, now)
        row = await self._db.one(
            CHARGE_IN_ONE_STATEMENT, environment, challenge_id, str(seconds), now, max_attempts
        )
        if row is None:
            return None
        challenge, factor = (
            ChallengeRecord(*row[:_CHALLENGE_END]),
            FactorRecord(*row[_CHALLENGE_END:_FACTOR_END]),
        )
        record = _NO_FAILURES if row[_FACTOR_END] is None else failure_record(row[_FACTOR_END:])
        return CodeAttempt(challenge, factor, record, row[-1] == 1)

    async def _charge_serialized(
        self, environment: int, challenge_id: str, seconds: int, max_attempts: int, now: int
    ) -> CodeAttempt | None:
        row = await self._db.one(WITH_FACTOR, environment, challenge_id)
        if row is None:
            return None
        challenge, factor = ChallengeRecord(*row[:_CHALLENGE_END]), FactorRecord(*row[_CHALLENGE_END:])
        if challenge.verified_at is not None or challenge.expires_at <= now:
            return CodeAttempt(challenge, factor, _NO_FAILURES, charged=False)
        stored_row = await self._db.one(BY_SUBJECT, environment, subject_of(factor))
        stored = _NO_FAILURES if stored_row is None else failure_record(stored_row)
        record = FailureRecord((*stored.times, seconds), stored.in_a_row + 1, stored.locked_until)
        if record.locked_until is not None and record.locked_until > now:
            return CodeAttempt(challenge, factor, record, charged=False, stored=stored)
        return CodeAttempt(challenge, factor, record, challenge.attempts < max_attempts, stored)

    async def write_without_spending(
        self, environment: int, attempt: CodeAttempt, updated: FailureRecord
    ) -> None:
        """Write what an attempt leaves that spent nothing; `settled` are the user's failures now."""
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
        self, environment: int, attempt: CodeAttempt, step: int, updated: FailureRecord, now: int
    ) -> SpendResult:
        """Advance the factor's step, close the challenge, write the user's failures, which are now `settled`.

        Of any number of callers with one step one gets further than `STEP_USED`, and changes something. After
        `CHALLENGE_CLOSED` the unit must be taken back: the step is advanced.
        """
        advance = ADVANCE_STEP, (environment, attempt.factor.id, step, now)
        closing = environment, attempt.challenge.id, now
        if attempt.stored is None:
            # The record is there, and held, by `charge`.
            failures = write_step(environment, attempt.subject, updated)
            return SpendResult(await self._db.run_while_matched(advance, (CLOSE, closing), failures))
        done = await self._db.run_while_matched(advance, (CHARGE_AND_CLOSE, closing))
        if done <= SpendResult.CHALLENGE_CLOSED:
            return SpendResult(done)
        if updated != attempt.stored:
            await self._write(write_step(environment, attempt.subject, updated, PUT))
        return SpendResult.ALL

    async def _write(self, step: "Step") -> None:
        statement, parameters = step
        await self._db.run(statement, *parameters)


def subject_of(factor: FactorRecord) -> str:
    """Whose failures a wrong code counts against: the user, or the factor that has none."""
    return factor.user_id or factor.id
