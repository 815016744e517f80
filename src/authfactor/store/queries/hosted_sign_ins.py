"""All that hosted sign-in keeps of a user: flows, codes, hosted sessions, devices."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db

_TABLES: Final = ("sign_in_flows", "authorization_codes", "browser_sessions", "device_authorizations")

# A proof of a factor that is gone is none.
_CLEAR: Final = """
UPDATE {table} SET amr = CASE WHEN auth_method = 'passkey' THEN 'pop user' ELSE $3 END, mfa_at = NULL
WHERE environment = $1 AND user_id = $2 AND (mfa_at IS NOT NULL OR trusted_device_id IS NOT NULL)
"""


class HostedSignIns:
    """Updates and deletions over the tables of hosted sign-in."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def clear_second_factor(self, environment: int, user_id: str, one_step: str) -> None:
        """Let everything of a user who has no factor anymore claim one step, as their sessions do."""
        for table in _TABLES:
            await self._db.run(_CLEAR.format(table=table), environment, user_id, one_step)

    async def delete_of_user(self, environment: int, user_id: str) -> None:
        """Delete everything of a user."""
        for table in _TABLES:
            await self._db.run(
                f"DELETE FROM {table} WHERE environment = $1 AND user_id = $2", environment, user_id
            )
