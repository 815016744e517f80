"""What each role may do in the console, and which actions require a reason or a code (decisions 0022, 0035).

All roles may read. Support may help users who are locked out; owners may do everything.
"""

from typing import Final, Literal, get_args

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Operator, Role

Action = Literal[
    "environment.create",
    "environment.update",
    "mfa_policy.update",
    "api_key.create",
    "api_key.revoke",
    "user.set_mfa_policy",
    "user.unlock",
    "user.delete",
    "session.revoke",
    "trusted_device.revoke",
    "factor.enroll",
    "link.create",
    "factor.reset",
    "factor.delete",
    "factor.rename",
    "redirect_uri.create",
    "redirect_uri.update",
    "redirect_uri.delete",
    "webhook_endpoint.create",
    "webhook_endpoint.update",
    "webhook_endpoint.delete",
    "webhook_endpoint.ping",
    "delivery.resend",
    "sender.set",
    "sender.test",
    "sender.delete",
    "operator.invite",
    "operator.reset",
    "operator.change_role",
    "operator.disable",
    "operator_passkey.create",
    "operator_passkey.rename",
    "operator_passkey.delete",
]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
ROLES: Final[tuple[Role, ...]] = get_args(Role)
# What every operator does with their own account.
OWN_ACCOUNT: Final[frozenset[Action]] = frozenset(
    {"operator_passkey.create", "operator_passkey.rename", "operator_passkey.delete"}
)
ALLOWED: Final[dict[Role, frozenset[Action]]] = {
    "owner": frozenset(ACTIONS),
    "support": frozenset({*OWN_ACCOUNT, "user.unlock", "factor.reset"}),
    "viewer": OWN_ACCOUNT,
}
# Actions that take something away from a person or let one in; an audit will ask why.
NEED_REASON: Final[frozenset[Action]] = frozenset(
    {
        "api_key.revoke",
        "user.set_mfa_policy",
        "user.unlock",
        "user.delete",
        "session.revoke",
        "trusted_device.revoke",
        "factor.reset",
        "factor.delete",
        "redirect_uri.delete",
        "webhook_endpoint.delete",
        "sender.delete",
        "operator.reset",
        "operator.change_role",
        "operator.disable",
    }
)
# Actions that change who can sign in, to the console or as a user, or how: they need a recent second factor.
# `environment.update` and `mfa_policy.update` do too when they weaken the policy.
NEED_RECENT_AUTHENTICATION: Final[frozenset[Action]] = frozenset(
    {
        "api_key.create",
        "redirect_uri.create",
        "user.set_mfa_policy",
        "factor.enroll",
        "link.create",
        "factor.reset",
        "factor.delete",
        "sender.set",
        "operator.invite",
        "operator.reset",
        "operator.change_role",
        "operator.disable",
        "operator_passkey.create",
        "operator_passkey.delete",
    }
)
MAX_REASON: Final = 300


class NotAllowed(errors.Forbidden):
    """The operator's role does not allow this."""

    code = "operator_not_allowed"

    def __init__(self, role: Role, action: Action) -> None:
        """Name the role and the roles that are allowed."""
        allowed = " or ".join(name for name in ROLES if action in ALLOWED[name])
        super().__init__(f"Your role ({role}) does not allow this. It requires the role {allowed}.")
        self.role = role
        self.action = action


def may(operator: Operator, action: Action) -> bool:
    """Return whether an operator may do this; an inactive operator may do nothing."""
    return operator.state == "active" and action in ALLOWED[operator.role]


def permit(operator: Operator, action: Action) -> None:
    """Raise `NotAllowed` unless the operator may do this."""
    if not may(operator, action):
        raise NotAllowed(operator.role, action)


def check_reason(action: Action, reason: str) -> str | None:
    """Return the reason as it is stored. Raises `InvalidRequest` if a required one is missing or too long."""
    text = " ".join(reason.replace("\0", " ").split())
    if not text and action in NEED_REASON:
        raise InvalidRequest(
            Item("reason", "reason_required", "A reason is required; it is stored in the audit log.")
        )
    if len(text) > MAX_REASON:
        raise InvalidRequest(
            Item("reason", "reason_too_long", f"The reason may have at most {MAX_REASON} characters.")
        )
    return text or None
