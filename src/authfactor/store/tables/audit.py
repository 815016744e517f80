"""What people changed, one entry after the other; nothing here changes or removes an entry."""

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

# The list is that of the installation: its keys are in environment 0, which no API key leads to.
KEYS = "SELECT id, secret FROM audit_keys WHERE environment = 0 ORDER BY id"

NEWEST_KEY = "SELECT id, secret FROM audit_keys WHERE environment = 0 ORDER BY id DESC LIMIT 1"

ADD_KEY = "INSERT INTO audit_keys (environment, id, secret, created_at) VALUES (0, $1, $2, $3)"

# The oldest key is always there, whatever is added: a row that all writers of entries can wait for.
LOCK = "SELECT 1 FROM audit_keys WHERE environment = 0 ORDER BY id LIMIT 1 FOR UPDATE"

NEXT = f"SELECT {COLUMNS} FROM audit WHERE id > $1 ORDER BY id LIMIT $2"

NEWEST_OF = f"SELECT {COLUMNS} FROM audit INDEXED BY audit_action WHERE action = $1 ORDER BY id DESC LIMIT 1"

FIRST_OF = f"SELECT {COLUMNS} FROM audit INDEXED BY audit_action WHERE action = $1 ORDER BY id LIMIT 1"

GREATEST_TARGET = """
SELECT target FROM audit INDEXED BY audit_target
WHERE action = $1 AND target <= $2 ORDER BY target DESC LIMIT 1
"""

# Each action once, by steps along the index.
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
    """Calls on the table `audit`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def append(self, entry: AuditEntry) -> None:
        """Add an entry. Of two units that add the same one the second fails, and runs again."""
        await self._db.run(INSERT, *(getattr(entry, name) for name in AuditEntry.__struct_fields__))

    async def last(self) -> AuditEntry | None:
        """Find the newest entry."""
        row = await self._db.one(LAST)
        return None if row is None else AuditEntry(*row)

    async def by_id(self, entry_id: str) -> AuditEntry | None:
        """Find by id."""
        row = await self._db.one(BY_ID, entry_id)
        return None if row is None else AuditEntry(*row)

    async def keys(self) -> list[tuple[str, str]]:
        """List the keys that sign entries, oldest first: id and sealed secret."""
        return [(row[0], row[1]) for row in await self._db.all(KEYS)]

    async def lock(self) -> None:
        """Let nobody else add an entry or a key until the unit ends."""
        await self._db.one(LOCK)

    async def newest_key(self) -> tuple[str, str] | None:
        """Find the key that signs: id and sealed secret."""
        row = await self._db.one(NEWEST_KEY)
        return None if row is None else (row[0], row[1])

    async def add_key(self, key_id: str, sealed: str, now: int) -> None:
        """Add a key. Of two units that add the same one the second fails, and runs again."""
        await self._db.run(ADD_KEY, key_id, sealed, now)

    async def entries_after(self, entry_id: str, limit: int) -> list[AuditEntry]:
        """List the entries after this id, oldest first."""
        return [AuditEntry(*row) for row in await self._db.all(NEXT, entry_id, limit)]

    async def newest_of(self, action: str) -> AuditEntry | None:
        """Find the newest entry of an action."""
        row = await self._db.one(NEWEST_OF, action)
        return None if row is None else AuditEntry(*row)

    async def first_of(self, action: str) -> AuditEntry | None:
        """Find the oldest entry of an action."""
        row = await self._db.one(FIRST_OF, action)
        return None if row is None else AuditEntry(*row)

    async def greatest_target(self, action: str, upper_bound: str) -> str | None:
        """Find the greatest target of an action's entries that is not beyond `most`."""
        row = await self._db.one(GREATEST_TARGET, action, upper_bound)
        return None if row is None else row[0]

    async def page_without(
        self, query: PageQuery, excluded: frozenset[str]
    ) -> tuple[list[AuditEntry], bool, bool]:
        """List one page of the entries of all actions but some."""
        parameter_sets = [(row[0],) for row in await self._db.all(ACTIONS) if row[0] not in excluded]
        found = await keyset_pagination.fetch_merged(self._db, OF_ACTION, query, parameter_sets)
        return [AuditEntry(*row) for row in found.rows], found.more_before, found.more_after

    async def page(
        self, query: PageQuery, action: str | None, actor: str | None, target: str | None
    ) -> tuple[list[AuditEntry], bool, bool]:
        """List one page of the entries, of one action, one actor or one target if given."""
        select, values = f"SELECT {COLUMNS} FROM audit WHERE 1 = 1", []
        for column, value in (("action", action), ("actor", actor), ("target", target)):
            if value is not None:
                values.append(value)
                select += f" AND {column} = ${len(values)}"
        found = await keyset_pagination.fetch(
            self._db, keyset_pagination.Listing(select, len(values)), query, *values
        )
        return [AuditEntry(*row) for row in found.rows], found.more_before, found.more_after
