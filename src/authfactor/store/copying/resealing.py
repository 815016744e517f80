"""Reseal secrets during a copy, for a target installation with another key ring."""

from typing import Final, Protocol

from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.store.copying.table_schema import TableSchema
from authfactor.store.db import Row
from authfactor.store.queries.sealed_values import SEALED_COLUMNS

# The sealed column of each table that has one.
SEALED_COLUMN_BY_TABLE: Final = {place.table: place.column for place in SEALED_COLUMNS}


# Of no use under another key ring: the ids of keys in use, which the target records at its first start, and
# keyed digests, which cannot be computed again. Users need new recovery codes there, no device
# is trusted, and mailed codes must be sent again.
BOUND_TO_KEY_RING: Final = frozenset(
    {"mailed_codes", "recovery_codes", "trusted_device_tokens", "trusted_devices", "vault_keys"}
)


class ResealPolicy(Protocol):
    """How sealed values are handled by a copy."""

    def includes(self, table: str) -> bool:
        """Return whether the table is copied."""

    def reseal(self, schema: TableSchema, row: Row) -> Row:
        """Return the row as it is inserted into the target. Raises `vault.UnsealError`."""

    def is_same(self, schema: TableSchema, row: Row, copied: Row) -> bool:
        """Return whether `copied`, from the target, equals the source's `row`."""


class KeepSealed:
    """Copy sealed values unchanged: the target uses the same key ring."""

    def includes(self, _table: str) -> bool:
        """Copy every table."""
        return True

    def reseal(self, _schema: TableSchema, row: Row) -> Row:
        """Return the row unchanged."""
        return row

    def is_same(self, _schema: TableSchema, row: Row, copied: Row) -> bool:
        """Compare the rows as they are."""
        return tuple(row) == tuple(copied)


class ReopenAndSeal:
    """Open values with one key ring and seal them with another."""

    def __init__(self, old: Vault, new: Vault) -> None:
        """Open with `old`, seal with `new`."""
        self._old = old
        self._new = new

    def includes(self, table: str) -> bool:
        """Skip what is of no use under other keys."""
        return table not in BOUND_TO_KEY_RING

    def reseal(self, schema: TableSchema, row: Row) -> Row:
        """Reseal the row's secret for the target. Raises `vault.UnsealError`."""
        index = self._sealed_index(schema, row)
        if index is None:
            return row
        where = _location(schema, row)
        return (*row[:index], self._new.seal(self._old.unseal(row[index], where), where), *row[index + 1 :])

    def is_same(self, schema: TableSchema, row: Row, copied: Row) -> bool:
        """Compare the opened secrets, and the other columns as they are."""
        index = self._sealed_index(schema, row)
        if index is None:
            return tuple(row) == tuple(copied)
        where = _location(schema, row)
        return (
            (*row[:index], *row[index + 1 :]) == (*copied[:index], *copied[index + 1 :])
            and copied[index] is not None
            and self._old.unseal(row[index], where) == self._new.unseal(copied[index], where)
        )

    def _sealed_index(self, schema: TableSchema, row: Row) -> int | None:
        """Return the index of the row's sealed value, or None if it has none."""
        column = SEALED_COLUMN_BY_TABLE.get(schema.table)
        index = None if column is None else schema.columns.index(column)
        return None if index is None or row[index] is None else index


def _location(schema: TableSchema, row: Row) -> SealedLocation:
    environment, key = schema.key_of(row)
    return SealedLocation(
        schema.table,
        SEALED_COLUMN_BY_TABLE[schema.table],
        environment,
        key.hex() if isinstance(key, bytes) else key,
    )
