"""The endpoints of passkeys: registrations, sign-ins without a password, and the options of a challenge."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.api.parameters import FACTORS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.rules.factors.passkey_signals import SignalFacts
from authfactor.rules.factors.passkeys import PasskeyRegistration, RegisteredPasskey
from authfactor.webauthn.assertion_text import import_parsers
from authfactor.wire import passkeys, responses, timestamps, user_factors
from authfactor.wire.requests import without_nul

PASSKEYS = "passkeys"


async def begin_registration(request: Request) -> Response:
    """Begin the registration of a passkey."""
    body = request.read_body(passkeys.BeginPasskey)
    await import_parsers()
    environment, user_id = request.environment, request.ids[0]
    begin = request.af.passkeys.begin(environment, user_id, body.name)
    session_id = without_nul(body.session_id or "")
    unit = request.af.fresh_proofs.required_for(environment, user_id, session_id, begin)
    return await request.write(unit, _begun)


async def finish_registration(request: Request) -> Response:
    """Finish the registration of a passkey."""
    user_id, registration_id = request.ids
    given = request.read_body(passkeys.FinishPasskey).credential
    if not given:
        text = "credential: required, what the browser returned."
        raise InvalidRequest(Item("credential", "credential_required", text))
    await import_parsers()
    credential = passkeys.credential_bytes(given)
    unit = request.af.passkeys.finish(request.environment, user_id, registration_id, credential)
    return await request.administer(unit, _registered, "factor.enroll", lambda made: made.factor.id)


async def begin_authentication(request: Request) -> Response:
    """Begin a sign-in by passkey."""
    await import_parsers()
    begun = request.af.passkey_sign_in.begin(request.environment)
    expires_at = timestamps.format_ms(begun.expires_at)
    shape = passkeys.PasskeyAuthenticationObject(begun.id, begun.public_key, expires_at)
    return Response(request.status, responses.encode(shape))


async def get_challenge(request: Request) -> Response:
    """Get a challenge."""
    unit = request.af.passkey_challenges.get(request.environment, request.ids[0])
    return await request.read(unit, responses.challenge)


async def get_signals(request: Request) -> Response:
    """Get the signals of a user's passkeys."""
    unit = request.af.passkey_signals.of_user(request.environment, request.ids[0])
    return await request.read(unit, _signals)


def _signals(found: SignalFacts) -> passkeys.PasskeySignalsObject:
    return passkeys.PasskeySignalsObject(found.user_id, found.accepted, found.details)


def _begun(begun: PasskeyRegistration) -> passkeys.PasskeyRegistrationObject:
    expires_at = timestamps.format_ms(begun.expires_at)
    return passkeys.PasskeyRegistrationObject(begun.id, begun.public_key, expires_at)


def _registered(made: RegisteredPasskey) -> user_factors.UserFactorObject:
    return user_factors.user_factor(made.factor.details, made.passkey)


ROUTES = [
    Route(
        "POST",
        "/authfactor/users/{user_id}/passkey_registrations",
        begin_registration,
        201,
        "Begin a passkey registration",
        takes=passkeys.BeginPasskey,
        gives=passkeys.PasskeyRegistrationObject,
        refusals=(403, 404, 422),
        tag=PASSKEYS,
    ),
    Route(
        "POST",
        "/authfactor/users/{user_id}/passkey_registrations/{registration_id}/verify",
        finish_registration,
        201,
        "Finish a passkey registration",
        takes=passkeys.FinishPasskey,
        requires=("credential",),
        gives=user_factors.UserFactorObject,
        refusals=(404, 422),
        tag=PASSKEYS,
    ),
    Route(
        "POST",
        "/authfactor/passkey_authentications",
        begin_authentication,
        201,
        "Begin a passkey sign-in",
        gives=passkeys.PasskeyAuthenticationObject,
        refusals=(403, 422),
        tag=PASSKEYS,
    ),
    Route(
        "GET",
        "/authfactor/challenges/{challenge_id}",
        get_challenge,
        200,
        "Get a challenge",
        gives=responses.AuthenticationChallengeObject,
        refusals=(404,),
        tag=FACTORS,
    ),
    Route(
        "GET",
        "/authfactor/users/{user_id}/passkey_signals",
        get_signals,
        200,
        "Get passkey signals",
        gives=passkeys.PasskeySignalsObject,
        refusals=(404, 422),
        tag=PASSKEYS,
    ),
]
