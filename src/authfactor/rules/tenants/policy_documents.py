"""Checking the policy of an environment before it is stored (decision 0045)."""

from typing import Final, NamedTuple

import msgspec

from authfactor.errors import InvalidRequest, Item
from authfactor.models import (
    EnvironmentOptions,
    MfaOptions,
    MfaPolicy,
    MfaRule,
    MfaTerms,
    TrustedDevicePolicy,
)
from authfactor.rules.authentication.applied_policy import FACTOR_KINDS, METHODS, Matched, domain_of
from authfactor.rules.tenants.environments import MAX_DEVICE_DAYS, trusts_more
from authfactor.wire import timestamps
from authfactor.wire.mfa_policies import SetMfaPolicy, SetPolicyMatch, SetPolicyRule

MAX_RULES: Final = 20
MAX_GRACE_DAYS: Final = 90
MAX_MATCHED_KEYS: Final = 10
MAX_MATCHED_VALUE: Final = 600
MAX_DOMAIN: Final = 253
# 9999-12-31, the last day that a time in JSON can have.
_LAST_TIME: Final = 253_402_300_799_999
_DEFAULTS: Final = EnvironmentOptions()


class PolicyDocument(NamedTuple):
    """A policy that has been checked."""

    policy: MfaPolicy
    options: MfaOptions
    trusted_devices: TrustedDevicePolicy
    trusted_device_days: int

    def is_weaker(self, than: "PolicyDocument") -> bool:
        """Whether this may ask less of some user, or trusts devices more or for longer.

        With other rules, users may come from any policy of one document to any of the other.
        """
        if trusts_more(self, than):
            return True
        mine, theirs = self.policies(), than.policies()
        if self.options.rules == than.options.rules:
            return mine[0].is_weaker(theirs[0])
        return any(one.is_weaker(other) for one in mine for other in theirs)

    def policies(self) -> list[Matched]:
        """Return the policy for users that no rule matches, then those of the rules."""
        rules = [Matched(rule.policy, rule, index) for index, rule in enumerate(self.options.rules)]
        return [Matched(self.policy, self.options, None), *rules]


def check(request: SetMfaPolicy) -> PolicyDocument:
    """Return the document. Raises `InvalidRequest` with an item for each member that is wrong."""
    items: list[Item] = []
    if request.policy is None:
        items.append(_item("policy", "required: off, if_enrolled or required"))
    rules = request.rules or []
    if len(rules) > MAX_RULES:
        items.append(_item("rules", f"at most {MAX_RULES}"))
    terms = _terms(request, "", items)
    days = request.trusted_device_days
    days = _DEFAULTS.trusted_device_days if days is None else days
    if not 1 <= days <= MAX_DEVICE_DAYS:
        items.append(_item("trusted_device_days", f"1 to {MAX_DEVICE_DAYS}"))
    checked = tuple(_rule(rule, f"rules[{at}].", items) for at, rule in enumerate(rules[:MAX_RULES]))
    if items:
        raise InvalidRequest(*items)
    return PolicyDocument(
        request.policy or "if_enrolled",
        MfaOptions(terms.required_from, terms.grace_days, terms.methods, checked),
        request.trusted_devices or _DEFAULTS.trusted_devices,
        days,
    )


def read_time(text: str | None, member: str, items: list[Item]) -> int | None:
    """Return a time in milliseconds; add an item for a text that is none."""
    if text is None:
        return None
    try:
        time = timestamps.parse(text)
    except (ValueError, OverflowError):
        time = -1
    if not 0 <= time <= _LAST_TIME:
        items.append(_item(member, "an ISO 8601 time, such as 2027-01-31T00:00:00Z"))
        return None
    return time


def _rule(rule: SetPolicyRule, path: str, items: list[Item]) -> MfaRule:
    terms = _terms(rule, path, items)
    metadata, domain = _match(rule.match, f"{path}match", items)
    return MfaRule(
        **msgspec.structs.asdict(terms), policy=rule.policy, metadata=metadata, email_domain=domain
    )


def _terms(given: SetMfaPolicy | SetPolicyRule, path: str, items: list[Item]) -> MfaTerms:
    required_from = read_time(given.required_from, f"{path}required_from", items)
    days = given.grace_days or 0
    if not 0 <= days <= MAX_GRACE_DAYS:
        items.append(_item(f"{path}grace_days", f"0 to {MAX_GRACE_DAYS}"))
    if given.policy != "required" and (days or required_from is not None):
        items.append(_item(f"{path}policy", "grace_days and required_from go with required only"))
    return MfaTerms(required_from, days, _methods(given.methods, f"{path}methods", items))


def _methods(given: list[str] | None, member: str, items: list[Item]) -> tuple[str, ...] | None:
    if given is None:
        return None
    unknown = [name for name in given if name not in METHODS]
    if unknown:
        items.append(_item(member, f"only {', '.join(METHODS)}"))
    elif not any(name in FACTOR_KINDS for name in given):
        # A recovery code replaces a factor, so that no user could sign in.
        items.append(_item(member, f"at least one of {', '.join(FACTOR_KINDS)}"))
    return tuple(name for name in METHODS if name in given)


def _match(match: SetPolicyMatch, member: str, items: list[Item]) -> tuple[dict[str, str] | None, str | None]:
    if (match.metadata is None) == (match.email_domain is None):
        items.append(_item(member, "either metadata or email_domain"))
        return None, None
    if match.metadata is not None:
        short = all(0 < len(value) <= MAX_MATCHED_VALUE for pair in match.metadata.items() for value in pair)
        if not (0 < len(match.metadata) <= MAX_MATCHED_KEYS and short):
            text = f"1 to {MAX_MATCHED_KEYS} names with the values that a user must have"
            items.append(_item(f"{member}.metadata", text))
        return match.metadata, None
    text = (match.email_domain or "").strip()
    domain = domain_of(f"user@{text}")
    # Also lists, URLs and `.example.org` for subdomains: a rule that matches no user requires nothing.
    wrong = any(char.isspace() or char in "@*,;:/" or not char.isprintable() for char in text)
    if wrong or "." not in domain or not all(domain.split(".")) or len(text) > MAX_DOMAIN:
        items.append(_item(f"{member}.email_domain", "a domain such as example.org, without subdomains"))
    return None, domain


def _item(member: str, text: str) -> Item:
    return Item(member, "mfa_policy_invalid", f"{member}: {text}.")
