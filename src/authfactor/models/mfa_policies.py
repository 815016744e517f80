"""MFA policies: of an environment, its rules, and of single users. Times are in milliseconds."""

from typing import Literal

from authfactor.models.base import Record
from authfactor.models.tenants import AppliedPolicy, MfaPolicy

OwnPolicy = Literal["default", "required", "exempt"]
"""What an operator has decided for one user."""

Outcome = Literal["not_asked", "password_only", "exempt", "code", "in_grace", "must_enroll"]
"""What a user's next sign-in with a right password leads to."""


class StoredUserPolicy(Record, frozen=True, gc=False):
    """What is stored about one user: an operator's decision, and the deadline of grace.

    `until` ends the decision. `grace_until` is written once, and again only by an operator
    (`grace_granted_at`). Grace is over for good at `grace_ended_at`, when it was found to be past or a factor
    became active, and at `held_factor_at`, when the last active factor was deleted.
    """

    policy: OwnPolicy = "default"
    until: int | None = None
    reason: str | None = None
    grace_until: int | None = None
    grace_granted_at: int | None = None
    grace_ended_at: int | None = None
    held_factor_at: int | None = None
    updated_at: int = 0

    def own(self, now: int) -> OwnPolicy:
        """Return the operator's decision at `now`: an expired one counts as none."""
        return self.policy if self.until is None or now < self.until else "default"

    @property
    def had_grace(self) -> bool:
        """Whether a deadline was written, or can never be."""
        ends = self.grace_until, self.grace_ended_at, self.held_factor_at
        return any(at is not None for at in ends)

    @property
    def grace_is_over(self) -> bool:
        """Whether grace has ended for good, whatever the deadline."""
        return self.grace_ended_at is not None or self.held_factor_at is not None


class PolicySubject(Record, frozen=True, gc=False):
    """What decides about one user: what rules match, the stored decision, and the kinds of active factors."""

    id: str
    email: str
    email_verified: bool
    metadata: str
    last_sign_in_at: int | None
    own: StoredUserPolicy | None
    kinds: frozenset[str]
    has_recovery_codes: bool


class OutcomeCounts(Record, frozen=True, gc=False):
    """How many users a policy leads where, and how many have which method.

    `complete` is False if there are more users than were counted.
    """

    users: int
    outcomes: dict[Outcome, int]
    enrolled: dict[str, int]
    complete: bool


class UserPolicyInForce(Record, frozen=True, gc=False):
    """The policy in force for one user, and why."""

    user_id: str
    stored: StoredUserPolicy
    own: OwnPolicy
    applied: AppliedPolicy
    mode: MfaPolicy
    outcome: Outcome
    deadline: int | None
