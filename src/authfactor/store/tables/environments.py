"""Environments, the tenants. An environment's number is the first column of every other primary key."""

from typing import TYPE_CHECKING

from authfactor.models import Environment

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "number, client_id, name, team_name, mfa_policy, options, created_at, updated_at"

NEXT_NUMBER = "SELECT COALESCE(MAX(number), 0) + 1 FROM environments"

INSERT = f"""
INSERT INTO environments ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""

BY_NUMBER = f"SELECT {COLUMNS} FROM environments WHERE number = $1"

LOCK = f"{BY_NUMBER} FOR UPDATE"

BY_CLIENT_ID = f"SELECT {COLUMNS} FROM environments WHERE client_id = $1"

BY_NAME = f"SELECT {COLUMNS} FROM environments WHERE name = $1"

ALL = f"SELECT {COLUMNS} FROM environments ORDER BY number"

# Of an unknown session, the only environment that there is. The join is one index look-up per environment.
OF_SESSION = f"""
SELECT {", ".join(f"environments.{name}" for name in COLUMNS.split(", "))},
    sessions.id IS NOT NULL AND sessions.ended_at IS NULL
FROM environments LEFT JOIN sessions ON sessions.environment = environments.number AND sessions.id = $1
WHERE sessions.id IS NOT NULL OR (SELECT COUNT(*) FROM environments) = 1
LIMIT 1
"""

UPDATE = """
UPDATE environments SET name = $2, team_name = $3, mfa_policy = $4, options = $5, updated_at = $6
WHERE number = $1
"""


class EnvironmentsTable:
    """The table `environments`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def next_number(self) -> int:
        """Return the next free number; `insert` returns False if it has been taken since."""
        row = await self._db.one(NEXT_NUMBER)
        return int(row[0]) if row else 1

    async def insert(self, environment: Environment) -> bool:
        """Insert an environment; False when its number, client id or name is taken."""
        return await self._db.run(INSERT, *_values(environment)) == 1

    async def by_number(self, number: int) -> Environment | None:
        """Return the environment with this number, or None."""
        return _environment(await self._db.one(BY_NUMBER, number))

    async def lock(self, number: int) -> Environment | None:
        """Return the environment with this number, its row locked until the unit ends, or None."""
        return _environment(await self._db.one(LOCK, number))

    async def by_client_id(self, client_id: str) -> Environment | None:
        """Return the environment with this client id, or None."""
        return _environment(await self._db.one(BY_CLIENT_ID, client_id))

    async def by_name(self, name: str) -> Environment | None:
        """Return the environment with this name, or None."""
        return _environment(await self._db.one(BY_NAME, name))

    async def of_session(self, session_id: str) -> tuple[Environment, bool] | None:
        """Return a session's environment, and whether the session is open; None if no environment has it.

        With a single environment, that is the environment of every session, known or not.
        """
        row = await self._db.one(OF_SESSION, session_id)
        return None if row is None else (Environment(*row[:-1]), bool(row[-1]))

    async def all(self) -> list[Environment]:
        """Return all environments, oldest first."""
        return [Environment(*row) for row in await self._db.all(ALL)]

    async def update(self, environment: Environment) -> bool:
        """Update an environment's mutable columns; False when it does not exist."""
        changed = await self._db.run(
            UPDATE,
            environment.number,
            environment.name,
            environment.team_name,
            environment.mfa_policy,
            environment.options,
            environment.updated_at,
        )
        return changed == 1


def _environment(row: "Row | None") -> Environment | None:
    return None if row is None else Environment(*row)


def _values(environment: Environment) -> tuple[object, ...]:
    return tuple(getattr(environment, name) for name in Environment.__struct_fields__)
