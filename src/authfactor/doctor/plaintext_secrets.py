"""Secrets in the clear: looks for every known secret in files, in each form that people write them.

The database must hold sealed secrets only. What this finds came by another way: a log beside it, an export
that somebody left, an older program's table.
"""

import io
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from authfactor.doctor.database import FactorSecret
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.otp import base32
from authfactor.store import Store

_PROBE: Final = 16
"""Characters of a written secret that are looked for: the shortest secret (10 bytes) is 16 in base32."""
_TEXTS: Final = re.compile(rb"[A-Za-z2-7]{16,}|[0-9A-Fa-f]{16,}")
_PAGE: Final = 1000
_RAW: Final = 200
"""How many secrets are also looked for as bytes: that takes one pass over a file each."""


def search(secrets: list[FactorSecret], paths: Iterable[Path]) -> list[DoctorFinding]:
    """Search files; a finding names the factor and the file, never the secret."""
    findings, looked_at = [], 0
    for path in paths:
        try:
            with path.open("rb") as file:
                found = found_in(file, secrets)
        except OSError as error:
            findings.append(
                warning("seeds", f"{path} cannot be read: {error.strerror}", "Give a file to read.")
            )
            continue
        looked_at += 1
        if found:
            findings.append(in_the_clear(path, found))
    return findings or [
        ok("seeds", f"{len(secrets)} secrets looked for in {looked_at} files: none in the clear")
    ]


def _forms(value: bytes) -> Iterator[bytes]:
    yield base32.encode(value).encode()[:_PROBE]
    yield value.hex().encode()[:_PROBE]


def found_in(file: BinaryIO, secrets: list[FactorSecret]) -> list[str]:
    """List the factors whose secret an open file holds in any form."""
    if file.seek(0, io.SEEK_END) == 0:
        return []
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = set(_in_text(content, _written(secrets)))
        found |= {secret.factor_id for secret in secrets[-_RAW:] if content.find(secret.value) >= 0}
    return sorted(found)


def in_the_clear(where: object, found: list[str]) -> DoctorFinding:
    """Say where secrets were found."""
    text = f"{where} holds the secret of {found[0]} in the clear, {len(found)} in all"
    return problem(
        "seeds", text, "Remove it for good, then delete these factors and enrol their users again."
    )


async def search_tables(store: Store, secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Search every table of PostgreSQL, ours or not: rows as text, in which bytes are hexadecimal digits."""
    written = _written(secrets)
    findings = []
    tables = await store.read(lambda tx: tx.diagnostics.tables())
    for table in tables:
        found: set[str] = set()
        after = ""
        while rows := await store.read(
            lambda tx, table=table, after=after: tx.diagnostics.rows_as_text(table, after, _PAGE)  # type: ignore[misc]  # bound now
        ):
            after = rows[-1][0]
            found.update(_in_text("\n".join(row[1] for row in rows).encode(), written))
        if found:
            findings.append(in_the_clear(f"the table {table}", sorted(found)))
    return findings or [
        ok("seeds", f"{len(secrets)} secrets looked for in {len(tables)} tables: none in the clear")
    ]


def _written(secrets: list[FactorSecret]) -> dict[bytes, str]:
    return {form: secret.factor_id for secret in secrets for form in _forms(secret.value)}


def _in_text(content: bytes | mmap.mmap, written: dict[bytes, str]) -> Iterator[str]:
    for run in _TEXTS.finditer(content):
        text = run[0]
        for at in range(len(text) - _PROBE + 1):
            piece = text[at : at + _PROBE]
            factor_id = written.get(piece.upper()) or written.get(piece.lower())
            if factor_id is not None:
                yield factor_id
