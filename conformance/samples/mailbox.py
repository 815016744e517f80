"""The codes that a server has mailed, read from its data folder: a sample's user reads them in the mail."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from authfactor.crypto import keyring
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.settings import Settings

_NEWEST = "SELECT environment, id, code FROM mailed_codes WHERE email = ? ORDER BY id DESC LIMIT 1"


def newest_code(data: Path, email: str) -> str:
    """Return the code that was mailed last to an address."""
    with closing(sqlite3.connect(data / "authfactor.db")) as database:
        environment, code_id, sealed = database.execute(_NEWEST, (email,)).fetchone()
    ring = keyring.source_of(Settings(data=data)).read()
    where = SealedLocation("mailed_codes", "code", environment, code_id)
    return Vault(ring, os.urandom).unseal(sealed, where).decode()
