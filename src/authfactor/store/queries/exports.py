"""What an export reads: users with their factors and recovery codes, page by page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from authfactor.models import FactorDetails, UserRecord
from authfactor.models.exports import StoredCode, StoredUser
from authfactor.store.tables.factors import COLUMNS
from authfactor.store.tables.users import COLUMNS as USER_COLUMNS

if TYPE_CHECKING:
    from authfactor.store.db import Db

PAGE: Final = 50

USERS_AFTER = f"""
SELECT {USER_COLUMNS} FROM users WHERE environment = $1 AND id > $2 ORDER BY id LIMIT {PAGE}
"""

USER = f"SELECT {USER_COLUMNS} FROM users WHERE environment = $1 AND id = $2"

FACTORS_OF = f"""
SELECT {COLUMNS}, name, last_used_at FROM factors WHERE environment = $1 AND user_id IN ({{values}})
ORDER BY user_id, id
"""

CODES_OF = """
SELECT user_id, digest, key_id, used_at, bits FROM recovery_codes
WHERE environment = $1 AND user_id IN ({values}) ORDER BY user_id, digest
"""


class Exports:
    """Statements of exports, which only read."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def users_after(self, environment: int, after: str) -> list[StoredUser]:
        """Return the next users in the order of their ids, at most `PAGE`."""
        rows = await self._db.all(USERS_AFTER, environment, after)
        return await self._with_all(environment, [_user(row) for row in rows])

    async def user(self, environment: int, user_id: str) -> StoredUser | None:
        """Return one user, or None."""
        row = await self._db.one(USER, environment, user_id)
        found = await self._with_all(environment, [] if row is None else [_user(row)])
        return found[0] if found else None

    async def _with_all(self, environment: int, users: Sequence[UserRecord]) -> list[StoredUser]:
        if not users:
            return []
        ids = [user.id for user in users]
        padded = [*ids, *[ids[-1]] * (PAGE - len(ids))]
        values = ", ".join(f"${at}" for at in range(2, PAGE + 2))
        factors: dict[str, list[FactorDetails]] = {}
        for row in await self._db.all(FACTORS_OF.format(values=values), environment, *padded):
            factors.setdefault(row[1], []).append(FactorDetails(*row))
        codes: dict[str, list[StoredCode]] = {}
        for row in await self._db.all(CODES_OF.format(values=values), environment, *padded):
            codes.setdefault(row[0], []).append(StoredCode(*row[1:]))
        return [StoredUser(user, factors.get(user.id, []), codes.get(user.id, [])) for user in users]


def _user(row: tuple[object, ...]) -> UserRecord:
    return UserRecord(row[0], row[1], bool(row[2]), *row[3:])  # type: ignore[arg-type]  # in the columns' order
