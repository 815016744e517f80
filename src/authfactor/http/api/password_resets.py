"""The endpoints of password resets."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.api.parameters import USERS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.rules.email_flows.password_resets import IssuedReset
from authfactor.rules.tenants.environments import options_of
from authfactor.wire import mailed


async def create_password_reset(request: Request) -> Response:
    """Create a password reset."""
    body = request.read_body(mailed.CreatePasswordReset)
    rules = request.af.email_flows.password_resets
    unit = rules.create(request.environment, body.email, locale=body.locale)
    return await request.write(unit, _reset)


async def send_password_reset(request: Request) -> Response:
    """Create a password reset through the legacy route, for a page of the application."""
    body = request.read_body(mailed.SendPasswordReset)
    page = body.password_reset_url or None
    if page is not None and page not in options_of(request.environment).page_redirects:
        text = "password_reset_url: not one of the environment's page redirects."
        raise InvalidRequest(Item("password_reset_url", "password_reset_url_not_allowed", text))
    unit = request.af.email_flows.password_resets.create(request.environment, body.email, page)
    return await request.write(unit, None)


async def get_password_reset(request: Request) -> Response:
    """Get a password reset."""
    unit = request.af.email_flows.password_resets.get(request.environment, request.ids[0])
    return await request.read(unit, _reset)


async def confirm_password_reset(request: Request) -> Response:
    """Set a new password with the token of a reset."""
    body = request.read_body(mailed.ConfirmPasswordReset)
    resets = request.af.email_flows.password_resets
    unit = await resets.prepare_confirm(request.af.store, request.environment, body.token, body.new_password)
    return await request.administer(unit, mailed.user_answer, "user.reset_password", lambda user: user.id)


def _reset(issued: IssuedReset) -> mailed.PasswordResetObject:
    return mailed.password_reset(*issued)


ROUTES = [
    Route(
        "POST",
        "/user_management/password_reset",
        create_password_reset,
        201,
        "Create a password reset",
        takes=mailed.CreatePasswordReset,
        requires=("email",),
        gives=mailed.PasswordResetObject,
        refusals=(403, 404, 422, 429),
        tag=USERS,
    ),
    Route(
        "POST",
        "/user_management/password_reset/send",
        send_password_reset,
        200,
        "Create a password reset, without its content",
        takes=mailed.SendPasswordReset,
        requires=("email",),
        refusals=(403, 404, 422, 429),
        tag=USERS,
    ),
    Route(
        "POST",
        "/user_management/password_reset/confirm",
        confirm_password_reset,
        200,
        "Confirm a password reset",
        takes=mailed.ConfirmPasswordReset,
        requires=("token", "new_password"),
        gives=mailed.UserAnswer,
        refusals=(400, 403, 404, 422),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/password_reset/{password_reset_id}",
        get_password_reset,
        200,
        "Get a password reset",
        gives=mailed.PasswordResetObject,
        refusals=(404,),
        tag=USERS,
    ),
]
