"""What must hold after any fault: the database is compared with the responses that clients received.

A test collects `Acknowledged` during the fault; afterwards `broken` must return nothing.
"""

import json
from collections import Counter
from dataclasses import dataclass, field

from authfactor.settings import Settings
from tests.support import databases


@dataclass
class Acknowledged:
    """Acknowledged writes: factor id to user id, and (factor, challenge, step) of accepted codes."""

    factors: dict[str, str] = field(default_factory=dict)
    accepted: list[tuple[str, str, int]] = field(default_factory=list)
    marked: int = -1
    """The last step that a restore has spent for every factor, without a challenge."""


# Each counts rows that must not be there.
NEVER = {
    "a factor without its secret": "SELECT count(*) FROM factors WHERE secret NOT LIKE 'v1:%'",
    "a factor of no user": (
        "SELECT count(*) FROM factors WHERE user_id IS NOT NULL AND user_id NOT IN (SELECT id FROM users)"
    ),
    "a verified challenge whose step is not spent": (
        "SELECT count(*) FROM challenges c JOIN factors f ON f.id = c.factor_id"
        " WHERE c.verified_at IS NOT NULL AND f.last_step = 0"
    ),
    "a spent step without a verified challenge": (
        "SELECT count(*) FROM factors f WHERE f.last_step > 0 AND f.last_step <> {marked} AND NOT EXISTS"
        " (SELECT 1 FROM challenges c WHERE c.factor_id = f.id AND c.verified_at IS NOT NULL)"
    ),
    "a spent step of a factor that is not active": (
        "SELECT count(*) FROM factors WHERE last_step > 0 AND last_step <> {marked} AND activated_at IS NULL"
    ),
    "a session without a user": "SELECT count(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users)",
    "more attempts than a challenge allows": "SELECT count(*) FROM challenges WHERE attempts > 5",
}


def broken(settings: Settings, acknowledged: Acknowledged) -> list[str]:
    """Name every invariant that does not hold."""
    found = []
    if settings.sqlite_path is not None:
        ((state,),) = databases.sql(settings, "PRAGMA integrity_check")
        if state != "ok":
            found.append(f"integrity: {state}")
    for name, statement in NEVER.items():
        ((count,),) = databases.sql(settings, statement.replace("{marked}", str(acknowledged.marked)))
        if count:
            found.append(f"{name}: {count}")
    rows = databases.sql(settings, "SELECT id, user_id, last_step FROM factors")
    factors = {row[0]: row[1:] for row in rows}
    recorded = databases.sql(settings, "SELECT data FROM events WHERE name = 'authfactor.factor_enrolled'")
    enrolled = Counter(json.loads(str(data))["id"] for (data,) in recorded)
    found += [
        f"an enrollment without its event: {factor_id}" for factor_id in factors if not enrolled[factor_id]
    ]
    found += [f"an enrollment with {count} events: {key}" for key, count in enrolled.items() if count > 1]
    found += [
        f"an acknowledged enrollment is lost: {factor_id}"
        for factor_id, user_id in acknowledged.factors.items()
        if factor_id not in factors or factors[factor_id][0] != user_id
    ]
    found += [
        f"a step from before the restore is accepted: {factor_id}"
        for factor_id, (_, last) in factors.items()
        if isinstance(last, int) and last < acknowledged.marked
    ]
    closed = {
        row[0] for row in databases.sql(settings, "SELECT id FROM challenges WHERE verified_at IS NOT NULL")
    }
    for factor_id, challenge_id, step in acknowledged.accepted:
        if challenge_id not in closed:
            found.append(f"an accepted challenge is open again: {challenge_id}")
        last = factors.get(factor_id, ("", 0))[1]
        if not isinstance(last, int) or last < step - 1:
            found.append(f"a spent step can be used again: {factor_id}")
    return found
