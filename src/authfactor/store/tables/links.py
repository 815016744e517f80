"""Links to hosted pages: opened at most once, by the browser that then holds the page session.

Tokens and page sessions are stored as hashes. The lookups by hash take no environment: a browser presents
nothing else that identifies it.
"""

from typing import TYPE_CHECKING

from authfactor.models import LinkRecord, ProofMethod

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = (
    "environment, id, purpose, user_id, factor_id, challenge_id, issuer, account, return_to, created_at,"
    " expires_at, opened_at, completed_at, session_id, confirmed_at, remember_device, method"
)

INSERT = f"""
INSERT INTO links ({COLUMNS}, token_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""

BY_ID = f"SELECT {COLUMNS} FROM links WHERE environment = $1 AND id = $2"

BY_TOKEN = f"SELECT {COLUMNS} FROM links WHERE token_hash = $1"

BY_SESSION = f"SELECT {COLUMNS} FROM links WHERE session_hash = $1 AND id = $2"

# Of any number of browsers that follow a link, one opens it; `expires_at` is then the page session's.
OPEN = """
UPDATE links SET opened_at = $3, session_hash = $4, expires_at = $5
WHERE environment = $1 AND id = $2 AND opened_at IS NULL AND expires_at > $3
"""

ATTACH = "UPDATE links SET factor_id = $3, challenge_id = $4 WHERE environment = $1 AND id = $2"

COMPLETE = """
UPDATE links SET completed_at = $3, method = $4
WHERE environment = $1 AND id = $2 AND completed_at IS NULL
"""

# Of the page on which a user manages factors: what follows may need a code that was right a moment ago.
CONFIRM = """
UPDATE links SET confirmed_at = $4
WHERE environment = $1 AND id = $2 AND session_hash = $3 AND completed_at IS NULL
"""

# The page session has no access from then on.
LEAVE = """
UPDATE links SET completed_at = $3, session_hash = NULL
WHERE environment = $1 AND id = $2 AND completed_at IS NULL
"""

ABANDONED = """
SELECT factor_id FROM links
WHERE environment = $1 AND user_id = $2 AND purpose IN ('enrollment', 'factors') AND factor_id IS NOT NULL
  AND completed_at IS NULL AND expires_at <= $3
"""

DELETE_OF_USER = "DELETE FROM links WHERE environment = $1 AND user_id = $2"

_REMEMBER_DEVICE = LinkRecord.__struct_fields__.index("remember_device")


class LinksTable:
    """The table `links`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, link: LinkRecord, token_hash: bytes) -> None:
        """Insert a link."""
        values = [getattr(link, name) for name in LinkRecord.__struct_fields__]
        values[_REMEMBER_DEVICE] = int(link.remember_device)
        await self._db.run(INSERT, *values, token_hash)

    async def by_id(self, environment: int, link_id: str) -> LinkRecord | None:
        """Return the row with this id, or None."""
        return _link(await self._db.one(BY_ID, environment, link_id))

    async def by_token(self, token_hash: bytes) -> LinkRecord | None:
        """Return the link whose URL has this token, in any environment, or None."""
        return _link(await self._db.one(BY_TOKEN, token_hash))

    async def by_session(self, session_hash: bytes, link_id: str) -> LinkRecord | None:
        """Return the link that this page session opened, in any environment, or None."""
        return _link(await self._db.one(BY_SESSION, session_hash, link_id))

    async def open(
        self, environment: int, link_id: str, now: int, session_hash: bytes, expires_at: int
    ) -> bool:
        """Bind an unexpired link to a page session; True for exactly one caller."""
        return await self._db.run(OPEN, environment, link_id, now, session_hash, expires_at) == 1

    async def attach(
        self, environment: int, link_id: str, factor_id: str | None, challenge_id: str | None
    ) -> bool:
        """Set the factor and challenge that the page uses; False when the link does not exist."""
        return await self._db.run(ATTACH, environment, link_id, factor_id, challenge_id) == 1

    async def complete(self, environment: int, link_id: str, now: int, method: ProofMethod) -> bool:
        """Mark the link as completed, by which kind of proof; True for exactly one caller."""
        return await self._db.run(COMPLETE, environment, link_id, now, method) == 1

    async def confirm(self, environment: int, link_id: str, session_hash: bytes, now: int) -> bool:
        """Set when a code was right in a page session; False when the session has ended."""
        return await self._db.run(CONFIRM, environment, link_id, session_hash, now) == 1

    async def leave(self, environment: int, link_id: str, now: int) -> bool:
        """Complete the link and end its page session; True for exactly one caller."""
        return await self._db.run(LEAVE, environment, link_id, now) == 1

    async def abandoned(self, environment: int, user_id: str, now: int) -> list[str]:
        """Return the factor ids that a user's expired links were to enroll, and that may be pending."""
        return [row[0] for row in await self._db.all(ABANDONED, environment, user_id, now)]

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete all links of a user; return how many."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _link(row: "Row | None") -> LinkRecord | None:
    return None if row is None else _read(row)


def _read(row: "Row") -> LinkRecord:
    values = list(row)
    values[_REMEMBER_DEVICE] = bool(values[_REMEMBER_DEVICE])
    return LinkRecord(*values)
