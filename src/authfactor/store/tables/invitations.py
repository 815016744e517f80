"""Invitations. Their tokens are found by their hash, and sealed for the API.

`open_key` is unique: of one email, one invitation is open at a time. It is NULL once the invitation is
accepted or revoked, or has expired and another one is made.
"""

from typing import TYPE_CHECKING

from authfactor.email_identity import email_key
from authfactor.models.mailed import InvitationRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.models import PageQuery
    from authfactor.store.db import Db, Row

COLUMNS = (
    "id, email, organization_id, role_slug, inviter_user_id, accepted_user_id, locale, token, expires_at,"
    " accepted_at, revoked_at, created_at, updated_at"
)

INSERT = f"""
INSERT INTO invitations (environment, {COLUMNS}, email_key, open_key, token_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16)
ON CONFLICT (environment, open_key) DO NOTHING
"""

RELEASE_EXPIRED = """
UPDATE invitations SET open_key = NULL WHERE environment = $1 AND open_key = $2 AND expires_at <= $3
"""

BY_ID = f"SELECT {COLUMNS} FROM invitations WHERE environment = $1 AND id = $2"

# A page knows no environment; the index begins with it.
ENVIRONMENT_OF = """
SELECT e.number FROM environments e JOIN invitations t ON t.environment = e.number AND t.token_hash = $1
"""

BY_TOKEN = f"SELECT {COLUMNS} FROM invitations WHERE environment = $1 AND token_hash = $2"

_IS_PENDING = "accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3"

# Of any number of concurrent uses and revocations, one finds it pending.
ACCEPT = f"""
UPDATE invitations SET accepted_at = $3, updated_at = $3, accepted_user_id = $4, open_key = NULL
WHERE environment = $1 AND id = $2 AND {_IS_PENDING}
"""

REVOKE = f"""
UPDATE invitations SET revoked_at = $3, updated_at = $3, open_key = NULL
WHERE environment = $1 AND id = $2 AND {_IS_PENDING}
"""

TOUCH = f"UPDATE invitations SET updated_at = $3 WHERE environment = $1 AND id = $2 AND {_IS_PENDING}"

LISTING = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM invitations WHERE environment = $1", 1)

BY_EMAIL_LISTING = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM invitations WHERE environment = $1 AND email_key = $2", 2
)

DELETE_ACCEPTED = "DELETE FROM invitations WHERE environment = $1 AND accepted_user_id = $2"

DELETE_OF_EMAIL = "DELETE FROM invitations WHERE environment = $1 AND email_key = $2"


class InvitationsTable:
    """The table `invitations`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, invitation: InvitationRecord, token_hash: bytes) -> bool:
        """Insert an invitation; False when one is open for this email."""
        key = email_key(invitation.email)
        await self._db.run(RELEASE_EXPIRED, environment, key, invitation.created_at)
        values = [getattr(invitation, name) for name in InvitationRecord.__struct_fields__]
        return await self._db.run(INSERT, environment, *values, key, token_hash) == 1

    async def by_id(self, environment: int, invitation_id: str) -> InvitationRecord | None:
        """Return the row with this id, or None."""
        return _invitation(await self._db.one(BY_ID, environment, invitation_id))

    async def environment_of(self, token_hash: bytes) -> int | None:
        """Return the number of the environment whose row has this token, in whatever state, or None."""
        row = await self._db.one(ENVIRONMENT_OF, token_hash)
        return None if row is None else int(row[0])

    async def by_hash(self, environment: int, token_hash: bytes) -> InvitationRecord | None:
        """Return the invitation with this token, in whatever state, or None."""
        return _invitation(await self._db.one(BY_TOKEN, environment, token_hash))

    async def accept(self, environment: int, invitation_id: str, now: int, user_id: str) -> bool:
        """Accept a pending invitation for a user; True for exactly one caller."""
        return await self._db.run(ACCEPT, environment, invitation_id, now, user_id) == 1

    async def revoke(self, environment: int, invitation_id: str, now: int) -> bool:
        """Revoke a pending invitation; True for exactly one caller."""
        return await self._db.run(REVOKE, environment, invitation_id, now) == 1

    async def touch(self, environment: int, invitation_id: str, now: int) -> bool:
        """Set when a pending invitation was mailed again; False when it is not pending."""
        return await self._db.run(TOUCH, environment, invitation_id, now) == 1

    async def page(
        self, environment: int, query: "PageQuery", email: str | None
    ) -> tuple[list[InvitationRecord], bool, bool]:
        """Return one page of the invitations, or of those of this email."""
        if email is None:
            page = await keyset_pagination.fetch(self._db, LISTING, query, environment)
        else:
            page = await keyset_pagination.fetch(
                self._db, BY_EMAIL_LISTING, query, environment, email_key(email)
            )
        return [InvitationRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def delete_of_user(self, environment: int, user_id: str, email: str) -> int:
        """Delete the invitations of a user's email and those that the user has accepted; return how many."""
        accepted = await self._db.run(DELETE_ACCEPTED, environment, user_id)
        return accepted + await self._db.run(DELETE_OF_EMAIL, environment, email_key(email))


def _invitation(row: "Row | None") -> InvitationRecord | None:
    return None if row is None else InvitationRecord(*row)
