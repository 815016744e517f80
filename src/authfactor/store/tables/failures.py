"""Failed codes per user (or stand-alone factor), across all challenges, sessions and processes.

Times are stored as text, epoch seconds joined by commas, so that counting another one is a single statement
and no concurrent attempt is lost.
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

# An upsert, where `charge` has not created the row.
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
    """The table `failures`. The subject is a user id or the id of a stand-alone factor."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def of(self, environment: int, subject: str) -> FailureRecord:
        """Return the subject's record; an empty one when there is no row."""
        row = await self._db.one(BY_SUBJECT, environment, subject)
        return failure_record(row) if row else FailureRecord((), 0, None)

    async def charge(self, environment: int, subject: str, seconds: int) -> FailureRecord:
        """Count an attempt at this epoch second, lock the row, and return the record including it."""
        row = await self._db.one(CHARGE_SUBJECT, environment, subject, str(seconds))
        return failure_record(row or (str(seconds), 1, None))

    async def write(self, environment: int, subject: str, record: FailureRecord) -> None:
        """Replace the record, whose row the caller has locked with `charge`."""
        statement, parameters = write_step(environment, subject, record)
        await self._db.run(statement, *parameters)

    async def clear(self, environment: int, subject: str) -> bool:
        """Delete the record, for example when an operator unlocks the user; False when there is none."""
        return await self._db.run(CLEAR, environment, subject) == 1


def write_step(environment: int, subject: str, record: FailureRecord, statement: str = WRITE) -> "Step":
    """Return the statement that replaces a record; an empty record is deleted."""
    if not record.times and record.in_a_row == 0 and record.locked_until is None:
        return CLEAR, (environment, subject)
    times = ",".join(map(str, record.times))
    return statement, (environment, subject, times, record.in_a_row, record.locked_until)


def failure_record(row: "Row") -> FailureRecord:
    """Build a record from its columns."""
    times = tuple([int(text) for text in row[0].split(",") if text])
    return FailureRecord(times, row[1], row[2])
