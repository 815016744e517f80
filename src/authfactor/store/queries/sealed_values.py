"""Sealed values of all tables: count them by vault key, and reseal them in batches."""

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from authfactor.store.db import Db

_MIN_ENVIRONMENT: Final = -(2**31)
KEYS_IN_USE = "SELECT id FROM vault_keys ORDER BY added_at, id"

RECORD_KEY = "INSERT INTO vault_keys (id, added_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"

FORGET_KEY = "DELETE FROM vault_keys WHERE id = $1"


class SealedColumn(NamedTuple):
    """A column of sealed values; the table's primary key is (`environment`, `key`)."""

    table: str
    column: str
    key: str
    min_key: str | bytes

    def page_statement(self) -> str:
        """Return the SELECT of one page in key order; parameters: environment, key to start after, limit."""
        return (
            f"SELECT environment, {self.key}, {self.column} FROM {self.table}"
            f" WHERE (environment, {self.key}) > ($1, $2) AND {self.column} IS NOT NULL"
            f" ORDER BY environment, {self.key} LIMIT $3"
        )

    def replace_statement(self) -> str:
        """Return the UPDATE that replaces one value if it has not changed since it was read."""
        return (
            f"UPDATE {self.table} SET {self.column} = $4"
            f" WHERE environment = $1 AND {self.key} = $2 AND {self.column} = $3"
        )

    def count_statement(self) -> str:
        """Return the SELECT that counts values by vault key id; a sealed value is `v1:<key id>:…`."""
        return (
            f"SELECT substr({self.column}, 4, 6), count(*) FROM {self.table}"
            f" WHERE {self.column} IS NOT NULL GROUP BY 1"
        )


# Every column that a vault seals; a test fails if one is missing.
SEALED_COLUMNS: Final = (
    SealedColumn("audit_keys", "secret", "id", ""),
    SealedColumn("factors", "secret", "id", ""),
    SealedColumn("idempotency", "answer", "key", b""),
    SealedColumn("invitations", "token", "id", ""),
    SealedColumn("mailed_codes", "code", "id", ""),
    SealedColumn("password_resets", "token", "id", ""),
    SealedColumn("messages", "content", "id", ""),
    SealedColumn("pending_sign_ins", "answer", "token_hash", b""),
    SealedColumn("refresh_tokens", "successor", "token_hash", b""),
    SealedColumn("senders", "settings", "channel", ""),
    SealedColumn("signing_keys", "private_key", "id", ""),
    SealedColumn("trusted_device_tokens", "successor", "token_hash", b""),
    SealedColumn("webhook_endpoints", "secret", "id", ""),
)


class SealedValue(NamedTuple):
    """A sealed value and the key of its row."""

    environment: int
    key: str | bytes
    sealed: str


class SealedValues:
    """Statements on any column of sealed values, over all environments."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def count(self, column: SealedColumn) -> dict[str, int]:
        """Return the number of values of a column by vault key id. Reads the whole table."""
        return {row[0]: row[1] for row in await self._db.all(column.count_statement())}

    async def page_after(
        self, column: SealedColumn, after: SealedValue | None, limit: int
    ) -> list[SealedValue]:
        """Return the next `limit` values of a column in key order, after `after`."""
        start = (_MIN_ENVIRONMENT, column.min_key) if after is None else (after.environment, after.key)
        return [SealedValue(*row) for row in await self._db.all(column.page_statement(), *start, limit)]

    async def replace(self, column: SealedColumn, value: SealedValue, sealed: str) -> bool:
        """Replace a value with the same secret resealed; False when the row has changed since it was read."""
        return (
            await self._db.run(column.replace_statement(), value.environment, value.key, value.sealed, sealed)
            == 1
        )


class VaultKeysTable:
    """The table `vault_keys`: ids of the keys that sealed values of this database need; never the keys."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def ids(self) -> list[str]:
        """Return the key ids, oldest first."""
        return [row[0] for row in await self._db.all(KEYS_IN_USE)]

    async def record(self, key_id: str, now: int) -> None:
        """Record that a key is needed, from `now` (milliseconds) on; idempotent."""
        await self._db.run(RECORD_KEY, key_id, now)

    async def forget(self, key_id: str) -> bool:
        """Record that a key is no longer needed; False when it was not recorded."""
        return await self._db.run(FORGET_KEY, key_id) == 1
