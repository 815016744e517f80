"""The policy of an environment as a form, with a preview, and decisions about one user."""

from typing import Any, Final, NamedTuple

import msgspec

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages.console.console_request import UNKNOWN_VERSION, ConsoleRequest
from authfactor.http.pages.console.environments import POLICY_LABELS
from authfactor.http.response import Response
from authfactor.models import MfaPolicy, MfaRule, MfaTerms
from authfactor.rules.authentication.applied_policy import METHODS
from authfactor.rules.authentication.user_policies import DAY
from authfactor.rules.console import roles
from authfactor.rules.tenants import policy_documents
from authfactor.rules.tenants.mfa_policies import document_of
from authfactor.rules.tenants.policy_documents import MAX_RULES
from authfactor.wire import mfa_policies, timestamps
from authfactor.wire.mfa_policies import PolicyOutcomesObject, SetMfaPolicy, SetPolicyMatch, SetPolicyRule
from authfactor.wire.mfa_policies import SetUserMfaPolicy as Decision

SPARE_RULES: Final = 2
METHOD_LABELS: Final = {
    "totp": "Code of an authenticator app",
    "webauthn": "Passkey",
    "recovery_code": "Recovery code",
}
OUTCOME_LABELS: Final = {
    "must_enroll": "Must enroll before they can sign in",
    "in_grace": "No factor; sign in until their deadline",
    "exempt": "No factor; exempt",
    "code": "Asked for a code",
    "password_only": "No factor, and none is required",
    "not_asked": "Never asked for a code",
}
DECISIONS: Final = {
    "default": "As the environment says",
    "exempt": "Exempt: needs no factor",
    "required": "Must have a factor",
    "grace": "New deadline for enrolling",
}


class PolicyFields(NamedTuple):
    """A policy as its form shows it; `users` of a rule has `name = value` lines, or `@` and a domain."""

    users: str
    policy: str
    grace_days: str
    required_from: str
    methods: tuple[str, ...]


async def show_policy(request: ConsoleRequest, counts: PolicyOutcomesObject | None = None) -> Response:
    """Show the form: the stored policy, or what was typed with its preview or its problems."""
    if isinstance(request.problem, errors.Outdated):
        await request.reload_environment()
    stored = document_of(request.environment)
    form = request.page_request.form() if request.page_request.http_request.method == "POST" else {}
    typed = bool(form)
    base = _typed(form, "") if typed else _fields("", stored.policy, stored.options)
    if typed:
        rules = [_typed(form, f"rule_{number}_") for number in range(1, MAX_RULES + 1)]
        rules = [rule for rule in rules if rule.users or rule.policy]
    else:
        rules = [_fields(_users(rule), rule.policy, rule) for rule in stored.options.rules]
    spare = [PolicyFields("", "", "", "", METHODS)] * min(SPARE_RULES, MAX_RULES - len(rules))
    return request.render(
        "mfa_policy.html",
        here="settings",
        base=base,
        rules=[*rules, *spare],
        policies=POLICY_LABELS,
        methods=METHOD_LABELS,
        outcomes=OUTCOME_LABELS,
        counts=counts,
        editable=all(_is_editable(rule) for rule in stored.options.rules),
        version=request.field("updated_at") if typed else request.environment.updated_at,
    )


async def save_policy(request: ConsoleRequest) -> Response:
    """Store the policy, or count what it would lead to. One that may ask for less needs a recent code."""
    form = request.page_request.form()
    # The form has no fields for trusted devices: those are among the settings, and stay as they are.
    kept = document_of(request.environment)
    body = msgspec.structs.replace(
        _read(form),
        trusted_devices=kept.trusted_devices,
        trusted_device_days=kept.trusted_device_days,
    )
    document = policy_documents.check(body)
    known = request.environment
    if "preview" in form:
        found = await request.af.mfa_policies.outcomes.count(request.af.store, known, document)
        return await show_policy(request, mfa_policies.preview(found).outcomes)
    # Compared here with what the form was rendered from, and in the unit with what is stored by then.
    unchanged = request.version() == known.updated_at
    unit = request.af.mfa_policies.set(
        known, body, if_updated_at=known.updated_at if unchanged else UNKNOWN_VERSION
    )
    weakens = unchanged and document.is_weaker(kept)
    await request.act("mfa_policy.update", unit, known.client_id, dangerous=weakens)
    return request.redirect(f"{request.home}/mfa-policy", "saved")


