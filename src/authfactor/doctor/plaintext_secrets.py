"""Search for secrets in plaintext: every known secret, in files and tables, in base32, hex and raw bytes.

The database stores secrets only encrypted. Plaintext comes from other sources, such as a log, a forgotten
export or a table of another program.
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
"""Search for this many characters of an encoded secret. The shortest secret, 10 bytes, has 16 in base32."""
_TEXTS: Final = re.compile(rb"[A-Za-z2-7]{16,}|[0-9A-Fa-f]{16,}")
_PAGE: Final = 1000
_RAW: Final = 200
"""Search for raw bytes only of this many newest secrets, because each takes a pass over the file."""


def search(secrets: list[FactorSecret], paths: Iterable[Path]) -> list[DoctorFinding]:
    """Search files. A finding names the factor and the file, never the secret."""
    findings, searched = [], 0
    for path in paths:
        try:
            with path.open("rb") as file:
                found = found_in(file, secrets)
        except OSError as error:
            findings.append(
                warning(
                    "seeds",
                    f"{path} cannot be read: {error.strerror}",
                    "Check that the file exists and is readable.",
                )
            )
            continue
        searched += 1
        if found:
            findings.append(in_the_clear(path, found))
    return findings or [ok("seeds", f"none of {len(secrets)} secrets is in plaintext in {searched} files")]


def _forms(value: bytes) -> Iterator[bytes]:
    yield base32.encode(value).encode()[:_PROBE]
    yield value.hex().encode()[:_PROBE]


def found_in(file: BinaryIO, secrets: list[FactorSecret]) -> list[str]:
    """Return the ids of the factors whose secret an open file contains, sorted."""
    if file.seek(0, io.SEEK_END) == 0:
        return []
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = set(_in_text(content, _encoded(secrets)))
        found |= {secret.factor_id for secret in secrets[-_RAW:] if content.find(secret.value) >= 0}
    return sorted(found)


def in_the_clear(where: object, found: list[str]) -> DoctorFinding:
    """Make the finding for secrets found in a file or a table."""
    text = f"{where} contains {len(found)} secrets in plaintext, such as that of {found[0]}"
    return problem(
        "seeds",
        text,
        "Erase the plaintext, delete these factors (authfactor factors delete), enroll their users again.",
    )


async def search_tables(store: Store, secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Search every table of the PostgreSQL database. Rows are read as text, with bytes in hex."""
    encoded = _encoded(secrets)
    findings = []
    tables = await store.read(lambda tx: tx.diagnostics.tables())
    for table in tables:
        found: set[str] = set()
        after = ""
        while rows := await store.read(
            lambda tx, table=table, after=after: tx.diagnostics.rows_as_text(table, after, _PAGE)  # type: ignore[misc]  # bound now
        ):
            after = rows[-1][0]
            found.update(_in_text("\n".join(row[1] for row in rows).encode(), encoded))
        if found:
            findings.append(in_the_clear(f"the table {table}", sorted(found)))
    return findings or [
        ok("seeds", f"none of {len(secrets)} secrets is in plaintext in {len(tables)} tables")
    ]


def _encoded(secrets: list[FactorSecret]) -> dict[bytes, str]:
    return {form: secret.factor_id for secret in secrets for form in _forms(secret.value)}


def _in_text(content: bytes | mmap.mmap, encoded: dict[bytes, str]) -> Iterator[str]:
    for run in _TEXTS.finditer(content):
        text = run[0]
        for at in range(len(text) - _PROBE + 1):
            piece = text[at : at + _PROBE]
            factor_id = encoded.get(piece.upper()) or encoded.get(piece.lower())
            if factor_id is not None:
                yield factor_id
