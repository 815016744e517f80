"""What loaded metadata says about models of authenticators (decision 0050), for all environments."""

from typing import TYPE_CHECKING

import msgspec

from authfactor.models.passkeys import AuthenticatorModel, MetadataHead

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

HEAD = """
SELECT number, next_update, loaded_at, sha256, (SELECT count(*) FROM authenticator_models)
FROM authenticator_metadata WHERE id = 1
"""

# The only statement that replaces metadata: of any number of concurrent loads, older ones change nothing.
KEEP_HEAD = """
INSERT INTO authenticator_metadata (id, number, next_update, loaded_at, sha256) VALUES (1, $1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET number = excluded.number, next_update = excluded.next_update,
  loaded_at = excluded.loaded_at, sha256 = excluded.sha256
WHERE authenticator_metadata.number <= excluded.number OR $5 = 1
"""

COLUMNS = "aaguid, description, is_hardware, status, refused_from, roots"

DELETE = "DELETE FROM authenticator_models"

INSERT = f"INSERT INTO authenticator_models ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"

OF = f"SELECT {COLUMNS} FROM authenticator_models WHERE aaguid = $1"

REFUSED = f"SELECT {COLUMNS} FROM authenticator_models WHERE refused_from <= $1 ORDER BY aaguid"


class AuthenticatorModelsTable:
    """The tables `authenticator_metadata` and `authenticator_models`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def head(self) -> MetadataHead | None:
        """Return which metadata is loaded, or None."""
        row = await self._db.one(HEAD)
        return None if row is None else MetadataHead(*row)

    async def replace(self, head: MetadataHead, models: list[AuthenticatorModel], *, older: bool) -> bool:
        """Replace the metadata; False, and nothing changes, if it is older than what is loaded.

        `older`: also then.
        """
        kept = head.number, head.next_update, head.loaded_at, head.sha256, int(older)
        if await self._db.run(KEEP_HEAD, *kept) == 0:
            return False
        await self._db.run(DELETE)
        for each in models:
            values = each.description, int(each.is_hardware), each.status, each.refused_from
            roots = msgspec.json.encode(each.roots).decode()
            await self._db.run(INSERT, each.aaguid, *values, roots)
        return True

    async def of(self, aaguid: str) -> AuthenticatorModel | None:
        """Return the model of an AAGUID, or None."""
        row = await self._db.one(OF, aaguid)
        return None if row is None else _model(row)

    async def refused(self, now: int) -> list[AuthenticatorModel]:
        """Return the models that are not to be trusted, by AAGUID."""
        return [_model(row) for row in await self._db.all(REFUSED, now)]


def _model(row: "Row") -> AuthenticatorModel:
    aaguid, description, is_hardware, status, refused_from, roots = row
    read = msgspec.json.decode(roots, type=tuple[bytes, ...])
    return AuthenticatorModel(aaguid, description, bool(is_hardware), status, refused_from, read)
