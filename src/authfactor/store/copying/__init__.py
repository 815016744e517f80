"""Copy an installation from one database to another: every row, in key order, then compared row by row.

Rows are inserted in key order, one batch per transaction, so an interrupted copy resumes after the target's
last key. A mark in the target (a row of `turns`, which is not copied) records that a copy is in progress and
from which source: no server opens a database with that mark, and no copy fills a non-empty one without it
(decision 0012).
"""

import hashlib
from typing import Final, Protocol

from authfactor import errors
from authfactor.store.copying.resealing import KeepSealed, ReopenAndSeal, ResealPolicy
from authfactor.store.copying.table_schema import CopyEndpoint, TableSchema
from authfactor.store.db import Row
from authfactor.store.schema import COPY_MARK

__all__ = ["CannotCopy", "CopyMismatch", "CopyProgress", "ReopenAndSeal", "copy"]

BATCH_ROWS: Final = 2000


class CopyProgress(Protocol):
    """A progress callback."""

    def __call__(self, step: str, table: str, done: int, total: int) -> None:
        """Report that `step` (`copying` or `verifying`) has handled `done` of the table's `total` rows."""


class CannotCopy(errors.Conflict):
    """The target cannot be copied into; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        """Use the code `cannot_copy`."""
        super().__init__("cannot_copy", message)


class CopyMismatch(errors.AuthfactorError):
    """A row of the target differs from the source's."""

    code = "copy_differs"


async def copy(
    source: CopyEndpoint, target: CopyEndpoint, progress: CopyProgress, sealing: ResealPolicy | None = None
) -> dict[str, int]:
    """Copy the missing rows, compare all of them, and return the number of rows by table.

    Raises `CannotCopy` when the target holds anything else, `CopyMismatch` when a row differs, and
    `vault.UnsealError` when a secret to be resealed cannot be opened.
    """
    sealing = sealing or KeepSealed()
    schemas = await source.schemas()
    if schemas != await target.schemas():
        raise CannotCopy("The two databases have different tables. Run authfactor migrate on both.")
    fingerprint = await _fingerprint(source, schemas["environments"])
    await _claim(target, schemas, fingerprint)
    schemas = {table: schema for table, schema in schemas.items() if sealing.includes(table)}
    counts = {}
    for schema in schemas.values():
        counts[schema.table] = await source.count(schema.table)
        await _copy_table(source, target, schema, counts[schema.table], progress, sealing)
    for schema in schemas.values():
        await _verify_table(source, target, schema, counts[schema.table], progress, sealing)
    await target.clear_mark()
    return counts


async def _claim(target: CopyEndpoint, schemas: dict[str, TableSchema], fingerprint: str) -> None:
    """Mark the target for this source. Raises `CannotCopy` if it is not empty or has another mark."""
    mark = await target.read_mark()
    if mark == fingerprint:
        return
    if mark is not None:
        raise CannotCopy("The target is an unfinished copy of another database. Empty it first.")
    for table in schemas:
        if await target.count(table):
            raise CannotCopy(
                f"The target is not empty (table {table}). Copy into an empty database, one that no server"
                " has opened yet."
            )
    await target.set_mark(fingerprint)


async def _copy_table(
    source: CopyEndpoint,
    target: CopyEndpoint,
    schema: TableSchema,
    total: int,
    progress: CopyProgress,
    sealing: ResealPolicy,
) -> None:
    done = await target.count(schema.table)
    after = await target.last_key(schema)
    progress("copying", schema.table, done, total)
    while rows := await source.rows(schema, after, BATCH_ROWS):
        await target.insert(schema, [sealing.reseal(schema, row) for row in rows])
        after = schema.key_of(rows[-1])
        done += len(rows)
        progress("copying", schema.table, done, total)


async def _verify_table(
    source: CopyEndpoint,
    target: CopyEndpoint,
    schema: TableSchema,
    total: int,
    progress: CopyProgress,
    sealing: ResealPolicy,
) -> None:
    after: Row | None = None
    done = 0
    progress("verifying", schema.table, done, total)
    while True:
        rows = await source.rows(schema, after, BATCH_ROWS)
        copies = await target.rows(schema, after, BATCH_ROWS)
        for row, copied in zip(rows, copies, strict=False):
            if not sealing.is_same(schema, row, copied):
                raise _mismatch(schema, row)
        if len(rows) != len(copies):
            raise _mismatch(schema, max(rows, copies, key=len)[min(len(rows), len(copies))])
        if not rows:
            return
        after = schema.key_of(rows[-1])
        done += len(rows)
        progress("verifying", schema.table, done, total)


def _mismatch(schema: TableSchema, row: Row) -> CopyMismatch:
    key = ", ".join(part.hex() if isinstance(part, bytes) else str(part) for part in schema.key_of(row))
    return CopyMismatch(
        f"A row of {schema.table} ({key}) differs between the two databases: one of them was changed between"
        " two runs. Empty the target and copy again with every server stopped."
    )


async def _fingerprint(source: CopyEndpoint, schema: TableSchema) -> str:
    """Return the mark of a source: a digest of its environments' client ids and creation times."""
    digest = hashlib.sha256()
    for row in await source.rows(schema, None, 1000):
        digest.update(
            repr((row[schema.columns.index("client_id")], row[schema.columns.index("created_at")])).encode()
        )
    return f"{COPY_MARK} {digest.hexdigest()}"
