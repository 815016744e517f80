"""Values that the vault sealed, of any table: which key sealed them, and sealing them again in batches."""

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from authfactor.store.db import Db

_MIN_ENVIRONMENT: Final = -(2**31)
KEYS_IN_USE = "SELECT id FROM vault_keys ORDER BY added_at, id"

RECORD_KEY = "INSERT INTO vault_keys (id, added_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"

FORGET_KEY = "DELETE FROM vault_keys WHERE id = $1"


class SealedColumn(NamedTuple):
    """A column of sealed values; with the environment `key` is the primary key of its table."""

    table: str
    column: str
    key: str
    min_key: str | bytes

    def page_statement(self) -> str:
        """Write the statement that reads values in key order; parameters: where to go on after, how many."""
        return (
            f"SELECT environment, {self.key}, {self.column} FROM {self.table}"
            f" WHERE (environment, {self.key}) > ($1, $2) AND {self.column} IS NOT NULL"
            f" ORDER BY environment, {self.key} LIMIT $3"
        )

    def replace_statement(self) -> str:
        """Write the statement that replaces one value, unless somebody else did."""
        return (
            f"UPDATE {self.table} SET {self.column} = $4"
            f" WHERE environment = $1 AND {self.key} = $2 AND {self.column} = $3"
        )

    def count_statement(self) -> str:
        """Write the statement that counts values by key; a sealed value is `v1:<six digits>:…`."""
        return (
            f"SELECT substr({self.column}, 4, 6), count(*) FROM {self.table}"
            f" WHERE {self.column} IS NOT NULL GROUP BY 1"
        )


# Every value that a vault seals; a test finds those that are missing here.
SEALED_COLUMNS: Final = (
    SealedColumn("audit_keys", "secret", "id", ""),
    SealedColumn("factors", "secret", "id", ""),
    SealedColumn("idempotency", "answer", "key", b""),
    SealedColumn("refresh_tokens", "successor", "token_hash", b""),
    SealedColumn("signing_keys", "private_key", "id", ""),
    SealedColumn("webhook_endpoints", "secret", "id", ""),
)


class SealedValue(NamedTuple):
    """One value and the row it belongs to."""

    environment: int
    key: str | bytes
    sealed: str


class SealedValues:
    """Calls on every column of sealed values, over all environments."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def count(self, column: SealedColumn) -> dict[str, int]:
        """Count the values of a column by the id of their key. Reads the whole table."""
        return {row[0]: row[1] for row in await self._db.all(column.count_statement())}

    async def page_after(
        self, column: SealedColumn, after: SealedValue | None, limit: int
    ) -> list[SealedValue]:
        """List values in the order of their keys."""
        start = (_MIN_ENVIRONMENT, column.min_key) if after is None else (after.environment, after.key)
        return [SealedValue(*row) for row in await self._db.all(column.page_statement(), *start, limit)]

    async def replace(self, column: SealedColumn, value: SealedValue, sealed: str) -> bool:
        """Put another sealed form of the same value in; False when the row changed meanwhile."""
        return (
            await self._db.run(column.replace_statement(), value.environment, value.key, value.sealed, sealed)
            == 1
        )


class VaultKeysTable:
    """Calls on the table `vault_keys`: which keys have sealed values of this database (ids, no keys)."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def ids(self) -> list[str]:
        """List the ids, oldest first."""
        return [row[0] for row in await self._db.all(KEYS_IN_USE)]

    async def record(self, key_id: str, now: int) -> None:
        """Write down that a key is needed from now on."""
        await self._db.run(RECORD_KEY, key_id, now)

    async def forget(self, key_id: str) -> bool:
        """Write down that a key is needed no more."""
        return await self._db.run(FORGET_KEY, key_id) == 1
