"""Request and response bodies of MFA policies. Unknown members are refused: none is silently accepted."""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from authfactor.errors import InvalidRequest, Item, MalformedBody
from authfactor.models import Environment, EnvironmentOptions, MfaPolicy, MfaRule, TrustedDevicePolicy
from authfactor.models.mfa_policies import Outcome, OutcomeCounts, OwnPolicy, UserPolicyInForce
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp

B = TypeVar("B", bound=RequestModel)
_SHOWN: Final = 200

RequiredFrom = Annotated[
    str | None,
    Meta(description="ISO 8601. Before this time, `required` acts as `if_enrolled`. Default: at once."),
]
GraceDays = Annotated[
    int | None,
    Meta(description="0 to 90: how long a user without a factor may still sign in. Default: 0."),
]
Methods = Annotated[
    list[str] | None,
    Meta(description="The methods that count: `totp`, `recovery_code`. Default: all."),
]


class SetPolicyMatch(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """The users that a rule is about: those with this metadata, or with this domain in their email."""

    metadata: Annotated[
        dict[str, str] | None, Meta(description="1 to 10 names with the values that a user must have.")
    ] = None
    email_domain: Annotated[
        str | None, Meta(description="A domain without its subdomains, such as `example.org`.")
    ] = None


class SetPolicyRule(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """A policy for the users that match."""

    match: Annotated[SetPolicyMatch, Meta(description="Either `metadata` or `email_domain`.")]
    policy: Annotated[MfaPolicy, Meta(description="`off`, `if_enrolled` or `required`.")]
    required_from: RequiredFrom = None
    grace_days: GraceDays = None
    methods: Methods = None


class SetMfaPolicy(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """The policy of an environment, as a whole: what is absent gets its default."""

    policy: MfaPolicy | None = None
    required_from: RequiredFrom = None
    grace_days: GraceDays = None
    methods: Methods = None
    rules: Annotated[
        list[SetPolicyRule] | None, Meta(description="At most 20; the first that matches a user counts.")
    ] = None
    trusted_devices: Annotated[
        TrustedDevicePolicy | None,
        Meta(description="`allowed`: a trusted device may replace a code. Default: `off`."),
    ] = None
    trusted_device_days: Annotated[
        int | None, Meta(description="1 to 90: how long a device is trusted. Default: 30.")
    ] = None
    updated_at: Annotated[
        str | None,
        Meta(description="`updated_at` as you have read it: refused if the policy has changed since."),
    ] = None
    object: Annotated[Literal["mfa_policy"] | None, Meta(description="May be sent back as it was read.")] = (
        None
    )


class SetUserMfaPolicy(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """What an operator decides about one user."""

    policy: OwnPolicy | None = None
    until: Annotated[
        str | None, Meta(description="ISO 8601: when the decision ends. An exemption ends within 90 days.")
    ] = None
    reason: Annotated[
        str | None, Meta(description="At most 300 characters. An exemption and a new deadline need one.")
    ] = None
    grace_until: Annotated[
        str | None,
        Meta(description="ISO 8601, within 90 days: a new deadline for enrolling. Absent: as it is."),
    ] = None


class PolicyMatchObject(ResponseModel, frozen=True, gc=False):
    """The users that a rule is about."""

    metadata: dict[str, str] | UnsetType = UNSET
    email_domain: str | UnsetType = UNSET


class PolicyRuleObject(ResponseModel, frozen=True, gc=False):
    """A policy for the users that match."""

    match: PolicyMatchObject
    policy: MfaPolicy
    required_from: Timestamp | None
    grace_days: int
    methods: list[str] | None


class MfaPolicyObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="mfa_policy"):
    """The policy of an environment."""

    policy: MfaPolicy
    required_from: Timestamp | None
    grace_days: int
    methods: list[str] | None
    rules: list[PolicyRuleObject]
    trusted_devices: TrustedDevicePolicy
    trusted_device_days: int
    updated_at: Timestamp


class UserMfaPolicyObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="user_mfa_policy"):
    """The policy in force for one user, and why.

    `policy`, `until` and `reason` are the operator's decision; an expired one is shown as `default`.
    """

    user_id: str
    policy: OwnPolicy
    until: Timestamp | None
    reason: str | None
    in_force: MfaPolicy
    source: Literal["environment", "rule", "user"]
    rule: int | None
    required_from: Timestamp | None
    methods: list[str] | None
    grace_until: Timestamp | None
    grace: Literal["none", "running", "ended"]
    outcome: Outcome


class PolicyOutcomesObject(ResponseModel, frozen=True, gc=False):
    """Users by what their next sign-in with a right password leads to."""

    not_asked: int
    password_only: int
    exempt: int
    code: int
    in_grace: int
    must_enroll: int


class MfaPolicyPreviewObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="mfa_policy_preview"
):
    """What a policy would lead to; `complete` is false if there are more users than were counted."""

    users: int
    complete: bool
    outcomes: PolicyOutcomesObject


class MfaCoverageObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="mfa_coverage"):
    """How far the rollout is; `complete` is false if there are more users than were counted."""

    users: int
    complete: bool
    enrolled: dict[str, int]
    in_grace: int
    overdue: int
    exempt: int
    outcomes: PolicyOutcomesObject


