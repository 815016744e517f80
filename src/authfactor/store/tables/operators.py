"""Console operators, their sessions and their set-up links. Tokens are stored as hashes.

Operators belong to the installation, not to an environment. Each statement writes only the columns that it is
about, and names the state in which it may: a row that was read earlier never overwrites a newer change.
"""

from typing import TYPE_CHECKING

from authfactor.email_identity import email_key
from authfactor.models import Operator, OperatorLink, OperatorSession

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "id, email, role, state, password_hash, factor_id, last_sign_in_at, created_at, updated_at"

INSERT = f"""
INSERT INTO operators ({COLUMNS}, email_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
"""

BY_ID = f"SELECT {COLUMNS} FROM operators WHERE id = $1"

LOCK = f"{BY_ID} FOR UPDATE"

BY_EMAIL = f"SELECT {COLUMNS} FROM operators WHERE email_key = $1"

ALL = f"SELECT {COLUMNS} FROM operators ORDER BY id"

ACTIVE_OWNERS = "SELECT id FROM operators WHERE role = 'owner' AND state = 'active' ORDER BY id"

# Locked until the unit ends: of two units that would each remove one of the last two owners, the second sees
# the first's change.
LOCK_ACTIVE_OWNERS = f"{ACTIVE_OWNERS} FOR UPDATE"

# `updated_at` grows even when two changes fall into one millisecond: a form compares it.
_STAMP = "updated_at = CASE WHEN updated_at < {now} THEN {now} ELSE updated_at + 1 END"

BEGIN_SET_UP = f"""
UPDATE operators SET email = $2, email_key = $3, password_hash = $4, factor_id = $5, {_STAMP.format(now="$6")}
WHERE id = $1 AND state = 'invited' AND NOT EXISTS (
  SELECT 1 FROM operators other WHERE other.email_key = $3 AND other.id <> $1
)
"""

# The only statement that lets an operator in, and only the one whose factor was just confirmed.
ACTIVATE = f"""
UPDATE operators SET state = 'active', {_STAMP.format(now="$3")}
WHERE id = $1 AND state = 'invited' AND factor_id = $2 AND password_hash IS NOT NULL
"""

WITHDRAW = f"""
UPDATE operators SET state = $2, password_hash = NULL, factor_id = NULL, {_STAMP.format(now="$3")}
WHERE id = $1
"""

SET_ROLE = f"UPDATE operators SET role = $2, {_STAMP.format(now='$3')} WHERE id = $1"

RECORD_SIGN_IN = "UPDATE operators SET last_sign_in_at = $2 WHERE id = $1 AND state = 'active'"

LINK_COLUMNS = "operator_id, role, first, created_at, expires_at, used_at"

