"""Flows: one row for each visit of the sign-in pages. The secret of a flow's cookie is stored as a hash.

The lookup by hash takes no environment: a browser presents nothing else that identifies it.
"""

from typing import TYPE_CHECKING

from authfactor.models.hosted_sign_in import AuthenticationProof, FlowRequest, SignInFlow
from authfactor.store.tables.proof_columns import PROOF_COLUMNS, PROOF_WIDTH, proof_values, read_proof

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

_REQUEST = (
    "redirect_uri, state, code_challenge, screen_hint, login_hint, prompt, max_age, ip_address, user_agent"
)
COLUMNS = (
    f"environment, id, {_REQUEST}, device_id, browser_session_id, asks_again, email, {PROOF_COLUMNS},"
    " factor_id, challenge_id, created_at, expires_at, completed_at"
)

INSERT = f"""
INSERT INTO sign_in_flows (secret_hash, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
  $23, $24, $25, $26, $27, $28)
"""

BY_SECRET = f"SELECT {COLUMNS} FROM sign_in_flows WHERE secret_hash = $1 AND id = $2"

# What happens to a flow happens while it is open: its writes decide, never a read before them.
_OPEN = "environment = $1 AND id = $2 AND completed_at IS NULL AND expires_at > $3"

SET_EMAIL = f"UPDATE sign_in_flows SET email = $4 WHERE {_OPEN}"

# With a new secret: a holder of the flow's cookie from before the proof has no part in what follows.
# The second factor that the flow was asking for may have been another user's.
SET_PROOF = f"""
UPDATE sign_in_flows SET secret_hash = $4, user_id = $5, password_mark = $6, auth_method = $7, amr = $8,
  authenticated_at = $9, mfa_at = $10, trusted_device_id = $11, factor_id = NULL, challenge_id = NULL
WHERE {_OPEN}
"""

ATTACH = f"UPDATE sign_in_flows SET factor_id = $4, challenge_id = $5 WHERE {_OPEN}"

# Of any number of concurrent requests, one completes the flow.
COMPLETE = f"UPDATE sign_in_flows SET completed_at = $3 WHERE {_OPEN}"

FACTORS_OF_USER = """
SELECT factor_id FROM sign_in_flows WHERE environment = $1 AND user_id = $2 AND factor_id IS NOT NULL
"""

_REQUEST_WIDTH = len(FlowRequest.__struct_fields__)
_AFTER_REQUEST = 2 + _REQUEST_WIDTH
_PROOF = _AFTER_REQUEST + 4


class SignInFlowsTable:
    """The table `sign_in_flows`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, flow: SignInFlow, secret_hash: bytes) -> None:
        """Insert a flow."""
        await self._db.run(
            INSERT,
            secret_hash,
            flow.environment,
            flow.id,
            *[getattr(flow.request, name) for name in FlowRequest.__struct_fields__],
            flow.device_id,
            flow.browser_session_id,
            int(flow.asks_again),
            flow.email,
            *proof_values(flow.proof),
            flow.factor_id,
            flow.challenge_id,
            flow.created_at,
            flow.expires_at,
            flow.completed_at,
        )

    async def by_secret(self, secret_hash: bytes, flow_id: str) -> SignInFlow | None:
        """Return the flow of the browser that holds this secret, in any environment, or None."""
        row = await self._db.one(BY_SECRET, secret_hash, flow_id)
        return None if row is None else _flow(row)

    async def set_email(self, environment: int, flow_id: str, now: int, email: str) -> bool:
        """Keep the email that was typed; False if the flow is no longer open."""
        return await self._db.run(SET_EMAIL, environment, flow_id, now, email) == 1

    async def set_proof(
        self, environment: int, flow_id: str, now: int, secret_hash: bytes, proof: AuthenticationProof | None
    ) -> bool:
        """Keep what was proven, or nothing, with a new secret; False if the flow is no longer open."""
        values = secret_hash, *proof_values(proof)
        return await self._db.run(SET_PROOF, environment, flow_id, now, *values) == 1

    async def attach(
        self, environment: int, flow_id: str, now: int, factor_id: str | None, challenge_id: str | None
    ) -> bool:
        """Set factor and challenge of the second step; False if the flow is no longer open."""
        return await self._db.run(ATTACH, environment, flow_id, now, factor_id, challenge_id) == 1

    async def factors_of_user(self, environment: int, user_id: str) -> list[str]:
        """Return the ids of the factors that a user's flows ask for or enroll."""
        rows = await self._db.all(FACTORS_OF_USER, environment, user_id)
        return [row[0] for row in rows]

    async def complete(self, environment: int, flow_id: str, now: int) -> bool:
        """Complete an open flow; True for exactly one caller."""
        return await self._db.run(COMPLETE, environment, flow_id, now) == 1


def _flow(row: "Row") -> SignInFlow:
    device_id, browser_session_id, asks_again, email = row[_AFTER_REQUEST:_PROOF]
    return SignInFlow(
        row[0],
        row[1],
        FlowRequest(*row[2:_AFTER_REQUEST]),
        device_id,
        browser_session_id,
        bool(asks_again),
        email,
        read_proof(row, _PROOF),
        *row[_PROOF + PROOF_WIDTH :],
    )
