"""Wrong codes, per user (or stand-alone factor), over all challenges, sessions and processes.

Times are kept as text, seconds of the epoch joined by commas, so that counting one more is a single
statement that no concurrent attempt can lose.
"""

from typing import TYPE_CHECKING

from authfactor.models import FailureRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row, Step

BY_SUBJECT = "SELECT times, in_a_row, locked_until FROM failures WHERE environment = $1 AND subject = $2"

CHARGE_SUBJECT = """
INSERT INTO failures (environment, subject, times, in_a_row, locked_until) VALUES ($1, $2, $3, 1, NULL)
ON CONFLICT (environment, subject) DO UPDATE
SET times = failures.times || ',' || excluded.times, in_a_row = failures.in_a_row + 1
RETURNING times, in_a_row, locked_until
"""

# Whether there was a record or not.
PUT = """
INSERT INTO failures (environment, subject, times, in_a_row, locked_until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment, subject) DO UPDATE
SET times = excluded.times, in_a_row = excluded.in_a_row, locked_until = excluded.locked_until
"""

WRITE = (
    "UPDATE failures SET times = $3, in_a_row = $4, locked_until = $5 WHERE environment = $1 AND subject = $2"
)

CLEAR = "DELETE FROM failures WHERE environment = $1 AND subject = $2"


class FailuresTable:
    """Calls on the table `failures`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def of(self, environment: int, subject: str) -> FailureRecord:
        """Read the record; an empty one when there is none."""
        row = await self._db.one(BY_SUBJECT, environment, subject)
        return failure_record(row) if row else FailureRecord((), 0, None)

    async def charge(self, environment: int, subject: str, seconds: int) -> FailureRecord:
        """Count one attempt, hold the row until the unit ends, and return the record with it."""
        row = await self._db.one(CHARGE_SUBJECT, environment, subject, str(seconds))
        return failure_record(row or (str(seconds), 1, None))

    async def write(self, environment: int, subject: str, record: FailureRecord) -> None:
        """Replace the record (the caller holds it by `charge`)."""
        statement, parameters = write_step(environment, subject, record)
        await self._db.run(statement, *parameters)

    async def clear(self, environment: int, subject: str) -> bool:
        """Forget everything, as when an operator unlocks; False when there was nothing."""
        return await self._db.run(CLEAR, environment, subject) == 1


def write_step(environment: int, subject: str, record: FailureRecord, statement: str = WRITE) -> "Step":
    """Say how to replace a record; an empty one is no row."""
    if not record.times and record.in_a_row == 0 and record.locked_until is None:
        return CLEAR, (environment, subject)
    times = ",".join(map(str, record.times))
    return statement, (environment, subject, times, record.in_a_row, record.locked_until)


def failure_record(row: "Row") -> FailureRecord:
    """Read a record's columns."""
    times = tuple([int(text) for text in row[0].split(",") if text])
    return FailureRecord(times, row[1], row[2])
