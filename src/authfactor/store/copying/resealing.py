"""Which columns hold sealed values, and sealing them anew for an installation with another key ring."""

from typing import Final, Protocol

from authfactor.crypto.vault import SealedLocation as Place
from authfactor.crypto.vault import Vault
from authfactor.store.copying.table_schema import TableSchema
from authfactor.store.db import Row
from authfactor.store.queries.sealed_values import PLACES

# Table and column of every value that a vault seals.
SEALED: Final = {place.table: place.column for place in PLACES}


NEEDED_KEYS: Final = "vault_keys"


class ResealPolicy(Protocol):
    """What happens to sealed values on the way."""

    def takes(self, table: str) -> bool:
        """Tell whether a table's rows go along."""

    def seal_again(self, shape: TableSchema, row: Row) -> Row:
        """Return the row for the target."""

    def is_same(self, shape: TableSchema, row: Row, copied: Row) -> bool:
        """Tell whether a row of the target is that of the source."""


class KeepSealed:
    """Values stay sealed as they are: the target uses the same key ring."""

    def takes(self, _table: str) -> bool:
        """Take everything."""
        return True

    def seal_again(self, _shape: TableSchema, row: Row) -> Row:
        """Change nothing."""
        return row

    def is_same(self, _shape: TableSchema, row: Row, copied: Row) -> bool:
        """Compare as they are."""
        return tuple(row) == tuple(copied)


class ReopenAndSeal:
    """Values are opened with one key ring and sealed with another."""

    def __init__(self, old: Vault, new: Vault) -> None:
        """Take the vault that opens and the one that seals."""
        self._old = old
        self._new = new

    def takes(self, table: str) -> bool:
        """Leave the list of needed keys behind: the target needs other ones, and notes them at its start."""
        return table != NEEDED_KEYS

    def seal_again(self, shape: TableSchema, row: Row) -> Row:
        """Seal the row's secret for the target. Raises `vault.CannotOpen`."""
        at = self._at(shape, row)
        if at is None:
            return row
        where = _place(shape, row)
        return (*row[:at], self._new.seal(self._old.unseal(row[at], where), where), *row[at + 1 :])

    def is_same(self, shape: TableSchema, row: Row, copied: Row) -> bool:
        """Compare secrets opened, and everything else as it is."""
        at = self._at(shape, row)
        if at is None:
            return tuple(row) == tuple(copied)
        where = _place(shape, row)
        return (
            (*row[:at], *row[at + 1 :]) == (*copied[:at], *copied[at + 1 :])
            and copied[at] is not None
            and self._old.unseal(row[at], where) == self._new.unseal(copied[at], where)
        )

    def _at(self, shape: TableSchema, row: Row) -> int | None:
        """Say where the row has a sealed value."""
        column = SEALED.get(shape.table)
        at = None if column is None else shape.columns.index(column)
        return None if at is None or row[at] is None else at


def _place(shape: TableSchema, row: Row) -> Place:
    environment, key = shape.key_of(row)
    return Place(shape.table, SEALED[shape.table], environment, key.hex() if isinstance(key, bytes) else key)
