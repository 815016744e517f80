"""Secrets in the clear: looks for every known secret in files, in each form that people write them.

The database must hold sealed secrets only. What this finds came by another way: a log beside it, an export
that somebody left, an older program's table.
"""

import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from authfactor import base32
from authfactor.doctor.finding import Finding, ok, problem, warning
from authfactor.doctor.stored import Secret

_PROBE: Final = 16
"""Characters of a written secret that are looked for: the shortest secret (10 bytes) is 16 in base32."""
_TEXTS: Final = re.compile(rb"[A-Za-z2-7]{16,}|[0-9A-Fa-f]{16,}")
_RAW: Final = 200
"""How many secrets are also looked for as bytes: that takes one pass over a file each."""


def search(secrets: list[Secret], paths: Iterable[Path]) -> list[Finding]:
    """Search files; a finding names the factor and the file, never the secret."""
    written = {form: secret.factor_id for secret in secrets for form in _forms(secret.value)}
    findings, looked_at = [], 0
    for path in paths:
        try:
            found = sorted(set(_in_file(path, written, secrets[-_RAW:])))
        except OSError as error:
            findings.append(
                warning("seeds", f"{path} cannot be read: {error.strerror}", "Give a file to read.")
            )
            continue
        looked_at += 1
        if found:
            text = f"{path} holds the secret of {found[0]} in the clear, {len(found)} in all"
            advice = "Remove the file for good, then delete these factors and enrol their users again."
            findings.append(problem("seeds", text, advice))
    return findings or [
        ok("seeds", f"{len(secrets)} secrets looked for in {looked_at} files: none in the clear")
    ]


def _forms(value: bytes) -> Iterator[bytes]:
    yield base32.encode(value).encode()[:_PROBE]
    yield value.hex().encode()[:_PROBE]


def _in_file(path: Path, written: dict[bytes, str], secrets: list[Secret]) -> Iterator[str]:
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for run in _TEXTS.finditer(content):
            text = run[0]
            for at in range(len(text) - _PROBE + 1):
                piece = text[at : at + _PROBE]
                factor_id = written.get(piece.upper()) or written.get(piece.lower())
                if factor_id is not None:
                    yield factor_id
        for secret in secrets:
            if content.find(secret.value) >= 0:
                yield secret.factor_id
