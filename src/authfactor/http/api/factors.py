"""The endpoints of factors and challenges: parse, make one call, render."""

from collections.abc import Awaitable

from authfactor.errors import InvalidRequest, Item
from authfactor.http.api.parameters import FACTORS, PAGE, list_query, required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.http.telemetry.shared_counters import PASSKEY, PASSKEY_REFUSED, RECOVERED, VERDICT_BY_REASON
from authfactor.models import Verification
from authfactor.webauthn.assertion_text import import_parsers, is_assertion
from authfactor.wire import requests, responses


async def enroll_user_factor(request: Request) -> Response:
    """Enroll a user in a TOTP factor."""
    body = request.read_body(requests.EnrollUserFactor)
    unit = request.af.factors.enroll(request.environment, request.ids[0], body)
    return await request.write(unit, responses.enrolled)


async def list_user_factors(request: Request) -> Response:
    """List a user's factors."""
    query = request.page_query(list_query(request))
    return await request.read(
        request.af.factors.page(request.environment, request.ids[0], query), responses.factors
    )


async def enroll_factor(request: Request) -> Response:
    """Enroll a stand-alone factor."""
    body = request.read_body(requests.EnrollFactor)
    requests.refuse_not_served(body)
    unit = request.af.factors.enroll_standalone(request.environment, body)
    return await request.write(unit, responses.factor_enrolled)


async def get_factor(request: Request) -> Response:
    """Get a factor."""
    return await request.read(request.af.factors.get(request.environment, request.ids[0]), responses.factor)


async def delete_factor(request: Request) -> Response:
    """Delete a factor."""
    unit = request.af.factors.delete(request.environment, request.ids[0])
    return await request.administer(unit, None, "factor.delete", request.ids[0])


async def challenge_factor(request: Request) -> Response:
    """Create a challenge for a factor."""
    request.read_body(requests.ChallengeFactor)
    return await request.write(
        request.af.challenges.create(request.environment, request.ids[0]), responses.challenge
    )


async def challenge_factor_by_id(request: Request) -> Response:
    """Create a challenge by the legacy route."""
    body = request.read_body(requests.ChallengeFactorById)
    factor_id = required(body.authentication_factor_id, "authentication_factor_id")
    return await request.write(
        request.af.challenges.create(request.environment, factor_id), responses.challenge
    )


async def verify_challenge(request: Request) -> Response:
    """Verify a code."""
    return await _verify(request, request.ids[0], request.read_body(requests.VerifyChallenge).code)


async def verify_challenge_by_id(request: Request) -> Response:
    """Verify a code by the legacy route."""
    body = request.read_body(requests.VerifyChallengeById)
    challenge_id = required(body.authentication_challenge_id, "authentication_challenge_id")
    return await _verify(request, challenge_id, body.code)


def _verify(request: Request, challenge_id: str, given: str | None) -> Awaitable[Response]:
    code = _code(given)
    if is_assertion(code):
        return _verify_assertion(request, challenge_id, code)
    unit = request.af.challenges.verify(request.environment, challenge_id, code)
    return request.write(unit, responses.verification, _verdict)


async def _verify_assertion(request: Request, challenge_id: str, code: str) -> Response:
    await import_parsers()
    unit = request.af.challenges.verify(request.environment, challenge_id, code)
    return await request.write(unit, responses.verification, _verdict)


def _verdict(outcome: Verification) -> str | None:
    if outcome.repeated:
        return None
    if outcome.recovery_codes_remaining is not None:
        return RECOVERED
    if outcome.valid and outcome.amr is not None and "pop" in outcome.amr:
        return PASSKEY
    return VERDICT_BY_REASON.get(outcome.reason, PASSKEY_REFUSED)


def _code(value: str | None) -> str:
    # An empty code is malformed; a missing one is an invalid request.
    if value is None:
        raise InvalidRequest(Item("code", "code_required", "code: required, the six digits as a string."))
    return value


ROUTES = [
    Route(
        "POST",
        "/user_management/users/{user_id}/auth_factors",
        enroll_user_factor,
        201,
        "Enroll an authentication factor",
        takes=requests.EnrollUserFactor,
        requires=("type",),
        gives=responses.EnrollResponse,
        refusals=(404, 422),
        tag=FACTORS,
    ),
    Route(
        "GET",
        "/user_management/users/{user_id}/auth_factors",
        list_user_factors,
        200,
        "List authentication factors",
        gives=responses.ListOf[responses.AuthenticationFactor],
        query=PAGE,
        refusals=(404, 422),
        tag=FACTORS,
    ),
    Route(
        "POST",
        "/auth/factors/enroll",
        enroll_factor,
        201,
        "Enroll a stand-alone factor",
        takes=requests.EnrollFactor,
        requires=("type",),
        gives=responses.AuthenticationFactorEnrolled,
        refusals=(404, 422),
        tag=FACTORS,
    ),
    Route(
        "POST",
        "/auth/factors/challenge",
        challenge_factor_by_id,
        201,
        "Challenge a factor (legacy)",
        takes=requests.ChallengeFactorById,
        requires=("authentication_factor_id",),
        gives=responses.AuthenticationChallengeObject,
        refusals=(404, 422),
        tag=FACTORS,
    ),
    Route(
        "POST",
        "/auth/factors/verify",
        verify_challenge_by_id,
        201,
        "Verify a challenge (legacy)",
        takes=requests.VerifyChallengeById,
        requires=("authentication_challenge_id", "code"),
        gives=responses.VerifyResponse,
        refusals=(400, 404, 409, 422),
        tag=FACTORS,
    ),
    Route(
        "GET",
        "/auth/factors/{factor_id}",
        get_factor,
        200,
        "Get an authentication factor",
        gives=responses.AuthenticationFactor,
        refusals=(404,),
        tag=FACTORS,
    ),
    Route(
        "DELETE",
        "/auth/factors/{factor_id}",
        delete_factor,
        204,
        "Delete an authentication factor",
        refusals=(404,),
        tag=FACTORS,
    ),
    Route(
        "POST",
        "/auth/factors/{factor_id}/challenge",
        challenge_factor,
        201,
        "Challenge a factor",
        takes=requests.ChallengeFactor,
        gives=responses.AuthenticationChallengeObject,
        refusals=(404, 422),
        tag=FACTORS,
    ),
    Route(
        "POST",
        "/auth/challenges/{challenge_id}/verify",
        verify_challenge,
        201,
        "Verify a challenge",
        takes=requests.VerifyChallenge,
        requires=("code",),
        gives=responses.VerifyResponse,
        refusals=(400, 404, 409, 422),
        tag=FACTORS,
    ),
]
