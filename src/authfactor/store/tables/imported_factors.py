"""Imports of factors, many users at once: who they are, what they have, and the rows of what is new.

The table `imported_factors` remembers a keyed digest of each imported secret, also after the factor was
deleted, so that no repeated import brings a deleted factor back.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from authfactor.email_identity import email_key
from authfactor.models import FactorRecord
from authfactor.store.tables.factors import COLUMNS, INSERTED

if TYPE_CHECKING:
    from authfactor.store.db import Db

T = TypeVar("T")

# Each number of rows is a statement of its own, so few: the caches of statements keep them.
ROWS_PER_STATEMENT: Final = 50

IDS_BY_EMAIL = "SELECT email_key, id, email FROM users WHERE environment = $1 AND email_key IN ({values})"

IDS_BY_EXTERNAL_ID = (
    "SELECT external_id, id, email FROM users WHERE environment = $1 AND external_id IN ({values})"
)

IDS_BY_ID = "SELECT id, id, email FROM users WHERE environment = $1 AND id IN ({values})"

# In the order of the ids, so that two imports do not wait for each other.
LOCK = "SELECT id FROM users WHERE environment = $1 AND id IN ({values}) ORDER BY id FOR UPDATE"

FACTORS_OF = f"SELECT {COLUMNS} FROM factors WHERE environment = $1 AND user_id IN ({{values}})"

DIGESTS_OF = """
SELECT user_id, digest, factor_id FROM imported_factors WHERE environment = $1 AND user_id IN ({values})
"""

INSERT_FACTORS = f"""
INSERT INTO factors (environment, {INSERTED}, secret_compared, drift, algorithm, digits, period)
VALUES {{rows}}
"""

INSERT_DIGESTS = """
INSERT INTO imported_factors (environment, user_id, digest, factor_id, created_at) VALUES {rows}
"""

INSERT_EVENTS = """
INSERT INTO events (environment, id, name, user_id, data, created_at) VALUES {rows}
"""

DELETE_OF_USER = "DELETE FROM imported_factors WHERE environment = $1 AND user_id = $2"


class FoundUser(NamedTuple):
    """A user of an import."""

    id: str
    email: str


class ImportedSecret(NamedTuple):
    """The digest of a secret that was imported, and the factor that it became."""

    digest: str
    factor_id: str


class ImportedFactorsTable:
    """The table `imported_factors`, and bulk statements on users, factors and events."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def by_email(self, environment: int, emails: Iterable[str]) -> dict[str, FoundUser]:
        """Return the users with these emails, by the key of the email (`email_identity`)."""
        return await self._users(IDS_BY_EMAIL, environment, map(email_key, emails))

    async def by_external_id(self, environment: int, external_ids: Iterable[str]) -> dict[str, FoundUser]:
        """Return the users with these ids of the application's own, by that id."""
        return await self._users(IDS_BY_EXTERNAL_ID, environment, external_ids)

    async def by_id(self, environment: int, user_ids: Iterable[str]) -> dict[str, FoundUser]:
        """Return the users with these ids, by id."""
        return await self._users(IDS_BY_ID, environment, user_ids)

    async def _users(self, statement: str, environment: int, values: Iterable[str]) -> dict[str, FoundUser]:
        rows = [row async for row in self._rows(statement, environment, values)]
        return {row[0]: FoundUser(row[1], row[2]) for row in rows}

    async def lock(self, environment: int, user_ids: Iterable[str]) -> set[str]:
        """Lock users until the unit ends; return those that there are."""
        return {row[0] async for row in self._rows(LOCK, environment, user_ids)}

    async def factors_of(self, environment: int, user_ids: Iterable[str]) -> dict[str, list[FactorRecord]]:
        """Return the factors of these users, by user."""
        found: dict[str, list[FactorRecord]] = {}
        async for row in self._rows(FACTORS_OF, environment, user_ids):
            factor = FactorRecord(*row)
            found.setdefault(factor.user_id or "", []).append(factor)
        return found

    async def secrets_of(self, environment: int, user_ids: Iterable[str]) -> dict[str, list[ImportedSecret]]:
        """Return what was imported for these users, by user."""
        found: dict[str, list[ImportedSecret]] = {}
        async for user_id, digest, factor_id in self._rows(DIGESTS_OF, environment, user_ids):
            found.setdefault(user_id, []).append(ImportedSecret(digest, factor_id))
        return found

    async def insert(self, environment: int, made: Sequence[tuple[FactorRecord, str]], now: int) -> None:
        """Insert factors, each with the digest of its secret."""
        factors = [_values(environment, factor) for factor, _ in made]
        await self._insert(INSERT_FACTORS, factors)
        digests = [(environment, factor.user_id, digest, factor.id, now) for factor, digest in made]
        await self._insert(INSERT_DIGESTS, digests)

    async def append_events(
        self, environment: int, name: str, events: Sequence[tuple[str, str | None, str]], now: int
    ) -> None:
        """Append events of one name, each given by its id, its user and its data as JSON text."""
        rows = [(environment, event_id, name, user_id, data, now) for event_id, user_id, data in events]
        await self._insert(INSERT_EVENTS, rows)

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Forget what was imported for a user; return how many secrets."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)

    async def _rows(
        self, statement: str, environment: int, values: Iterable[str]
    ) -> AsyncIterator[tuple[Any, ...]]:
        for batch in _batches(sorted(set(values))):
            # The last value again, so that there are few statements.
            padded = [*batch, *[batch[-1]] * (ROWS_PER_STATEMENT - len(batch))]
            numbers = ", ".join(f"${at}" for at in range(2, ROWS_PER_STATEMENT + 2))
            for row in await self._db.all(statement.format(values=numbers), environment, *padded):
                yield row

    async def _insert(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        for batch in _batches(rows):
            width = len(batch[0])
            starts = range(1, 1 + width * len(batch), width)
            groups = (", ".join(f"${at}" for at in range(start, start + width)) for start in starts)
            values = ", ".join(f"({group})" for group in groups)
            await self._db.run(statement.format(rows=values), *chain.from_iterable(batch))


def _batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), ROWS_PER_STATEMENT):
        yield values[start : start + ROWS_PER_STATEMENT]


def _values(environment: int, factor: FactorRecord) -> tuple[object, ...]:
    return (
        environment,
        factor.id,
        factor.user_id,
        factor.issuer,
        factor.account,
        factor.secret,
        factor.activated_at,
        factor.last_step,
        factor.created_at,
        factor.updated_at,
        1,
        factor.drift,
        factor.algorithm,
        factor.digits,
        factor.period,
    )
