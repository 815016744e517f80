"""The endpoints that ask again within a session: check, challenge, reauthenticate."""

from authfactor.http import refusal_timing
from authfactor.http.api.parameters import required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.rules.authentication.sign_in import PasswordHashChanged
from authfactor.wire import responses, session_checks

TAG = "step-up"


async def check_session(request: Request) -> Response:
    """Check how a session was authenticated."""
    body = request.read_body(session_checks.CheckSession)
    unit = request.af.session_checks.check(request.environment, request.ids[0], body)
    return await request.read(unit, session_checks.checked)


async def challenge_session(request: Request) -> Response:
    """Create a challenge that raises a session."""
    body = request.read_body(session_checks.ChallengeSession)
    unit = request.af.session_checks.challenge(request.environment, request.ids[0], body)
    return await request.write(unit, responses.challenge)


async def reauthenticate_session(request: Request) -> Response:
    """Check the password of a session's user again."""
    body = request.read_body(session_checks.ReauthenticateSession)
    required(body.password, "password")
    client = (request.environment.number, body.ip_address)
    return await refusal_timing.hold_refusals(request.af.settings, client, _retry_changed_hash(request, body))


async def _retry_changed_hash(request: Request, body: session_checks.ReauthenticateSession) -> Response:
    try:
        return await _reauthenticate(request, body)
    except PasswordHashChanged:
        # A concurrent sign-in has probably upgraded an imported hash; retry once with the new one.
        return await _reauthenticate(request, body)


async def _reauthenticate(request: Request, body: session_checks.ReauthenticateSession) -> Response:
    unit = await request.af.session_checks.prepare_reauthenticate(
        request.af.store, request.environment, request.ids[0], body
    )
    return await request.write(unit, session_checks.checked)


ROUTES = [
    Route(
        "POST",
        "/authfactor/sessions/{session_id}/check",
        check_session,
        200,
        "Check a session",
        takes=session_checks.CheckSession,
        gives=session_checks.SessionCheckObject,
        refusals=(404, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/sessions/{session_id}/challenges",
        challenge_session,
        201,
        "Challenge a session",
        takes=session_checks.ChallengeSession,
        gives=responses.AuthenticationChallengeObject,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/sessions/{session_id}/reauthenticate",
        reauthenticate_session,
        200,
        "Reauthenticate a session",
        takes=session_checks.ReauthenticateSession,
        requires=("password",),
        gives=session_checks.SessionCheckObject,
        refusals=(400, 404, 409, 422),
        tag=TAG,
    ),
]
