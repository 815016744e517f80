"""Users of an environment's applications, with their password hash if they have one."""

from typing import TYPE_CHECKING

from authfactor.email_identity import email_key
from authfactor.models import PageQuery, UserRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = (
    "id, email, email_verified, first_name, last_name, name, profile_picture_url, external_id, metadata,"
    " locale, last_sign_in_at, created_at, updated_at, password_hash"
)

INSERT = f"""
INSERT INTO users (environment, {COLUMNS}, email_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT DO NOTHING
"""

BY_ID = f"SELECT {COLUMNS} FROM users WHERE environment = $1 AND id = $2"

LOCK = f"{BY_ID} FOR UPDATE"

BY_EMAIL = f"SELECT {COLUMNS} FROM users WHERE environment = $1 AND email_key = $2"

BY_EXTERNAL_ID = f"SELECT {COLUMNS} FROM users WHERE environment = $1 AND external_id = $2"

# An unchanged email keeps its key, which is not its own if another user has the same email (decision 0037).
UPDATE = """
UPDATE users SET email = $3, email_verified = $4, first_name = $5, last_name = $6, name = $7,
  external_id = $8, metadata = $9, locale = $10, updated_at = $11, password_hash = $12,
  email_key = CASE WHEN email = $3 THEN email_key ELSE $13 END
WHERE environment = $1 AND id = $2
"""

RECORD_SIGN_IN = "UPDATE users SET last_sign_in_at = $3 WHERE environment = $1 AND id = $2"

REPLACE_HASH = "UPDATE users SET password_hash = $4 WHERE environment = $1 AND id = $2 AND password_hash = $3"

DELETE = "DELETE FROM users WHERE environment = $1 AND id = $2"

LISTING = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM users WHERE environment = $1", 1)

BY_EMAIL_LISTING = keyset_pagination.Listing(
    f"SELECT {COLUMNS} FROM users WHERE environment = $1 AND email_key = $2", 2
)

SEARCH = f"""
SELECT {COLUMNS} FROM users INDEXED BY users_email
WHERE environment = $1 AND email_key >= $2 AND email_key < $3 AND email_key > $4 ORDER BY email_key LIMIT $5
"""

COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE environment = $1 LIMIT $2) counted"

_MAX_CHARACTER = "\U0010ffff"


class UsersTable:
    """The table `users`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, user: UserRecord) -> bool:
        """Insert a user; False when the email or external id is taken."""
        values = [getattr(user, name) for name in UserRecord.__struct_fields__]
        values[2] = int(user.email_verified)
        return await self._db.run(INSERT, environment, *values, email_key(user.email)) == 1

    async def by_id(self, environment: int, user_id: str) -> UserRecord | None:
        """Return the row with this id, or None."""
        return _user(await self._db.one(BY_ID, environment, user_id))

    async def lock(self, environment: int, user_id: str) -> UserRecord | None:
        """Return the user, the row locked until the unit ends so that per-user counts stay valid, or None."""
        return _user(await self._db.one(LOCK, environment, user_id))

    async def by_email(self, environment: int, email: str) -> UserRecord | None:
        """Return the user with this email, in any spelling of the same address, or None."""
        return _user(await self._db.one(BY_EMAIL, environment, email_key(email)))

    async def by_external_id(self, environment: int, external_id: str) -> UserRecord | None:
        """Return the user with this id of the application's own, or None."""
        return _user(await self._db.one(BY_EXTERNAL_ID, environment, external_id))

    async def page(
        self, environment: int, query: PageQuery, email: str | None
    ) -> tuple[list[UserRecord], bool, bool]:
        """Return one page of the users, or of those with this email."""
        if email is None:
            page = await keyset_pagination.fetch(self._db, LISTING, query, environment)
        else:
            page = await keyset_pagination.fetch(
                self._db, BY_EMAIL_LISTING, query, environment, email_key(email)
            )
        return [_read(row) for row in page.rows], page.more_before, page.more_after

    async def search(self, environment: int, prefix: str, after: str, limit: int) -> list[UserRecord]:
        """Return at most `limit` users whose email has this prefix, ordered by email, after `after`."""
        key = email_key(prefix)
        rows = await self._db.all(SEARCH, environment, key, key + _MAX_CHARACTER, email_key(after), limit)
        return [_read(row) for row in rows]

    async def count(self, environment: int, limit: int) -> int:
        """Return the number of users, capped at `limit`."""
        row = await self._db.one(COUNT, environment, limit)
        return row[0] if row else 0

    async def update(self, environment: int, user: UserRecord) -> bool:
        """Update the mutable columns; the caller has locked the row and checked email and external id."""
        changed = await self._db.run(
            UPDATE,
            environment,
            user.id,
            user.email,
            int(user.email_verified),
            user.first_name,
            user.last_name,
            user.name,
            user.external_id,
            user.metadata,
            user.locale,
            user.updated_at,
            user.password_hash,
            email_key(user.email),
        )
        return changed == 1

    async def record_sign_in(self, environment: int, user_id: str, now: int) -> None:
        """Set when the user last signed in."""
        await self._db.run(RECORD_SIGN_IN, environment, user_id, now)

    async def replace_password_hash(self, environment: int, user_id: str, old: str, new: str) -> bool:
        """Replace a password hash with a stronger one of the same password; False if it is not `old` now."""
        return await self._db.run(REPLACE_HASH, environment, user_id, old, new) == 1

    async def delete(self, environment: int, user_id: str) -> bool:
        """Delete a user; False when there is none."""
        return await self._db.run(DELETE, environment, user_id) == 1


def _user(row: "Row | None") -> UserRecord | None:
    return None if row is None else _read(row)


def _read(row: "Row") -> UserRecord:
    return UserRecord(row[0], row[1], bool(row[2]), *row[3:])
