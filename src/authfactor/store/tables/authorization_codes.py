"""Authorization codes, stored as hashes. One is found by its hash alone: another client may present it."""

from typing import TYPE_CHECKING

from authfactor.models.hosted_sign_in import AuthorizationCode
from authfactor.store.tables.proof_columns import PROOF_COLUMNS, PROOF_WIDTH, proof_values, stored_proof

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = (
    f"environment, redirect_uri, code_challenge, {PROOF_COLUMNS}, ip_address, user_agent, browser_session_id,"
    " continues_session_id, created_at, expires_at, used_at, session_id"
)

INSERT = f"""
INSERT INTO authorization_codes (code_hash, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
"""

BY_HASH = f"SELECT {COLUMNS} FROM authorization_codes WHERE code_hash = $1"

# Of any number of concurrent requests, one uses the code.
USE = """
UPDATE authorization_codes SET used_at = $3, session_id = $4
WHERE environment = $1 AND code_hash = $2 AND used_at IS NULL AND expires_at > $3
"""


class AuthorizationCodesTable:
    """The table `authorization_codes`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, code_hash: bytes, code: AuthorizationCode) -> None:
        """Insert a code."""
        await self._db.run(
            INSERT,
            code_hash,
            code.environment,
            code.redirect_uri,
            code.code_challenge,
            *proof_values(code.proof),
            code.ip_address,
            code.user_agent,
            code.browser_session_id,
            code.continues_session_id,
            code.created_at,
            code.expires_at,
            code.used_at,
            code.session_id,
        )

    async def by_hash(self, code_hash: bytes) -> AuthorizationCode | None:
        """Return a code in any state and of any environment, or None."""
        row = await self._db.one(BY_HASH, code_hash)
        if row is None:
            return None
        values = [*row[:3], stored_proof(row, 3), *row[3 + PROOF_WIDTH :]]
        return AuthorizationCode(*values)

    async def use(self, environment: int, code_hash: bytes, now: int, session_id: str) -> bool:
        """Use an unexpired code for a session; True for exactly one caller."""
        return await self._db.run(USE, environment, code_hash, now, session_id) == 1
