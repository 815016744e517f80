"""Moving an installation from one database to another: every row, in key order, then compared one by one.

Rows arrive in the order of their keys, a batch a transaction, so what a killed run left behind says where to
go on. A mark in the target (a row of `turns`, which is not copied) says that it is being filled and from
where: no server opens a database with that mark, and no copy fills one that has content without it.
"""

import hashlib
from typing import Final, Protocol

from authfactor import errors
from authfactor.store.copying.resealing import KeepSealed, ReopenAndSeal, ResealPolicy
from authfactor.store.copying.table_schema import COPY_MARK, CopyEndpoint, TableSchema
from authfactor.store.db import Row

__all__ = ["CannotCopy", "CopyMismatch", "CopyProgress", "ReopenAndSeal", "copy"]

BATCH_ROWS: Final = 2000


class CopyProgress(Protocol):
    """Told how far it is."""

    def __call__(self, step: str, table: str, done: int, total: int) -> None:
        """`step` is `copying` or `verifying`; `done` of `total` rows of the table are."""


class CannotCopy(errors.Conflict):
    """The target is not one to copy into."""

    def __init__(self, message: str) -> None:
        """Say why, and what to do."""
        super().__init__("cannot_copy", message)


class CopyMismatch(errors.AuthfactorError):
    """A row of the target is not that of the source."""

    code = "copy_differs"


async def copy(
    source: CopyEndpoint, target: CopyEndpoint, progress: CopyProgress, sealing: ResealPolicy | None = None
) -> dict[str, int]:
    """Copy what is not there yet, compare everything, and return how many rows each table has.

    Raises `CannotCopy` when the target has other content, `Differs` when a row is not the same,
    `vault.CannotOpen` when a secret is to be sealed anew and does not open.
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
    """Mark the target as being filled from this source; again is allowed, from elsewhere is not."""
    mark = await target.read_mark()
    if mark == fingerprint:
        return
    if mark is not None:
        raise CannotCopy("The target holds an unfinished copy of another database. Empty it first.")
    for table in schemas:
        if await target.count(table):
            raise CannotCopy(
                f"The target has content already (in {table}). Copy into an empty database: one that no"
                " server has opened yet."
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
        here, there = (
            await source.rows(schema, after, BATCH_ROWS),
            await target.rows(schema, after, BATCH_ROWS),
        )
        for row, copied in zip(here, there, strict=False):
            if not sealing.is_same(schema, row, copied):
                raise _mismatch(schema, row)
        if len(here) != len(there):
            raise _mismatch(schema, max(here, there, key=len)[min(len(here), len(there))])
        if not here:
            return
        after = schema.key_of(here[-1])
        done += len(here)
        progress("verifying", schema.table, done, total)


def _mismatch(schema: TableSchema, row: Row) -> CopyMismatch:
    key = ", ".join(part.hex() if isinstance(part, bytes) else str(part) for part in schema.key_of(row))
    return CopyMismatch(
        f"A row of {schema.table} ({key}) is not the same in both databases: the source was changed between"
        " two runs, or the target. Empty the target and copy again with every server stopped."
    )


async def _fingerprint(source: CopyEndpoint, schema: TableSchema) -> str:
    """Name a source: its environments, which have ids of their own."""
    digest = hashlib.sha256()
    for row in await source.rows(schema, None, 1000):
        digest.update(
            repr((row[schema.columns.index("client_id")], row[schema.columns.index("created_at")])).encode()
        )
    return f"{COPY_MARK} {digest.hexdigest()}"
