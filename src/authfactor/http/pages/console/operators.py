"""Operators, and one's own sessions."""

from typing import NamedTuple, cast

from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page
from authfactor.http.response import Response
from authfactor.models import Operator, Role
from authfactor.rules.console.roles import ROLES


class OperatorInvitation(NamedTuple):
    """A link to hand over, shown this once."""

    operator: Operator
    link: str


async def show_operators(request: ConsoleRequest, made: OperatorInvitation | None = None) -> Response:
    """List the operators; after an invitation with its link, this once."""
    operators = await request.af.read(lambda tx: tx.operators.all())
    return request.render("operators.html", here="operators", operators=operators, made=made, roles=ROLES)


async def invite(request: ConsoleRequest) -> Response:
    """Add an operator and show the link that sets them up."""
    unit = request.af.operators.invite(request.field("email"), cast("Role", request.field("role")))
    made = await request.act("operator.invite", unit, lambda result: result[0].id)
    return await show_operators(request, _invitation(request, *made))


async def reset(request: ConsoleRequest) -> Response:
    """Take password, factor, locks and sessions from an operator; show a new link."""
    made = await request.act("operator.reset", request.af.operators.reset(request.ids[0]), request.ids[0])
    return await show_operators(request, _invitation(request, *made))


async def change_role(request: ConsoleRequest) -> Response:
    """Give an operator another role."""
    unit = request.af.operators.change_role(request.ids[0], cast("Role", request.field("role")))
    await request.act("operator.change_role", unit, request.ids[0])
    return request.redirect("/console/operators", "role")


async def disable(request: ConsoleRequest) -> Response:
    """Send an operator away."""
    await request.act("operator.disable", request.af.operators.disable(request.ids[0]), request.ids[0])
    return request.redirect("/console/operators", "disabled")


async def show_account(request: ConsoleRequest) -> Response:
    """Show one's own sessions."""
    sessions = await request.af.read(request.af.operator_sign_in.live(request.seat.operator))
    return request.render("account.html", here="account", sessions=sessions, this=request.seat.session.id)


async def end_session(request: ConsoleRequest) -> Response:
    """End one of one's own sessions."""
    await request.af.run(request.af.operator_sign_in.revoke(request.seat.operator, request.ids[0]))
    return request.redirect("/console/account", "ended")


def _invitation(request: ConsoleRequest, operator: Operator, token: str) -> OperatorInvitation:
    return OperatorInvitation(operator, f"{request.visit.base_url}/console/set-up/{token}")


ROUTES = [
    operator_page("GET", "/console/operators", show_operators, "Operators"),
    operator_page("POST", "/console/operators", invite, "Invite an operator", on_error=show_operators),
    operator_page(
        "POST", "/console/operators/{operator}/reset", reset, "Reset an operator", on_error=show_operators
    ),
    operator_page(
        "POST",
        "/console/operators/{operator}/role",
        change_role,
        "Change an operator's role",
        on_error=show_operators,
    ),
    operator_page(
        "POST",
        "/console/operators/{operator}/disable",
        disable,
        "Disable an operator",
        on_error=show_operators,
    ),
    operator_page("GET", "/console/account", show_account, "Your sessions"),
    operator_page("POST", "/console/account/sessions/{session}/end", end_session, "End a session"),
]
