"""An attempt at a code: counting it, and spending the code; each told to the database at once."""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from authfactor.models import Challenge, Factor, FailureRecord
from authfactor.store.tables.challenges import CHARGE, CLOSE, WITH_FACTOR
from authfactor.store.tables.factors import ADVANCE_STEP
from authfactor.store.tables.failures import CHARGE_SUBJECT, record_of, writing

if TYPE_CHECKING:
    from authfactor.store.base import Db

_NONE = FailureRecord((), 0, None)
_CHALLENGE, _FACTOR = 6, 15  # where the columns of each end in a row of `WITH_FACTOR`

# One statement where a round trip costs more than the statement does. All parts see one state of the
# database; each waits for its row by itself and then looks at it again.
CHARGE_AT_ONCE = f"""
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


class Attempt(NamedTuple):
    """An attempt, counted unless the challenge was over: then the record is empty."""

    challenge: Challenge
    factor: Factor
    record: FailureRecord
    charged: bool


class Spent(IntEnum):
    """How far it came."""

    STEP_USED = 0
    CHALLENGE_CLOSED = 1
    ALL = 3


class Spending:
    """The calls that count an attempt and spend a code."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def charge(self, environment: int, challenge_id: str, most: int, now: int) -> Attempt | None:
        """Count one attempt before the code is looked at; None when challenge or factor is gone.

        Counted are the record of failures (the user's, or that of a factor without one), whose row is held
        until the unit ends, and, unless that is locked at `now` (milliseconds), the challenge. `charged` is
        False when it did not count: locked, verified meanwhile, or `most` attempts were made. The challenge
        is as it was before.
        """
        seconds = str(now // 1000)
        if self._db.one_at_a_time:
            return await self._charge_in_turn(environment, challenge_id, seconds, most, now)
        row = await self._db.one(CHARGE_AT_ONCE, environment, challenge_id, seconds, now, most)
        if row is None:
            return None
        challenge, factor = Challenge(*row[:_CHALLENGE]), Factor(*row[_CHALLENGE:_FACTOR])
        record = _NONE if row[_FACTOR] is None else record_of(row[_FACTOR:])
        return Attempt(challenge, factor, record, row[-1] == 1)

    async def _charge_in_turn(
        self, environment: int, challenge_id: str, seconds: str, most: int, now: int
    ) -> Attempt | None:
        row = await self._db.one(WITH_FACTOR, environment, challenge_id)
        if row is None:
            return None
        challenge, factor = Challenge(*row[:_CHALLENGE]), Factor(*row[_CHALLENGE:])
        if challenge.verified_at is not None or challenge.expires_at <= now:
            return Attempt(challenge, factor, _NONE, charged=False)
        subject = factor.user_id or factor.id
        counted = await self._db.one(CHARGE_SUBJECT, environment, subject, seconds)
        record = record_of(counted or (seconds, 1, None))
        if record.locked_until is not None and record.locked_until > now:
            return Attempt(challenge, factor, record, charged=False)
        charged = await self._db.run(CHARGE, environment, challenge_id, most) == 1
        return Attempt(challenge, factor, record, charged)

    async def spend(
        self,
        environment: int,
        factor_id: str,
        step: int,
        challenge_id: str,
        failures: tuple[str, FailureRecord],
        now: int,
    ) -> Spent:
        """Advance the factor's step, close the challenge, write whose failures are now which.

        Of any number of callers with one step one gets further than `STEP_USED`, and changes something. After
        `CHALLENGE_CLOSED` the unit must be taken back: the step is advanced. The caller holds the record of
        failures by `charge`, so that its row is there.
        """
        return Spent(
            await self._db.chain(
                (ADVANCE_STEP, (environment, factor_id, step, now)),
                (CLOSE, (environment, challenge_id, now)),
                writing(environment, *failures),
            )
        )
