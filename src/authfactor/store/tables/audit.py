"""The audit log, append-only: no statement here updates or deletes an entry."""

from typing import TYPE_CHECKING

from authfactor.models import AuditEntry, PageQuery
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = (
    "id, actor_kind, actor_id, actor, action, environment, target, reason, request_id, created_at, hash,"
    " mac, key_id, address"
)

INSERT = f"INSERT INTO audit ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"

LAST = f"SELECT {COLUMNS} FROM audit ORDER BY id DESC LIMIT 1"

BY_ID = f"SELECT {COLUMNS} FROM audit WHERE id = $1"

# The log belongs to the installation, so its keys are in environment 0, which no API key can reach.
KEYS = "SELECT id, secret FROM audit_keys WHERE environment = 0 ORDER BY id"

NEWEST_KEY = "SELECT id, secret FROM audit_keys WHERE environment = 0 ORDER BY id DESC LIMIT 1"

ADD_KEY = "INSERT INTO audit_keys (environment, id, secret, created_at) VALUES (0, $1, $2, $3)"

# The oldest key always exists, so its row serves as the lock of everything that appends.
LOCK = "SELECT 1 FROM audit_keys WHERE environment = 0 ORDER BY id LIMIT 1 FOR UPDATE"

NEXT = f"SELECT {COLUMNS} FROM audit WHERE id > $1 ORDER BY id LIMIT $2"

NEWEST_OF = f"SELECT {COLUMNS} FROM audit INDEXED BY audit_action WHERE action = $1 ORDER BY id DESC LIMIT 1"

FIRST_OF = f"SELECT {COLUMNS} FROM audit INDEXED BY audit_action WHERE action = $1 ORDER BY id LIMIT 1"

GREATEST_TARGET = """
SELECT target FROM audit INDEXED BY audit_target
WHERE action = $1 AND target <= $2 ORDER BY target DESC LIMIT 1
"""

# Distinct actions by a loose index scan.
ACTIONS = """
WITH RECURSIVE names (action) AS (
  SELECT MIN(action) FROM audit
  UNION ALL SELECT (SELECT MIN(action) FROM audit WHERE action > names.action) FROM names
  WHERE names.action IS NOT NULL
) SELECT action FROM names WHERE action IS NOT NULL
"""

OF_ACTION = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM audit INDEXED BY audit_action WHERE action = $1", 1
)


class AuditTable:
    """The tables `audit` and `audit_keys`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def append(self, entry: AuditEntry) -> None:
        """Append an entry. If two units append the same id, the second one fails and is retried."""
        await self._db.run(INSERT, *(getattr(entry, name) for name in AuditEntry.__struct_fields__))

    async def last(self) -> AuditEntry | None:
        """Return the newest entry, or None."""
        row = await self._db.one(LAST)
        return None if row is None else AuditEntry(*row)

    async def by_id(self, entry_id: str) -> AuditEntry | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, entry_id)
        return None if row is None else AuditEntry(*row)

    async def keys(self) -> list[tuple[str, str]]:
        """Return the id and sealed secret of all signing keys, oldest first."""
        return [(row[0], row[1]) for row in await self._db.all(KEYS)]

    async def lock(self) -> None:
        """Block other units from appending entries or keys until this unit ends."""
        await self._db.one(LOCK)

    async def newest_key(self) -> tuple[str, str] | None:
        """Return the id and sealed secret of the current signing key, or None."""
        row = await self._db.one(NEWEST_KEY)
        return None if row is None else (row[0], row[1])

    async def add_key(self, key_id: str, sealed: str, now: int) -> None:
        """Insert a signing key. If two units insert the same id, the second one fails and is retried."""
        await self._db.run(ADD_KEY, key_id, sealed, now)

    async def entries_after(self, entry_id: str, limit: int) -> list[AuditEntry]:
        """Return the next `limit` entries after this id, oldest first."""
        return [AuditEntry(*row) for row in await self._db.all(NEXT, entry_id, limit)]

    async def newest_of(self, action: str) -> AuditEntry | None:
        """Return the newest entry of an action, or None."""
        row = await self._db.one(NEWEST_OF, action)
        return None if row is None else AuditEntry(*row)

    async def first_of(self, action: str) -> AuditEntry | None:
        """Return the oldest entry of an action, or None."""
        row = await self._db.one(FIRST_OF, action)
        return None if row is None else AuditEntry(*row)

    async def greatest_target(self, action: str, upper_bound: str) -> str | None:
        """Return the greatest target up to `upper_bound` among an action's entries, or None."""
        row = await self._db.one(GREATEST_TARGET, action, upper_bound)
        return None if row is None else row[0]

    async def page_without(
        self, query: PageQuery, excluded: frozenset[str]
    ) -> tuple[list[AuditEntry], bool, bool]:
        """Return one page of the entries except those of some actions: entries, more before, more after."""
        parameter_sets = [(row[0],) for row in await self._db.all(ACTIONS) if row[0] not in excluded]
        page = await keyset_pagination.fetch_merged(self._db, OF_ACTION, query, parameter_sets)
        return [AuditEntry(*row) for row in page.rows], page.more_before, page.more_after

    async def page(
        self, query: PageQuery, action: str | None, actor: str | None, target: str | None
    ) -> tuple[list[AuditEntry], bool, bool]:
        """Return one page of the entries, filtered as given: entries, more before, more after."""
        select, values = f"SELECT {COLUMNS} FROM audit WHERE 1 = 1", []
        for column, value in (("action", action), ("actor", actor), ("target", target)):
            if value is not None:
                values.append(value)
                select += f" AND {column} = ${len(values)}"
        page = await keyset_pagination.fetch(
            self._db, keyset_pagination.Listing(select, len(values)), query, *values
        )
        return [AuditEntry(*row) for row in page.rows], page.more_before, page.more_after
