"""Samples of files with factors, and how tests read them."""

import io
from pathlib import Path
from typing import Final

from authfactor.factor_files import reading
from authfactor.factor_files.entries import FactorEntry, Read, Refused

SAMPLES: Final = Path(__file__).parents[1] / "unit" / "factor_files" / "samples"
PASSPHRASES: Final = {
    "pskc-preshared-key.xml": "12345678901234567890123456789012",
    "pskc-passphrase.xml": "qwerty",
}
NAMES: Final = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".md")


def read(content: bytes, form: str = "auto", passphrase: str | None = None) -> tuple[str, list[Read]]:
    """Return the format of a file, and all that is in it."""
    found, entries = reading.read(io.BytesIO(content), form, passphrase)
    return found, list(entries)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def summary(entries: list[Read]) -> list[tuple[object, ...] | str]:
    """Return the entries without their secrets, and the refused ones as a report has them."""
    return [
        f"{entry.at}: {entry.reason}"
        if isinstance(entry, Refused)
        else (len(entry.secret), *entry.profile, entry.issuer, entry.account, entry.email, entry.external_id)
        for entry in entries
    ]


def secrets(entries: list[Read]) -> list[bytes]:
    return [entry.secret for entry in entries if isinstance(entry, FactorEntry)]
