"""Operators, and the signed-in operator's own sessions."""

from typing import NamedTuple, cast

from authfactor import errors
from authfactor.http.pages.console.console_request import ConsoleRequest
from authfactor.http.response import Response
from authfactor.models import Operator, Role
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.console.roles import ROLES


class OperatorInvitation(NamedTuple):
    """An operator and their set-up link, which is shown only once."""

    operator: Operator
    link: str


async def show_operators(request: ConsoleRequest, invitation: OperatorInvitation | None = None) -> Response:
    """List the operators. `invitation` is a new one, whose link is shown only now."""
    operators = await request.af.read(lambda tx: tx.operators.all())
    passkeys = await request.af.read(lambda tx: tx.passkeys.count_by_user(CONSOLE.number))
    outdated = isinstance(request.problem, errors.Outdated)
    return request.render(
        "operators.html",
        here="operators",
        operators=operators,
        passkey_counts=passkeys,
        invitation=invitation,
        roles=ROLES,
        # Whose form is open again, with what was typed.
        typed_for=request.ids[0] if outdated else "",
    )


async def invite(request: ConsoleRequest) -> Response:
    """Add an operator and show their set-up link."""
    unit = request.af.operators.invite(request.field("email"), cast("Role", request.field("role")))
    invited = await request.act("operator.invite", unit, lambda result: result[0].id)
    return await show_operators(request, _invitation(request, *invited))


async def reset(request: ConsoleRequest) -> Response:
    """Delete an operator's password, factors, locks and sessions, and show a new set-up link."""
    invited = await request.act("operator.reset", request.af.operators.reset(request.ids[0]), request.ids[0])
    return await show_operators(request, _invitation(request, *invited))


async def change_role(request: ConsoleRequest) -> Response:
    """Give an operator another role."""
    unit = request.af.operators.change_role(
        request.ids[0], cast("Role", request.field("role")), if_updated_at=request.version()
    )
    await request.act("operator.change_role", unit, request.ids[0])
    return request.redirect("/console/operators", "role")


async def disable(request: ConsoleRequest) -> Response:
    """Disable an operator."""
    await request.act("operator.disable", request.af.operators.disable(request.ids[0]), request.ids[0])
    return request.redirect("/console/operators", "disabled")


async def end_session(request: ConsoleRequest) -> Response:
    """End one of the operator's own sessions."""
    await request.af.run(request.af.operator_sign_in.revoke(request.context.operator, request.ids[0]))
    return request.redirect("/console/account", "ended")


def _invitation(request: ConsoleRequest, operator: Operator, token: str) -> OperatorInvitation:
    return OperatorInvitation(operator, f"{request.page_request.base_url}/console/set-up/{token}")
