"""Check of encrypted backups: complete, decryptable with the key ring, no secrets in plaintext inside."""

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from authfactor import errors
from authfactor.crypto import backup_format, vault
from authfactor.crypto.vault import Key
from authfactor.doctor import plaintext_secrets
from authfactor.doctor.database import FactorSecret
from authfactor.doctor.finding import DoctorFinding, ok, problem


def is_encrypted(path: Path) -> bool:
    """Return whether `authfactor backup` made this file."""
    try:
        with path.open("rb") as file:
            return file.read(len(backup_format.MAGIC)) == backup_format.MAGIC
    except OSError:
        return False


def examine(paths: Iterable[Path], ring: list[Key], secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Decrypt and search each backup; return one finding for each."""
    return [_examine(path, ring, secrets) for path in paths]


def _examine(path: Path, ring: list[Key], secrets: list[FactorSecret]) -> DoctorFinding:
    # The temporary file has no name, so that no plaintext is left if this process is killed.
    with path.open("rb") as source, tempfile.TemporaryFile(dir=path.parent) as plain:
        try:
            head, chunks = backup_format.read(source, ring)
            for chunk in chunks:
                plain.write(chunk)
        except vault.UnknownKey as error:
            return problem(
                "backups", f"{path}: {error}", "Put the key back on the ring, or delete this backup."
            )
        except errors.Conflict as error:
            return problem(
                "backups",
                f"{path}: {error.message}",
                "Make a new backup: authfactor backup. Check the disk for errors.",
            )
        plain.flush()
        found = plaintext_secrets.found_in(plain, secrets)
    if found:
        return plaintext_secrets.in_the_clear(path, found)
    made_at = datetime.fromtimestamp(head.created_at / 1000, UTC)
    return ok("backups", f"{path} of {made_at:%Y-%m-%d %H:%M} UTC is complete and can be decrypted")
