"""Moving an installation from one database to another: every row, in key order, then compared one by one.

Rows arrive in the order of their keys, a batch a transaction, so what a killed run left behind says where to
go on. A mark in the target (a row of `turns`, which is not copied) says that it is being filled and from
where: no server opens a database with that mark, and no copy fills one that has content without it.
"""

import hashlib
from typing import Final, Protocol

from authfactor import errors
from authfactor.store.copying.resealing import KeepSealed, ReopenAndSeal, ResealPolicy
from authfactor.store.copying.table_schema import MARK, CopyEndpoint, TableSchema
from authfactor.store.db import Row

__all__ = ["CannotCopy", "CopyMismatch", "CopyProgress", "ReopenAndSeal", "copy"]

BATCH: Final = 2000


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
    shapes = await source.shapes()
    if shapes != await target.shapes():
        raise CannotCopy("The two databases have different tables. Run authfactor migrate on both.")
    fingerprint = await _fingerprint(source, shapes["environments"])
    await _claim(target, shapes, fingerprint)
    shapes = {table: shape for table, shape in shapes.items() if sealing.takes(table)}
    counts = {}
    for shape in shapes.values():
        counts[shape.table] = await source.count(shape.table)
        await _copy_table(source, target, shape, counts[shape.table], progress, sealing)
    for shape in shapes.values():
        await _verify_table(source, target, shape, counts[shape.table], progress, sealing)
    await target.unmark()
    return counts


async def _claim(target: CopyEndpoint, shapes: dict[str, TableSchema], fingerprint: str) -> None:
    """Mark the target as being filled from this source; again is allowed, from elsewhere is not."""
    mark = await target.mark()
    if mark == fingerprint:
        return
    if mark is not None:
        raise CannotCopy("The target holds an unfinished copy of another database. Empty it first.")
    for table in shapes:
        if await target.count(table):
            raise CannotCopy(
                f"The target has content already (in {table}). Copy into an empty database: one that no"
                " server has opened yet."
            )
    await target.set_mark(fingerprint)


async def _copy_table(
    source: CopyEndpoint,
    target: CopyEndpoint,
    shape: TableSchema,
    total: int,
    progress: CopyProgress,
    sealing: ResealPolicy,
) -> None:
    done = await target.count(shape.table)
    after = await target.last_key(shape)
    progress("copying", shape.table, done, total)
    while rows := await source.rows(shape, after, BATCH):
        await target.insert(shape, [sealing.seal_again(shape, row) for row in rows])
        after = shape.key_of(rows[-1])
        done += len(rows)
        progress("copying", shape.table, done, total)


async def _verify_table(
    source: CopyEndpoint,
    target: CopyEndpoint,
    shape: TableSchema,
    total: int,
    progress: CopyProgress,
    sealing: ResealPolicy,
) -> None:
    after: Row | None = None
    done = 0
    progress("verifying", shape.table, done, total)
    while True:
        here, there = await source.rows(shape, after, BATCH), await target.rows(shape, after, BATCH)
        for row, copied in zip(here, there, strict=False):
            if not sealing.is_same(shape, row, copied):
                raise _differs(shape, row)
        if len(here) != len(there):
            raise _differs(shape, max(here, there, key=len)[min(len(here), len(there))])
        if not here:
            return
        after = shape.key_of(here[-1])
        done += len(here)
        progress("verifying", shape.table, done, total)


def _differs(shape: TableSchema, row: Row) -> CopyMismatch:
    key = ", ".join(part.hex() if isinstance(part, bytes) else str(part) for part in shape.key_of(row))
    return CopyMismatch(
        f"A row of {shape.table} ({key}) is not the same in both databases: the source was changed between"
        " two runs, or the target. Empty the target and copy again with every server stopped."
    )


async def _fingerprint(source: CopyEndpoint, shape: TableSchema) -> str:
    """Name a source: its environments, which have ids of their own."""
    digest = hashlib.sha256()
    for row in await source.rows(shape, None, 1000):
        digest.update(
            repr((row[shape.columns.index("client_id")], row[shape.columns.index("created_at")])).encode()
        )
    return f"{MARK} {digest.hexdigest()}"
