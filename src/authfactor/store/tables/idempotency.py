"""Stored responses of requests with an Idempotency-Key. The response is sealed."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from authfactor.models import IdempotencyClaim
    from authfactor.store.db import Db

# Claimed first: on a database with row locks, a second request with the key waits for this row.
CLAIM = """
INSERT INTO idempotency (environment, key, body_hash, answer, expires_at) VALUES ($1, $2, $3, NULL, $4)
ON CONFLICT (environment, key) DO UPDATE
SET body_hash = excluded.body_hash, answer = NULL, expires_at = excluded.expires_at
WHERE idempotency.expires_at <= $5
"""

BY_KEY = "SELECT body_hash, answer FROM idempotency WHERE environment = $1 AND key = $2"

UNEXPIRED = f"{BY_KEY} AND expires_at > $3"

# Where units are serialized, reading is as good as claiming and saves one of two writes.
CLAIM_AND_STORE = """
INSERT INTO idempotency (environment, key, body_hash, answer, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment, key) DO UPDATE
SET body_hash = excluded.body_hash, answer = excluded.answer, expires_at = excluded.expires_at
"""

STORE = """
UPDATE idempotency SET body_hash = $3, answer = $4, expires_at = $5 WHERE environment = $1 AND key = $2
"""


class StoredClaim(NamedTuple):
    """The row of an earlier request with the same key: the hash of its body and its sealed response."""

    body_hash: bytes
    answer: str | None


class IdempotencyTable:
    """The table `idempotency`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def claim(self, claim: "IdempotencyClaim", now: int) -> StoredClaim | None:
        """Claim the key at `now` (milliseconds); return the earlier claim if there is an unexpired one."""
        if self._db.serializes_writes:
            row = await self._db.one(UNEXPIRED, claim.environment, claim.key, now)
            return StoredClaim(*row) if row else None
        taken = await self._db.run(
            CLAIM, claim.environment, claim.key, claim.body_hash, claim.expires_at, now
        )
        if taken:
            return None
        row = await self._db.one(BY_KEY, claim.environment, claim.key)
        return StoredClaim(*row) if row else None

    async def store_response(self, claim: "IdempotencyClaim", sealed_answer: str) -> None:
        """Store the sealed response of the request that claimed the key, in the same unit as the claim."""
        statement = CLAIM_AND_STORE if self._db.serializes_writes else STORE
        await self._db.run(
            statement, claim.environment, claim.key, claim.body_hash, sealed_answer, claim.expires_at
        )
