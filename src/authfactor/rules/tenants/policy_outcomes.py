"""What the next sign-in of users leads to, under the stored policy or another one (decision 0045)."""

import asyncio
from collections import Counter
from typing import Final

from authfactor import errors
from authfactor.models import AppliedPolicy, Clock, Environment
from authfactor.models.mfa_policies import Outcome, OutcomeCounts, PolicySubject
from authfactor.rules.authentication.applied_policy import policy_in
from authfactor.rules.authentication.user_policies import (
    NOTHING_STORED,
    latest_time,
    running_deadline,
)
from authfactor.rules.tenants.policy_documents import PolicyDocument
from authfactor.store import Store

BATCH: Final = 200
# Users that one report counts at most: some seconds of work, in steps of milliseconds.
MAX_USERS: Final = 200_000
# One that runs and one that waits: a caller must not make the counts of other environments wait for long.
MAX_COUNTS: Final = 2
_RETRY_AFTER: Final = 5


def outcome_of(subject: PolicySubject, policy: AppliedPolicy, now: int) -> Outcome:
    """Return what the user's next sign-in with a right password leads to; as `StepUp.demand` decides."""
    stored = subject.own or NOTHING_STORED
    own = stored.own(now)
    asked = policy.mode == "required" or (policy.mode == "if_enrolled" and bool(subject.kinds))
    if not asked and own != "required":
        return "not_asked" if policy.mode == "off" else "password_only"
    if any(policy.allows(kind) for kind in subject.kinds):
        return "code"
    if own == "exempt":
        return "code" if subject.kinds else "exempt"
    if subject.kinds:
        return "must_enroll"
    would_start = not stored.had_grace and policy.grace_days
    time = latest_time(now, subject.last_sign_in_at)
    in_grace = would_start or running_deadline(policy, stored, time) is not None
    return "in_grace" if in_grace else "must_enroll"


class OutcomeReport:
    """Counts users by outcome, a few hundred at a time, so that requests can run in between."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock."""
        self._clock = clock
        self._turn = asyncio.Lock()
        self._pending = Counter[int]()

    async def count(
        self, store: Store, environment: Environment, document: PolicyDocument, limit: int = MAX_USERS
    ) -> OutcomeCounts:
        """Count the users of an environment under a policy; one count at a time in this process.

        Not one snapshot: users who are created or changed meanwhile are counted as they are found. Raises
        `Unavailable` while `MAX_COUNTS` others of the environment run or wait.
        """
        number = environment.number
        if self._pending[number] >= MAX_COUNTS:
            text = "Other counts of this environment's users are running. Try again in a moment."
            raise errors.Unavailable(text, retry_after=_RETRY_AFTER)
        self._pending[number] += 1
        try:
            async with self._turn:
                return await self._count(store, number, document, limit)
        finally:
            self._pending[number] -= 1

    async def _count(self, store: Store, number: int, document: PolicyDocument, limit: int) -> OutcomeCounts:
        outcomes, enrolled = Counter[Outcome](), Counter[str]()
        users, after, now = 0, "", self._clock()
        while users < limit:
            size = min(BATCH, limit - users)
            batch = await store.read(
                lambda tx, after=after, size=size: tx.policy_subjects.batch(number, after, size)  # type: ignore[misc]  # bound per batch
            )
            for subject in batch:
                policy = policy_in(document.policy, document.options, subject, now)
                outcomes[outcome_of(subject, policy, now)] += 1
                enrolled.update(subject.kinds)
                enrolled.update(["recovery_code"] if subject.has_recovery_codes else [])
            users += len(batch)
            if len(batch) < size:
                return OutcomeCounts(users, dict(outcomes), dict(enrolled), complete=True)
            after = batch[-1].id
            # A read of SQLite does not suspend.
            await asyncio.sleep(0)
        more = await store.read(lambda tx: tx.policy_subjects.batch(number, after, 1))
        return OutcomeCounts(users, dict(outcomes), dict(enrolled), complete=not more)
