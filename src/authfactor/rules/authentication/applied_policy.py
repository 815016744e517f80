"""Which policy applies to a user: the first rule that matches, or the environment's (decision 0045).

And which ways of signing in and up an environment allows (decision 0053).

Decided without a statement: a sign-in has loaded the environment and the user.
"""

import functools
from typing import Final, NamedTuple, Protocol

import msgspec

from authfactor import errors
from authfactor.email_errors import SignInMethodOff
from authfactor.email_identity import email_key
from authfactor.models import (
    AppliedPolicy,
    Environment,
    EnvironmentOptions,
    MfaOptions,
    MfaPolicy,
    MfaRule,
    MfaTerms,
    SignInMethod,
    SignInOptions,
)

# From the weakest to the strictest.
POLICIES: Final[tuple[MfaPolicy, ...]] = ("off", "if_enrolled", "required")
# Kinds of proof that a policy can name. The kinds of factors come first: one of them must be allowed.
FACTOR_KINDS: Final[tuple[str, ...]] = ("totp", "webauthn")
METHODS: Final[tuple[str, ...]] = (*FACTOR_KINDS, "recovery_code")
METHOD_OFF: Final = "authentication_method_not_allowed"
PASSWORD_OFF: Final = "email_password_auth_disabled"  # noqa: S105 - an error's code


class PolicyUser(Protocol):
    """What rules look at."""

    @property
    def email(self) -> str:
        """The email address."""

    @property
    def email_verified(self) -> bool:
        """Whether the application has verified it."""

    @property
    def metadata(self) -> str:
        """A JSON object."""


def is_weaker(policy: MfaPolicy, than: MfaPolicy) -> bool:
    """Return whether a policy asks fewer users for a code than another one."""
    return POLICIES.index(policy) < POLICIES.index(than)


def policy_for(environment: Environment, user: PolicyUser, now: int) -> AppliedPolicy:
    """Return the policy of an environment for a user, without what operators have decided for the user."""
    return policy_in(environment.mfa_policy, options_of(environment.options).mfa, user, now)


def policy_in(base: MfaPolicy, options: MfaOptions, user: PolicyUser, now: int) -> AppliedPolicy:
    """Return the policy of a document for a user; `base` is its policy without the rules."""
    found = Matched(base, options, None)
    if options.rules:
        domain = domain_of(user.email)
        found = _first_match(found, options.rules, 0, user, msgspec.json.decode(user.metadata), domain)
    terms, mode = found.terms, found.policy
    if mode == "required" and terms.required_from is not None and now < terms.required_from:
        mode = "if_enrolled"
    return AppliedPolicy(
        mode, terms.grace_days, terms.methods, found.rule, terms.required_from, options.users_differ
    )


def domain_of(email: str) -> str:
    """Return the domain of an email address in the form in which domains are compared."""
    return email_key(email).rpartition("@")[2]


class Matched(NamedTuple):
    """A policy with its terms, and the index of its rule."""

    policy: MfaPolicy
    terms: MfaTerms
    rule: int | None

    def is_weaker(self, than: "Matched") -> bool:
        """Whether this asks less of some user, or later, or accepts more."""
        if is_weaker(self.policy, than.policy):
            return True
        mine, theirs = self.terms, than.terms
        later = self.policy == than.policy == "required" and (
            mine.grace_days > theirs.grace_days or (mine.required_from or 0) > (theirs.required_from or 0)
        )
        mine_only = set(METHODS if mine.methods is None else mine.methods)
        return later or (theirs.methods is not None and not mine_only.issubset(theirs.methods))

    def with_methods_of(self, other: "Matched") -> "Matched":
        """Return this policy with no method that another one does not name, if that one names any.

        Where no kind of factor is in both, the other one's methods: without a kind of factor, no user could
        sign in.
        """
        named = other.terms.methods
        if named is None:
            return self
        both = tuple(name for name in named if self.terms.methods is None or name in self.terms.methods)
        methods = both if set(both) & set(FACTOR_KINDS) else named
        return self._replace(terms=msgspec.structs.replace(self.terms, methods=methods))


def _first_match(
    base: Matched,
    rules: tuple[MfaRule, ...],
    start: int,
    user: PolicyUser,
    metadata: dict[str, str],
    domain: str,
) -> Matched:
    """Return the first rule from `start` on that matches, or `base`."""
    for index, rule in enumerate(rules[start:], start):
        if rule.metadata is not None:
            if all(metadata.get(key) == value for key, value in rule.metadata.items()):
                return Matched(rule.policy, rule, index)
        elif rule.email_domain == domain:
            found = Matched(rule.policy, rule, index)
            if user.email_verified:
                return found
            # A user who types an email must not choose a weaker policy with it.
            others = _first_match(base, rules, index + 1, user, metadata, domain)
            if is_weaker(others.policy, than=found.policy):
                return found.with_methods_of(others)
            return others if found.is_weaker(others) else found
    return base


@functools.lru_cache(maxsize=256)
def options_of(text: str) -> EnvironmentOptions:
    """Decode an environment's options; the last ones are kept, because each sign-in needs them."""
    return msgspec.json.decode(text, type=EnvironmentOptions)


def names_methods(environment: Environment) -> bool:
    """Return whether a policy of the environment leaves out a method for some users."""
    options = options_of(environment.options).mfa
    return any(terms.methods is not None for terms in (options, *options.rules))


def may_have_grace(environment: Environment) -> bool:
    """Return whether users of the environment may have a deadline."""
    options = options_of(environment.options).mfa
    return options.grace_given or any(terms.grace_days for terms in (options, *options.rules))


def sign_in_options(environment: Environment) -> SignInOptions:
    """Return how users of an environment sign in and up."""
    return options_of(environment.options).sign_in


def allows(environment: Environment, method: SignInMethod) -> bool:
    """Return whether an environment allows a way of signing in."""
    return method in sign_in_options(environment).methods


def require_method(environment: Environment, method: SignInMethod) -> None:
    """Raise `SignInMethodOff` unless the environment allows this way of signing in."""
    if not allows(environment, method):
        code = PASSWORD_OFF if method == "password" else METHOD_OFF
        raise SignInMethodOff(code, f"This environment does not allow sign-in by {method}.")


def verifies_emails(environment: Environment) -> bool:
    """Return whether a password signs in only users with a verified email."""
    options = options_of(environment.options)
    policy = options.sign_in.verify_email
    return policy == "required" or (policy == "with_mail" and options.mail is not None)


def require_sign_up(environment: Environment) -> None:
    """Raise `OAuthRefused` unless anyone may sign up."""
    if sign_in_options(environment).sign_up != "open":
        raise errors.OAuthRefused("sign_up_not_allowed", "This environment does not allow sign-up.")


def signs_up(environment: Environment) -> bool:
    """Return whether anyone may sign up."""
    return sign_in_options(environment).sign_up == "open"


def takes_passwords(environment: Environment) -> bool:
    """Return whether new users may choose a password before their email is verified."""
    return allows(environment, "password") and not verifies_emails(environment)
