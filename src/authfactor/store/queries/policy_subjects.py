"""What a policy decides by, for one user or for all users in batches."""

from typing import TYPE_CHECKING

from authfactor.models.mfa_policies import PolicySubject, StoredUserPolicy

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

# Without `INDEXED BY`, SQLite walks all factors of the environment for each user.
_SELECT = """
SELECT u.id, u.email, u.email_verified, u.metadata, u.last_sign_in_at,
  p.policy, p.until, p.reason, p.grace_until, p.grace_granted_at, p.grace_ended_at, p.held_factor_at,
  p.updated_at,
  EXISTS (SELECT 1 FROM factors f INDEXED BY factors_user
    WHERE f.environment = u.environment AND f.user_id = u.id
    AND f.activated_at IS NOT NULL AND f.type = 'totp'),
  EXISTS (SELECT 1 FROM factors f INDEXED BY factors_user
    WHERE f.environment = u.environment AND f.user_id = u.id
    AND f.activated_at IS NOT NULL AND f.type <> 'totp'),
  EXISTS (SELECT 1 FROM recovery_codes c WHERE c.environment = u.environment AND c.user_id = u.id
    AND c.used_at IS NULL)
FROM users u LEFT JOIN user_mfa_policies p ON p.environment = u.environment AND p.user_id = u.id
WHERE u.environment = $1
"""

OF_USER = f"{_SELECT} AND u.id = $2"

BATCH = f"{_SELECT} AND u.id > $2 ORDER BY u.id LIMIT $3"

_POLICY = slice(5, 13)


class PolicySubjects:
    """Reads over users, factors and what operators have decided."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def of_user(self, environment: int, user_id: str) -> PolicySubject | None:
        """Return one user, or None."""
        row = await self._db.one(OF_USER, environment, user_id)
        return None if row is None else _subject(row)

    async def batch(self, environment: int, after: str, limit: int) -> list[PolicySubject]:
        """Return at most `limit` users after an id, in the order of ids."""
        return [_subject(row) for row in await self._db.all(BATCH, environment, after, limit)]


def _subject(row: "Row") -> PolicySubject:
    user_id, email, verified, metadata, last_sign_in_at = row[:5]
    own = None if row[5] is None else StoredUserPolicy(*row[_POLICY])
    totp, other, codes = row[13:]
    kinds = frozenset(kind for kind, active in (("totp", totp), ("other", other)) if active)
    return PolicySubject(user_id, email, bool(verified), metadata, last_sign_in_at, own, kinds, bool(codes))