INSERT_LINK = f"""
INSERT INTO operator_links (token_hash, {LINK_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

LINK_BY_HASH = f"SELECT {LINK_COLUMNS} FROM operator_links WHERE token_hash = $1"

LOCK_LINK = f"{LINK_BY_HASH} FOR UPDATE"

BIND_LINK = """
UPDATE operator_links SET operator_id = $2
WHERE token_hash = $1 AND used_at IS NULL AND (operator_id IS NULL OR operator_id = $2)
"""

# The only statement that spends a link: of any number of concurrent requests, one finds it unused.
SPEND_LINK = (
    "UPDATE operator_links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2"
)

DROP_LINKS_OF = "DELETE FROM operator_links WHERE operator_id = $1 AND used_at IS NULL"

# Bootstrap links, valid until the first operator has signed in.
DROP_FIRST_LINKS = "DELETE FROM operator_links WHERE used_at IS NULL AND first = 1"

SESSION_COLUMNS = (
    "id, operator_id, ip_address, user_agent, created_at, last_active_at, expires_at, ended_at,"
    " authenticated_at"
)

INSERT_SESSION = f"""
INSERT INTO operator_sessions (token_hash, {SESSION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

LIVE_BY_ID = f"""
SELECT {SESSION_COLUMNS} FROM operator_sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > $2
"""

LIVE_BY_HASH = f"""
SELECT {", ".join("s." + c.strip() for c in SESSION_COLUMNS.split(","))},
       {", ".join("o." + c.strip() for c in COLUMNS.split(","))}
FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
WHERE s.token_hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_active_at > $3
  AND o.state = 'active'
"""

LIVE_OF = f"""
SELECT {SESSION_COLUMNS} FROM operator_sessions
WHERE operator_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_active_at > $3
ORDER BY id DESC LIMIT 50
"""

TOUCH_SESSION = "UPDATE operator_sessions SET last_active_at = $2 WHERE token_hash = $1 AND ended_at IS NULL"

# The old token ends with this statement: of any number of concurrent confirmations, one finds it.
RENEW_SESSION = """
UPDATE operator_sessions SET token_hash = $2, authenticated_at = $3
WHERE token_hash = $1 AND ended_at IS NULL AND expires_at > $3
"""

END_BY_HASH = "UPDATE operator_sessions SET ended_at = $2 WHERE token_hash = $1 AND ended_at IS NULL"

END_BY_ID = """
UPDATE operator_sessions SET ended_at = $3 WHERE operator_id = $1 AND id = $2 AND ended_at IS NULL
"""

END_OF = "UPDATE operator_sessions SET ended_at = $2 WHERE operator_id = $1 AND ended_at IS NULL"

EXPIRED_SESSIONS = "DELETE FROM operator_sessions WHERE expires_at <= $1"

EXPIRED_LINKS = "DELETE FROM operator_links WHERE expires_at <= $1"

_SESSION_FIELDS = len(OperatorSession.__struct_fields__)


class OperatorsTable:
    """The tables `operators` and `operator_links`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, operator: Operator) -> bool:
        """Insert an operator; False when the email is taken."""
        values = [getattr(operator, name) for name in Operator.__struct_fields__]
        return await self._db.run(INSERT, *values, email_key(operator.email)) == 1

    async def by_id(self, operator_id: str) -> Operator | None:
        """Return the row with this id, or None."""
        return _operator(await self._db.one(BY_ID, operator_id))

    async def lock(self, operator_id: str) -> Operator | None:
        """Return the operator with this id, the row locked until the unit ends, or None."""
        return _operator(await self._db.one(LOCK, operator_id))

    async def by_email(self, email: str) -> Operator | None:
        """Return the operator with this email, in any spelling of the same address, or None."""
        return _operator(await self._db.one(BY_EMAIL, email_key(email)))

    async def all(self) -> list[Operator]:
        """Return all operators, oldest first."""
        return [Operator(*row) for row in await self._db.all(ALL)]

    async def active_owners(self) -> list[str]:
        """Return the ids of the owners who can sign in, their rows locked until the unit ends."""
        return [row[0] for row in await self._db.all(LOCK_ACTIVE_OWNERS)]

    async def has_active_owner(self) -> bool:
        """Return whether an owner can sign in, without a lock."""
        return await self._db.one(ACTIVE_OWNERS) is not None

    async def begin_set_up(
        self, operator_id: str, email: str, password_hash: str, factor_id: str, now: int
    ) -> bool:
        """Store what an invited operator chose; False when they are not invited, or the email is taken."""
        row = (operator_id, email, email_key(email), password_hash, factor_id, now)
        return await self._db.run(BEGIN_SET_UP, *row) == 1

    async def activate(self, operator_id: str, factor_id: str, now: int) -> bool:
        """Let an invited operator with this factor in; False when either does not hold."""
        return await self._db.run(ACTIVATE, operator_id, factor_id, now) == 1

    async def withdraw(self, operator_id: str, state: str, now: int) -> None:
        """Remove password and factor, and set the state: `invited` or `disabled`."""
        await self._db.run(WITHDRAW, operator_id, state, now)

    async def set_role(self, operator_id: str, role: str, now: int) -> None:
        """Set the role."""
        await self._db.run(SET_ROLE, operator_id, role, now)

    async def record_sign_in(self, operator_id: str, now: int) -> bool:
        """Set when an active operator last signed in; False when they are not active."""
        return await self._db.run(RECORD_SIGN_IN, operator_id, now) == 1

    async def insert_link(self, token_hash: bytes, link: OperatorLink) -> None:
        """Insert a set-up link."""
        await self._db.run(
            INSERT_LINK,
            token_hash,
            link.operator_id,
            link.role,
            int(link.first),
            link.created_at,
            link.expires_at,
            link.used_at,
        )

    async def link_by_hash(self, token_hash: bytes) -> OperatorLink | None:
        """Return the link with this token hash, or None."""
        return _link(await self._db.one(LINK_BY_HASH, token_hash))

    async def lock_link(self, token_hash: bytes) -> OperatorLink | None:
        """Return the link with this token hash, its row locked until the unit ends, or None."""
        return _link(await self._db.one(LOCK_LINK, token_hash))

    async def bind_link(self, token_hash: bytes, operator_id: str) -> bool:
        """Assign an unassigned link to an operator; False when it is used or another operator's."""
        return await self._db.run(BIND_LINK, token_hash, operator_id) == 1

    async def spend_link(self, token_hash: bytes, now: int) -> bool:
        """Spend an unexpired link; True for exactly one caller."""
        return await self._db.run(SPEND_LINK, token_hash, now) == 1

    async def drop_links_of(self, operator_id: str) -> int:
        """Delete an operator's unused links; return how many."""
        return await self._db.run(DROP_LINKS_OF, operator_id)

    async def drop_first_links(self) -> int:
        """Delete the unused bootstrap links; return how many."""
        return await self._db.run(DROP_FIRST_LINKS)


class OperatorSessionsTable:
    """The table `operator_sessions`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, token_hash: bytes, session: OperatorSession) -> None:
        """Insert a session."""
        values = [getattr(session, name) for name in OperatorSession.__struct_fields__]
        await self._db.run(INSERT_SESSION, token_hash, *values)

    async def live_by_hash(
        self, token_hash: bytes, now: int, active_since: int
    ) -> tuple[OperatorSession, Operator] | None:
        """Return a live session and its active operator, or None.

        A session is live if it has not ended, expires after `now`, and was active after `active_since`.
        """
        row = await self._db.one(LIVE_BY_HASH, token_hash, now, active_since)
        if row is None:
            return None
        return OperatorSession(*row[:_SESSION_FIELDS]), Operator(*row[_SESSION_FIELDS:])

    async def live_by_id(self, session_id: str, now: int) -> OperatorSession | None:
        """Return a session that has neither ended nor expired by `now`, however idle, or None."""
        row = await self._db.one(LIVE_BY_ID, session_id, now)
        return None if row is None else OperatorSession(*row)

    async def renew(self, token_hash: bytes, new_hash: bytes, now: int) -> bool:
        """Give a session a new token and record a second factor in it; True for exactly one caller."""
        return await self._db.run(RENEW_SESSION, token_hash, new_hash, now) == 1

    async def live_of(self, operator_id: str, now: int, active_since: int) -> list[OperatorSession]:
        """Return an operator's 50 newest live sessions, newest first."""
        rows = await self._db.all(LIVE_OF, operator_id, now, active_since)
        return [OperatorSession(*row) for row in rows]

    async def touch(self, token_hash: bytes, now: int) -> None:
        """Set when the session was last active."""
        await self._db.run(TOUCH_SESSION, token_hash, now)

    async def end(self, token_hash: bytes, now: int) -> bool:
        """End the session with this token hash; False when it has ended or does not exist."""
        return await self._db.run(END_BY_HASH, token_hash, now) == 1

    async def end_by_id(self, operator_id: str, session_id: str, now: int) -> bool:
        """End one of an operator's sessions; False when it has ended or is not theirs."""
        return await self._db.run(END_BY_ID, operator_id, session_id, now) == 1

    async def end_of(self, operator_id: str, now: int) -> int:
        """End all of an operator's sessions; return how many."""
        return await self._db.run(END_OF, operator_id, now)

    async def remove_expired(self, now: int) -> int:
        """Delete sessions and links that expired by `now`; return how many."""
        return await self._db.run(EXPIRED_SESSIONS, now) + await self._db.run(EXPIRED_LINKS, now)


def _operator(row: "Row | None") -> Operator | None:
    return None if row is None else Operator(*row)


def _link(row: "Row | None") -> OperatorLink | None:
    return None if row is None else OperatorLink(row[0], row[1], bool(row[2]), *row[3:])