async def decide(request: ConsoleRequest) -> Response:
    """Exempt a user, require a factor, or give a new deadline."""
    user_id, decision, days = request.ids[0], request.field("decision"), request.field("days")
    roles.check_reason("user.set_mfa_policy", request.field("reason"))
    if decision not in DECISIONS:
        raise InvalidRequest(Item("decision", "decision_invalid", "Choose a decision."))
    if days and not (days.isascii() and days.isdigit() and len(days) <= len("365")):
        raise InvalidRequest(Item("days", "days_invalid", "Days: a whole number."))
    end = timestamps.format_ms(request.af.clock() + int(days) * DAY) if days else None
    if decision == "grace":
        unit = request.af.mfa_policies.grant_grace(
            request.environment, user_id, days=int(days or 0), reason=request.field("reason")
        )
    else:
        body: dict[str, Any] = {"policy": decision, "reason": request.field("reason") or None}
        until = None if decision == "default" else end
        unit = request.af.mfa_policies.set_for_user(
            request.environment, user_id, Decision(**body, until=until)
        )
    await request.act("user.set_mfa_policy", unit, user_id)
    return request.redirect(f"{request.home}/users/{user_id}", "saved")


def _read(form: dict[str, str]) -> SetMfaPolicy:
    """Return the body that the API would get. Raises `InvalidRequest`."""
    rules = []
    for number in range(1, MAX_RULES + 1):
        typed = _typed(form, f"rule_{number}_")
        if typed.users or typed.policy:
            members = _members(typed, f"Rule {number}: ")
            rules.append(SetPolicyRule(match=_match(typed.users, number), **members))
    return SetMfaPolicy(**_members(_typed(form, ""), ""), rules=rules)


def _typed(form: dict[str, str], prefix: str) -> PolicyFields:
    users, policy, days, start = (
        form.get(f"{prefix}{name}", "").strip() for name in ("users", "policy", "grace_days", "required_from")
    )
    methods = tuple(name for name in METHODS if f"{prefix}{name}" in form)
    return PolicyFields(users, policy, days, start, methods)


def _members(typed: PolicyFields, path: str) -> dict[str, Any]:
    if typed.policy not in POLICY_LABELS:
        raise InvalidRequest(Item("policy", "policy_invalid", f"{path}choose a policy."))
    days = typed.grace_days or "0"
    if not (days.isascii() and days.isdigit() and len(days) <= len("90")):
        raise InvalidRequest(Item("grace_days", "grace_days_invalid", f"{path}days of grace: 0 to 90."))
    methods = None if typed.methods == METHODS else list(typed.methods)
    return {
        "policy": typed.policy,
        "grace_days": int(days),
        "required_from": f"{typed.required_from}Z" if typed.required_from else None,
        "methods": methods,
    }


def _match(users: str, number: int) -> SetPolicyMatch:
    if users.startswith("@"):
        return SetPolicyMatch(email_domain=users[1:])
    pairs = [line.partition("=") for line in users.splitlines() if line.strip()]
    if not pairs or not all(name.strip() and value.strip() for name, _, value in pairs):
        text = f"Rule {number}: for its users, write lines like role = admin, or a domain like @example.org."
        raise InvalidRequest(Item("users", "users_invalid", text))
    return SetPolicyMatch(metadata={name.strip(): value.strip() for name, _, value in pairs})


def _fields(users: str, policy: MfaPolicy, terms: MfaTerms) -> PolicyFields:
    start = terms.required_from
    shown = "" if start is None else timestamps.format_ms(start).partition(".")[0]
    days = str(terms.grace_days) if terms.grace_days else ""
    return PolicyFields(users, policy, days, shown, METHODS if terms.methods is None else terms.methods)


def _users(rule: MfaRule) -> str:
    if rule.metadata is None:
        return f"@{rule.email_domain}"
    return "\n".join(f"{name} = {value}" for name, value in rule.metadata.items())


def _is_editable(rule: MfaRule) -> bool:
    """Return whether the form can write what the API has set."""
    try:
        read = _match(_users(rule), 0)
    except InvalidRequest:
        return False
    return (read.metadata, read.email_domain) == (rule.metadata, rule.email_domain)
