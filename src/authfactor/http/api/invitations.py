"""The endpoints of invitations."""

from authfactor.http.api.parameters import PAGE, list_query
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import invitations, requests
from authfactor.wire.invitations import InvitationObject
from authfactor.wire.responses import ListOf

TAG = "invitations"


async def list_invitations(request: Request) -> Response:
    """List invitations."""
    query = list_query(request, "email")
    rules = request.af.email_flows.invitations
    unit = rules.page(request.environment, request.page_query(query), query.get("email"))
    return await request.read(unit, invitations.invitations)


async def create_invitation(request: Request) -> Response:
    """Create an invitation."""
    body = request.read_body(invitations.CreateInvitation)
    requests.refuse_not_served(body)
    unit = request.af.email_flows.invitations.create(request.environment, body)
    return await request.administer(
        unit, invitations.invitation, "invitation.create", lambda made: made.record.id
    )


async def get_invitation(request: Request) -> Response:
    """Get an invitation."""
    unit = request.af.email_flows.invitations.get(request.environment, request.ids[0])
    return await request.read(unit, invitations.invitation)


async def get_invitation_by_token(request: Request) -> Response:
    """Get the invitation with a token."""
    unit = request.af.email_flows.invitations.by_token(request.environment, request.ids[0])
    return await request.read(unit, invitations.invitation)


async def accept_invitation(request: Request) -> Response:
    """Accept an invitation for the user who has its email."""
    unit = request.af.email_flows.invitations.accept(request.environment, request.ids[0])
    return await request.administer(unit, invitations.invitation, "invitation.accept", request.ids[0])


async def revoke_invitation(request: Request) -> Response:
    """Revoke an invitation."""
    unit = request.af.email_flows.invitations.revoke(request.environment, request.ids[0])
    return await request.administer(unit, invitations.invitation, "invitation.revoke", request.ids[0])


async def resend_invitation(request: Request) -> Response:
    """Mail an invitation again."""
    locale = request.read_body(invitations.ResendInvitation).locale
    unit = request.af.email_flows.invitations.resend(request.environment, request.ids[0], locale or None)
    return await request.administer(unit, invitations.invitation, "invitation.resend", request.ids[0])


_ONE = "/user_management/invitations/{invitation_id}"
ROUTES = [
    Route(
        "GET",
        "/user_management/invitations",
        list_invitations,
        200,
        "List invitations",
        gives=ListOf[InvitationObject],
        query=(*PAGE, "email"),
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/user_management/invitations",
        create_invitation,
        201,
        "Create an invitation",
        takes=invitations.CreateInvitation,
        requires=("email",),
        gives=InvitationObject,
        refusals=(400, 404, 422, 429),
        tag=TAG,
    ),
    Route(
        "GET",
        _ONE,
        get_invitation,
        200,
        "Get an invitation",
        gives=InvitationObject,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "GET",
        "/user_management/invitations/by_token/{token}",
        get_invitation_by_token,
        200,
        "Get an invitation by token",
        gives=InvitationObject,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        f"{_ONE}/accept",
        accept_invitation,
        200,
        "Accept an invitation",
        gives=InvitationObject,
        refusals=(400, 404, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        f"{_ONE}/revoke",
        revoke_invitation,
        200,
        "Revoke an invitation",
        gives=InvitationObject,
        refusals=(400, 404, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        f"{_ONE}/resend",
        resend_invitation,
        200,
        "Resend an invitation",
        takes=invitations.ResendInvitation,
        gives=InvitationObject,
        refusals=(400, 404, 422, 429),
        tag=TAG,
    ),
]
