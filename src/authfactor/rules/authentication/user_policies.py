"""Sign-ins that a policy would refuse or let pass because of a single user: exemption, requirement, grace.

Asked only where the policy of the environment leaves no other way (decision 0045): one statement, in the
transaction of the sign-in.
"""

from typing import Final, Literal

from authfactor.models import AppliedPolicy, GracePeriod, UserRecord
from authfactor.models.mfa_policies import StoredUserPolicy
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.activation import end_grace
from authfactor.rules.unit import Scope
from authfactor.wire.events import StartedGrace

DAY: Final = 24 * 3600 * 1000
NOTHING_STORED: Final = StoredUserPolicy()

Decision = Literal["pass", "challenge", "enroll"]


class UserPolicies:
    """Decides about single users, and writes their deadlines."""

    def __init__(self, log: EventLog) -> None:
        """Keep the event log."""
        self._log = log

    async def decide(
        self,
        scope: Scope,
        user: UserRecord,
        policy: AppliedPolicy,
        *,
        asked: bool,
        has_factor: bool,
        is_allowed: bool,
    ) -> Decision | GracePeriod:
        """Return what comes before a session.

        `asked`: the environment's policy asks this user for a factor. `has_factor`: one is active;
        `is_allowed`: one of a kind that the policy allows.
        """
        stored = await scope.tx.user_mfa_policies.of(scope.number, user.id) or NOTHING_STORED
        own = stored.own(scope.now)
        if not asked and own != "required":
            return "pass"
        if own == "exempt":
            return "challenge" if has_factor else "pass"
        if is_allowed:
            return "challenge"
        # A factor of another kind is no reason to let a password alone pass.
        grace = None if has_factor else await self._grace(scope, user, policy, stored)
        return grace or "enroll"

    async def is_exempt(self, scope: Scope, user_id: str) -> bool:
        """Return whether a user is exempt now."""
        stored = await scope.tx.user_mfa_policies.of(scope.number, user_id)
        return stored is not None and stored.own(scope.now) == "exempt"

    async def _grace(
        self, scope: Scope, user: UserRecord, policy: AppliedPolicy, stored: StoredUserPolicy
    ) -> GracePeriod | None:
        """Return the grace of a user without a factor; write its deadline if this is the first sign-in."""
        now = latest_time(scope.now, user.last_sign_in_at)
        if not stored.had_grace and policy.grace_days:
            deadline = now + policy.grace_days * DAY
            if await scope.tx.user_mfa_policies.start_grace(scope.number, user.id, deadline, scope.now):
                started = StartedGrace.until(user.id, deadline)
                await self._log.append(scope, event_log.GRACE_STARTED, user.id, started)
                return GracePeriod(deadline)
            # A concurrent sign-in has written it.
            stored = await scope.tx.user_mfa_policies.of(scope.number, user.id) or NOTHING_STORED
        running = running_deadline(policy, stored, now)
        if running is not None:
            return GracePeriod(running)
        if stored.grace_until is not None and stored.grace_until <= now and not stored.grace_is_over:
            await end_grace(scope, self._log, user.id, "deadline_passed")
        return None


def latest_time(now: int, last_sign_in_at: int | None) -> int:
    """Return the time that deadlines are compared with: a clock that is set back must not extend them."""
    return max(now, last_sign_in_at or 0)


def running_deadline(policy: AppliedPolicy, stored: StoredUserPolicy, now: int) -> int | None:
    """Return the deadline of a grace that is running, else None.

    A policy without days of grace ends what an earlier one gave, but not what an operator has given.
    """
    if stored.grace_is_over or stored.grace_until is None or stored.grace_until <= now:
        return None
    return stored.grace_until if policy.grace_days or stored.grace_granted_at is not None else None
