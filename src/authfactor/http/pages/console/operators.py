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


async def show_operators(room: ConsoleRequest, made: OperatorInvitation | None = None) -> Response:
    """List the operators; after an invitation with its link, this once."""
    operators = await room.af.read(lambda tx: tx.operators.all())
    return room.render("operators.html", here="operators", operators=operators, made=made, roles=ROLES)


async def invite(room: ConsoleRequest) -> Response:
    """Add an operator and show the link that sets them up."""
    unit = room.af.operators.invite(room.field("email"), cast("Role", room.field("role")))
    made = await room.act("operator.invite", unit, lambda result: result[0].id)
    return await show_operators(room, _invitation(room, *made))


async def reset(room: ConsoleRequest) -> Response:
    """Take password, factor, locks and sessions from an operator; show a new link."""
    made = await room.act("operator.reset", room.af.operators.reset(room.ids[0]), room.ids[0])
    return await show_operators(room, _invitation(room, *made))


async def change_role(room: ConsoleRequest) -> Response:
    """Give an operator another role."""
    unit = room.af.operators.change_role(room.ids[0], cast("Role", room.field("role")))
    await room.act("operator.change_role", unit, room.ids[0])
    return room.redirect("/console/operators", "role")


async def disable(room: ConsoleRequest) -> Response:
    """Send an operator away."""
    await room.act("operator.disable", room.af.operators.disable(room.ids[0]), room.ids[0])
    return room.redirect("/console/operators", "disabled")


async def show_account(room: ConsoleRequest) -> Response:
    """Show one's own sessions."""
    sessions = await room.af.read(room.af.operator_sign_in.live(room.seat.operator))
    return room.render("account.html", here="account", sessions=sessions, this=room.seat.session.id)


async def end_session(room: ConsoleRequest) -> Response:
    """End one of one's own sessions."""
    await room.af.run(room.af.operator_sign_in.revoke(room.seat.operator, room.ids[0]))
    return room.redirect("/console/account", "ended")


def _invitation(room: ConsoleRequest, operator: Operator, token: str) -> OperatorInvitation:
    return OperatorInvitation(operator, f"{room.visit.base_url}/console/set-up/{token}")


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
