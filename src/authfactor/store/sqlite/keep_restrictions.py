"""Carry restrictions from the replaced database into the one restored over it.

Locks, failed codes, revoked API keys, spent TOTP steps, disabled or demoted operators, throttles, withdrawn
exemptions, deadlines of grace: for each, the stricter of the two databases wins (decision 0015).
"""

import sqlite3
from contextlib import closing
from pathlib import Path

REVOKED_KEYS = """
UPDATE api_keys SET revoked_at = (SELECT revoked_at FROM old.api_keys AS o
  WHERE o.environment = api_keys.environment AND o.id = api_keys.id)
WHERE revoked_at IS NULL AND (environment, id) IN
  (SELECT environment, id FROM old.api_keys WHERE revoked_at IS NOT NULL)
"""

SPENT_STEPS = """
UPDATE factors SET last_step = (SELECT last_step FROM old.factors AS o
  WHERE o.environment = factors.environment AND o.id = factors.id)
WHERE last_step < (SELECT last_step FROM old.factors AS o
  WHERE o.environment = factors.environment AND o.id = factors.id)
"""

# Disabled, or reset (a lost phone) and perhaps set up again since the backup: the password and factor in the
# backup must not work again.
DISABLED_OPERATORS = """
UPDATE operators SET state = CASE o.state WHEN 'active' THEN 'invited' ELSE o.state END,
  password_hash = NULL, factor_id = NULL
FROM old.operators AS o
WHERE o.id = operators.id AND (o.state <> 'active' OR o.factor_id IS NOT operators.factor_id)
"""

DEMOTED_OPERATORS = """
UPDATE operators SET role = CASE WHEN 'viewer' IN (operators.role, o.role) THEN 'viewer' ELSE 'support' END
FROM old.operators AS o WHERE o.id = operators.id AND o.role <> operators.role
"""

THROTTLES = """
INSERT INTO throttles (environment, subject, full_at) SELECT environment, subject, full_at FROM old.throttles
WHERE true ON CONFLICT (environment, subject) DO UPDATE SET full_at = max(throttles.full_at, excluded.full_at)
"""

# An exemption counts where both have it, a required factor where one has it. The earlier deadline counts, and
# grace that is over in one is over.
USER_POLICIES = """
INSERT INTO user_mfa_policies (environment, user_id, policy, until, reason, grace_until, grace_granted_at,
  grace_ended_at, held_factor_at, updated_at)
SELECT environment, user_id, CASE policy WHEN 'exempt' THEN 'default' ELSE policy END,
  CASE policy WHEN 'exempt' THEN NULL ELSE until END, reason, grace_until, grace_granted_at, grace_ended_at,
  held_factor_at, updated_at
FROM old.user_mfa_policies AS o
WHERE EXISTS (SELECT 1 FROM users AS u WHERE u.environment = o.environment AND u.id = o.user_id)
ON CONFLICT (environment, user_id) DO UPDATE SET
  policy = CASE WHEN excluded.policy = 'required' THEN 'required'
    WHEN user_mfa_policies.policy <> 'exempt' THEN user_mfa_policies.policy
    ELSE (SELECT o.policy FROM old.user_mfa_policies AS o
      WHERE o.environment = excluded.environment AND o.user_id = excluded.user_id) END,
  until = CASE WHEN excluded.policy = 'required' THEN excluded.until ELSE user_mfa_policies.until END,
  grace_until = min(coalesce(user_mfa_policies.grace_until, excluded.grace_until),
    coalesce(excluded.grace_until, user_mfa_policies.grace_until)),
  grace_ended_at = coalesce(user_mfa_policies.grace_ended_at, excluded.grace_ended_at),
  held_factor_at = coalesce(user_mfa_policies.held_factor_at, excluded.held_factor_at)
"""

# Users without a row in the old database have no exemption there.
EXEMPTIONS = """
UPDATE user_mfa_policies SET policy = 'default', until = NULL WHERE policy = 'exempt'
  AND (environment, user_id) NOT IN
  (SELECT environment, user_id FROM old.user_mfa_policies WHERE policy = 'exempt')
"""

LOOK_AT_USERS = """
UPDATE environments SET options = json_patch(options, '{"mfa": {"users_differ": true}}')
WHERE number IN (SELECT environment FROM user_mfa_policies WHERE policy = 'required')
"""

# A database that an older release has left has no such table.
HAS_POLICIES = "SELECT 1 FROM old.sqlite_master WHERE name = 'user_mfa_policies'"

FAILURES = "SELECT environment, subject, times, in_a_row, locked_until FROM {}failures"

PUT_FAILURE = """
INSERT OR REPLACE INTO failures (environment, subject, times, in_a_row, locked_until) VALUES (?, ?, ?, ?, ?)
"""


def keep(path: Path, old: Path) -> bool:
    """Copy what is stricter in `old` into `path`; False, with nothing changed, if `old` is unreadable."""
    try:
        with closing(_connect(path)) as connection:
            connection.execute("ATTACH ? AS old", (f"{old.absolute().as_uri()}?mode=ro",))
            connection.execute("BEGIN IMMEDIATE")
            for statement in (REVOKED_KEYS, SPENT_STEPS, DISABLED_OPERATORS, DEMOTED_OPERATORS, THROTTLES):
                connection.execute(statement)
            if connection.execute(HAS_POLICIES).fetchone():
                for statement in (USER_POLICIES, EXEMPTIONS, LOOK_AT_USERS):
                    connection.execute(statement)
            ours = {row[:2]: row[2:] for row in connection.execute(FAILURES.format(""))}
            for environment, subject, *theirs in connection.execute(FAILURES.format("old.")).fetchall():
                merged = _stricter(ours.get((environment, subject), ("", 0, None)), tuple(theirs))
                connection.execute(PUT_FAILURE, (environment, subject, *merged))
            connection.execute("COMMIT")
    except sqlite3.Error:
        return False
    return True


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute().as_uri(), uri=True, isolation_level=None)


def _stricter(
    one: tuple[str, int, int | None], other: tuple[str, int, int | None]
) -> tuple[str, int, int | None]:
    """Merge two failure records: the union of their times (as a multiset), the longer run, the later lock."""
    times = [[int(text) for text in record[0].split(",") if text] for record in (one, other)]
    every = sorted(
        at for at in {*times[0], *times[1]} for _ in range(max(times[0].count(at), times[1].count(at)))
    )
    locks = [record[2] for record in (one, other) if record[2] is not None]
    return ",".join(map(str, every)), max(one[1], other[1]), max(locks, default=None)
