"""The endpoints of email verification, magic codes and email changes."""

from authfactor.http.api.parameters import USERS, required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.rules.email_flows.email_changes import PendingEmailChange
from authfactor.rules.email_flows.mailed_codes import IssuedCode
from authfactor.wire import mailed, requests

SIGN_IN = "sign-in"


async def send_email_verification(request: Request) -> Response:
    """Send a verification email."""
    locale = request.read_body(mailed.SendEmailVerification).locale
    unit = request.af.email_flows.email_verifications.send(request.environment, request.ids[0], locale)
    return await request.write(unit, mailed.user_answer)


async def confirm_email_verification(request: Request) -> Response:
    """Verify an email."""
    code = required(request.read_body(mailed.ConfirmMailedCode).code, "code")
    unit = request.af.email_flows.email_verifications.confirm(request.environment, request.ids[0], code)
    return await request.write(unit, mailed.user_answer)


async def get_email_verification(request: Request) -> Response:
    """Get an email verification."""
    unit = request.af.email_flows.email_verifications.get(request.environment, request.ids[0])
    return await request.read(unit, _email_verification)


async def create_magic_auth(request: Request) -> Response:
    """Create a magic code."""
    body = request.read_body(mailed.CreateMagicAuth)
    requests.refuse_not_served(body)
    rules = request.af.email_flows.magic_auth
    unit = rules.create(request.environment, body.email, body.invitation_token, body.locale)
    return await request.write(unit, _magic_auth)


async def send_magic_auth(request: Request) -> Response:
    """Create a magic code through the legacy route."""
    body = request.read_body(mailed.SendMagicAuth)
    return await request.write(
        request.af.email_flows.magic_auth.create(request.environment, body.email), None
    )


async def get_magic_auth(request: Request) -> Response:
    """Get a magic code."""
    unit = request.af.email_flows.magic_auth.get(request.environment, request.ids[0])
    return await request.read(unit, _magic_auth)


async def send_email_change(request: Request) -> Response:
    """Send an email change."""
    body = request.read_body(mailed.SendEmailChange)
    rules = request.af.email_flows.email_changes
    unit = rules.send(request.environment, request.ids[0], body.new_email, body.locale)
    return await request.write(unit, _email_change)


async def confirm_email_change(request: Request) -> Response:
    """Confirm an email change."""
    user_id = request.ids[0]
    code = required(request.read_body(mailed.ConfirmMailedCode).code, "code")
    unit = request.af.email_flows.email_changes.confirm(request.environment, user_id, code)
    return await request.administer(unit, mailed.email_change_confirmation, "user.change_email", user_id)


def _email_verification(issued: IssuedCode) -> mailed.EmailVerificationObject:
    return mailed.email_verification(*issued)


def _magic_auth(issued: IssuedCode) -> mailed.MagicAuthObject:
    return mailed.magic_auth(*issued)


def _email_change(pending: PendingEmailChange) -> mailed.EmailChangeObject:
    return mailed.email_change(*pending)


ROUTES = [
    Route(
        "POST",
        "/user_management/users/{user_id}/email_verification/send",
        send_email_verification,
        200,
        "Send a verification email",
        takes=mailed.SendEmailVerification,
        gives=mailed.UserAnswer,
        refusals=(400, 404, 422, 429),
        tag=USERS,
    ),
    Route(
        "POST",
        "/user_management/users/{user_id}/email_verification/confirm",
        confirm_email_verification,
        200,
        "Verify an email",
        takes=mailed.ConfirmMailedCode,
        requires=("code",),
        gives=mailed.UserAnswer,
        refusals=(400, 404, 422),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/email_verification/{email_verification_id}",
        get_email_verification,
        200,
        "Get an email verification",
        gives=mailed.EmailVerificationObject,
        refusals=(404,),
        tag=USERS,
    ),
    Route(
        "POST",
        "/user_management/magic_auth",
        create_magic_auth,
        201,
        "Create a magic code",
        takes=mailed.CreateMagicAuth,
        requires=("email",),
        gives=mailed.MagicAuthObject,
        refusals=(400, 422, 429),
        tag=SIGN_IN,
    ),
    Route(
        "POST",
        "/user_management/magic_auth/send",
        send_magic_auth,
        200,
        "Create a magic code, without its content",
        takes=mailed.SendMagicAuth,
        requires=("email",),
        refusals=(400, 422, 429),
        tag=SIGN_IN,
    ),
    Route(
        "GET",
        "/user_management/magic_auth/{magic_auth_id}",
        get_magic_auth,
        200,
        "Get a magic code",
        gives=mailed.MagicAuthObject,
        refusals=(404,),
        tag=SIGN_IN,
    ),
    Route(
        "POST",
        "/user_management/users/{user_id}/email_change/send",
        send_email_change,
        200,
        "Send an email change",
        takes=mailed.SendEmailChange,
        requires=("new_email",),
        gives=mailed.EmailChangeObject,
        refusals=(404, 409, 422, 429),
        tag=USERS,
    ),
    Route(
        "POST",
        "/user_management/users/{user_id}/email_change/confirm",
        confirm_email_change,
        200,
        "Confirm an email change",
        takes=mailed.ConfirmMailedCode,
        requires=("code",),
        gives=mailed.EmailChangeConfirmationObject,
        refusals=(400, 404, 409, 422, 429),
        tag=USERS,
    ),
]
