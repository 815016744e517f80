"""Which columns hold sealed values, and sealing them anew for an installation with another key ring."""

from typing import Final, Protocol

from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.store.copying.table_schema import TableSchema
from authfactor.store.db import Row
from authfactor.store.queries.sealed_values import SEALED_COLUMNS

# Table and column of every value that a vault seals.
SEALED_COLUMN_BY_TABLE: Final = {place.table: place.column for place in SEALED_COLUMNS}


VAULT_KEYS_TABLE: Final = "vault_keys"


class ResealPolicy(Protocol):
    """What happens to sealed values on the way."""

    def includes(self, table: str) -> bool:
        """Tell whether a table's rows go along."""

    def reseal(self, schema: TableSchema, row: Row) -> Row:
        """Return the row for the target."""

    def is_same(self, schema: TableSchema, row: Row, copied: Row) -> bool:
        """Tell whether a row of the target is that of the source."""


class KeepSealed:
    """Values stay sealed as they are: the target uses the same key ring."""

    def includes(self, _table: str) -> bool:
        """Take everything."""
        return True

    def reseal(self, _schema: TableSchema, row: Row) -> Row:
        """Change nothing."""
        return row

    def is_same(self, _schema: TableSchema, row: Row, copied: Row) -> bool:
        """Compare as they are."""
        return tuple(row) == tuple(copied)


class ReopenAndSeal:
    """Values are opened with one key ring and sealed with another."""

    def __init__(self, old: Vault, new: Vault) -> None:
        """Take the vault that opens and the one that seals."""
        self._old = old
        self._new = new

    def includes(self, table: str) -> bool:
        """Leave the list of needed keys behind: the target needs other ones, and notes them at its start."""
        return table != VAULT_KEYS_TABLE

    def reseal(self, schema: TableSchema, row: Row) -> Row:
        """Seal the row's secret for the target. Raises `vault.CannotOpen`."""
        index = self._sealed_index(schema, row)
        if index is None:
            return row
        where = _location(schema, row)
        return (*row[:index], self._new.seal(self._old.unseal(row[index], where), where), *row[index + 1 :])

    def is_same(self, schema: TableSchema, row: Row, copied: Row) -> bool:
        """Compare secrets opened, and everything else as it is."""
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
        """Say where the row has a sealed value."""
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
