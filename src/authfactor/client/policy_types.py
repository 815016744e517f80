"""The types of `client.mfa_policies`."""

from datetime import datetime
from typing import Literal

import msgspec

from authfactor.client.types import Model

Policy = Literal["off", "if_enrolled", "required"]
Decision = Literal["default", "required", "exempt"]


class MfaPolicyRule(Model, frozen=True, kw_only=True):
    """A policy for the users that match: `{"metadata": {…}}` or `{"email_domain": "…"}`."""

    match: dict[str, str | dict[str, str]]
    policy: str
    required_from: datetime | None = None
    grace_days: int = 0
    methods: list[str] | None = None


class MfaPolicy(Model, frozen=True, kw_only=True):
    """The policy of an environment. Pass a changed copy to `set_policy`."""

    policy: str
    required_from: datetime | None = None
    grace_days: int = 0
    methods: list[str] | None = None
    rules: list[MfaPolicyRule] = msgspec.field(default_factory=list)
    trusted_devices: str = "off"
    trusted_device_days: int = 30
    updated_at: datetime | None = None
    """If set, `set_policy` is refused when the policy has changed since."""
    object: Literal["mfa_policy"] = "mfa_policy"


class PolicyOutcomes(Model, frozen=True, kw_only=True):
    """Users by what their next sign-in with a right password leads to."""

    not_asked: int
    password_only: int
    exempt: int
    code: int
    in_grace: int
    must_enroll: int


class MfaPolicyPreview(Model, frozen=True, kw_only=True):
    """What a policy would lead to; `complete` is False if there are more users than were counted."""

    users: int
    complete: bool
    outcomes: PolicyOutcomes
    object: Literal["mfa_policy_preview"] = "mfa_policy_preview"


class MfaCoverage(Model, frozen=True, kw_only=True):
    """How far the rollout is; `complete` is False if there are more users than were counted."""

    users: int
    complete: bool
    enrolled: dict[str, int]
    in_grace: int
    overdue: int
    exempt: int
    outcomes: PolicyOutcomes
    object: Literal["mfa_coverage"] = "mfa_coverage"


class UserMfaPolicy(Model, frozen=True, kw_only=True):
    """The policy in force for one user, and why; `policy`, `until`, `reason`: an operator's decision."""

    user_id: str
    policy: str
    until: datetime | None = None
    reason: str | None = None
    in_force: str
    source: str
    rule: int | None = None
    required_from: datetime | None = None
    methods: list[str] | None = None
    grace_until: datetime | None = None
    grace: str
    outcome: str
    object: Literal["user_mfa_policy"] = "user_mfa_policy"