def read(shape: type[B], body: bytes, code: str = "mfa_policy_invalid") -> B:
    """Decode a body strictly. Raises `MalformedBody`, and `InvalidRequest` that names the member."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        member = path.strip("`").lstrip(".") or "body"
        raise InvalidRequest(Item(member[:_SHOWN], code, f"{member[:_SHOWN]}: {text[:_SHOWN]}.")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(message="The request body is not valid JSON.") from error


def policy(environment: Environment, options: EnvironmentOptions) -> MfaPolicyObject:
    """Render an environment's policy."""
    mfa = options.mfa
    return MfaPolicyObject(
        environment.mfa_policy,
        timestamps.format_optional(mfa.required_from),
        mfa.grace_days,
        _list(mfa.methods),
        [_rule(rule) for rule in mfa.rules],
        options.trusted_devices,
        options.trusted_device_days,
        timestamps.format_ms(environment.updated_at),
    )


def user_policy(found: UserPolicyInForce) -> UserMfaPolicyObject:
    """Render the policy in force for one user."""
    applied, stored = found.applied, found.stored
    decided = found.own != "default"
    by_user = (found.own == "required" and applied.mode != "required") or (
        found.own == "exempt" and applied.mode == "required"
    )
    source: Literal["environment", "rule", "user"] = "environment" if applied.rule is None else "rule"
    grace: Literal["none", "running", "ended"] = "none"
    if stored.had_grace:
        grace = "ended" if found.deadline is None else "running"
    return UserMfaPolicyObject(
        found.user_id,
        found.own,
        timestamps.format_optional(stored.until) if decided else None,
        stored.reason if decided else None,
        found.mode,
        "user" if by_user else source,
        applied.rule,
        timestamps.format_optional(applied.required_from),
        _list(applied.methods),
        timestamps.format_optional(stored.grace_until),
        grace,
        found.outcome,
    )


def preview(counts: OutcomeCounts) -> MfaPolicyPreviewObject:
    """Render what a policy would lead to."""
    return MfaPolicyPreviewObject(counts.users, counts.complete, _outcomes(counts))


def coverage(counts: OutcomeCounts) -> MfaCoverageObject:
    """Render how far the rollout is."""
    outcomes = _outcomes(counts)
    return MfaCoverageObject(
        counts.users,
        counts.complete,
        counts.enrolled,
        outcomes.in_grace,
        outcomes.must_enroll,
        outcomes.exempt,
        outcomes,
    )


def _outcomes(counts: OutcomeCounts) -> PolicyOutcomesObject:
    found: dict[Any, int] = dict(counts.outcomes)
    return PolicyOutcomesObject(
        **{name: found.get(name, 0) for name in PolicyOutcomesObject.__struct_fields__}
    )


def _rule(rule: MfaRule) -> PolicyRuleObject:
    match = PolicyMatchObject(
        UNSET if rule.metadata is None else rule.metadata,
        UNSET if rule.email_domain is None else rule.email_domain,
    )
    return PolicyRuleObject(
        match,
        rule.policy,
        timestamps.format_optional(rule.required_from),
        rule.grace_days,
        _list(rule.methods),
    )


def _list(methods: tuple[str, ...] | None) -> list[str] | None:
    return None if methods is None else list(methods)
