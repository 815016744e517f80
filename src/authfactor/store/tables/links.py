"""Links to pages: opened at most once, by whoever then holds the page session. Both are known by hash only.

A link's token and a page session name their environment themselves: nobody else has said which it is.
"""

from typing import TYPE_CHECKING

from authfactor.models import LinkRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = (
    "environment, id, purpose, user_id, factor_id, challenge_id, issuer, account, return_to, created_at,"
    " expires_at, opened_at, completed_at"
)

INSERT = f"""
INSERT INTO links ({COLUMNS}, token_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

BY_ID = f"SELECT {COLUMNS} FROM links WHERE environment = $1 AND id = $2"

BY_TOKEN = f"SELECT {COLUMNS} FROM links WHERE token_hash = $1"

BY_SESSION = f"SELECT {COLUMNS} FROM links WHERE session_hash = $1 AND id = $2"

# Of any number of browsers that follow a link one opens it; from then on it lasts as its page session does.
OPEN = """
UPDATE links SET opened_at = $3, session_hash = $4, expires_at = $5
WHERE environment = $1 AND id = $2 AND opened_at IS NULL AND expires_at > $3
"""

ATTACH = "UPDATE links SET factor_id = $3, challenge_id = $4 WHERE environment = $1 AND id = $2"

COMPLETE = "UPDATE links SET completed_at = $3 WHERE environment = $1 AND id = $2 AND completed_at IS NULL"

ABANDONED = """
SELECT factor_id FROM links
WHERE environment = $1 AND user_id = $2 AND purpose = 'enrollment' AND factor_id IS NOT NULL
  AND completed_at IS NULL AND expires_at <= $3
"""

DELETE_OF_USER = "DELETE FROM links WHERE environment = $1 AND user_id = $2"


class LinksTable:
    """Calls on the table `links`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def insert(self, link: LinkRecord, token_hash: bytes) -> None:
        """Add a link."""
        await self._db.run(
            INSERT, *(getattr(link, name) for name in LinkRecord.__struct_fields__), token_hash
        )

    async def by_id(self, environment: int, link_id: str) -> LinkRecord | None:
        """Find by id."""
        return _link(await self._db.one(BY_ID, environment, link_id))

    async def by_token(self, token_hash: bytes) -> LinkRecord | None:
        """Find by the token in its address, in whatever environment it is."""
        return _link(await self._db.one(BY_TOKEN, token_hash))

    async def by_session(self, session_hash: bytes, link_id: str) -> LinkRecord | None:
        """Find the link that this page session opened, in whatever environment it is."""
        return _link(await self._db.one(BY_SESSION, session_hash, link_id))

    async def open(
        self, environment: int, link_id: str, now: int, session_hash: bytes, expires_at: int
    ) -> bool:
        """Bind the link to a page session: True for exactly one caller, while it has not expired."""
        return await self._db.run(OPEN, environment, link_id, now, session_hash, expires_at) == 1

    async def attach(self, environment: int, link_id: str, factor_id: str, challenge_id: str) -> bool:
        """Note which factor the page is about and which challenge it answers now."""
        return await self._db.run(ATTACH, environment, link_id, factor_id, challenge_id) == 1

    async def complete(self, environment: int, link_id: str, now: int) -> bool:
        """Mark as done: True for exactly one caller."""
        return await self._db.run(COMPLETE, environment, link_id, now) == 1

    async def abandoned(self, environment: int, user_id: str, now: int) -> list[str]:
        """List factors of enrolments by link that ended without a right code."""
        return [row[0] for row in await self._db.all(ABANDONED, environment, user_id, now)]

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete a user's links; return how many there were."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _link(row: "Row | None") -> LinkRecord | None:
    return None if row is None else LinkRecord(*row)
