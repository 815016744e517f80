"""The endpoints of sign-in and sessions, the key set, and the events."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.errors import InvalidRequest, Item, OAuthRefused
from authfactor.http import refusal_timing
from authfactor.http.api import logout
from authfactor.http.api.parameters import PAGE, list_query, refuse_unknown, required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.http.telemetry.shared_counters import PASSKEY as PASSKEY_RIGHT
from authfactor.http.telemetry.shared_counters import RECOVERED, RIGHT, TRUSTED
from authfactor.models import ApiCaller, Environment, PageQuery, SignedIn
from authfactor.rules.authentication.second_step import method_of
from authfactor.rules.authentication.sign_in import PasswordHashChanged
from authfactor.rules.events import event_log
from authfactor.store import Unit
from authfactor.wire import authentication, requests, responses, timestamps
from authfactor.wire import events as event_shapes
from authfactor.wire.requests import Authenticate

TAG, EVENTS = "sign-in", "events"
EVENT_FILTERS: Final = ("range_start", "range_end")
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
PASSKEY: Final = "urn:authfactor:oauth:grant-type:passkey"
MAGIC_AUTH: Final = "urn:workos:oauth:grant-type:magic-auth:code"
EMAIL_VERIFICATION: Final = "urn:workos:oauth:grant-type:email-verification:code"
# Grants whose refusals take as long for users as for unknown emails.
BY_EMAIL: Final = ("password", MAGIC_AUTH)
MAILED: Final = (MAGIC_AUTH, EMAIL_VERIFICATION)
CHECKED: Final = (MFA_TOTP, PASSKEY, *MAILED)
AUTHORIZATION_CODE: Final = "authorization_code"
FORM: Final = b"application/x-www-form-urlencoded"
MAX_EVENT_NAMES: Final = 100
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
WITHOUT_SECRET: Final = frozenset({"refresh_token", AUTHORIZATION_CODE, DEVICE_CODE})
VERDICT_BY_METHOD: Final = {
    "totp": RIGHT,
    "webauthn": PASSKEY_RIGHT,
    "recovery_code": RECOVERED,
    "trusted_device": TRUSTED,
}
REQUIRED_FIELDS: Final = {
    "password": ("client_id", "client_secret", "email", "password"),
    MFA_TOTP: (
        "client_id",
        "client_secret",
        "code",
        "pending_authentication_token",
        "authentication_challenge_id",
    ),
    "refresh_token": ("client_id", "refresh_token"),
    AUTHORIZATION_CODE: ("client_id", "code"),
    DEVICE_CODE: ("client_id", "device_code"),
    PASSKEY: ("client_id", "client_secret", "authentication_id", "credential"),
    MAGIC_AUTH: ("client_id", "client_secret", "code", "email"),
    EMAIL_VERIFICATION: ("client_id", "client_secret", "code", "pending_authentication_token"),
}

# Which rule prepares a grant's sign-in; all others are refreshes.
PREPARE: Final[dict[str, Callable[[Authfactor], Callable[..., Awaitable[Unit[SignedIn]]]]]] = {
    "password": lambda af: af.sign_in.prepare_password,
    MFA_TOTP: lambda af: af.second_step.prepare,
    PASSKEY: lambda af: af.passkey_sign_in.prepare,
    AUTHORIZATION_CODE: lambda af: af.code_redemption.prepare,
    DEVICE_CODE: lambda af: af.device_authorizations.prepare,
    MAGIC_AUTH: lambda af: af.email_flows.magic_sign_in.prepare,
    EMAIL_VERIFICATION: lambda af: af.email_flows.email_verification_sign_in.prepare,
}


def authenticate(request: Request) -> Awaitable[Response]:
    """Sign in by one of the supported grant types."""
    if b"origin" not in request.headers:
        return _authenticate(request)
    from authfactor.http.api import cors  # noqa: PLC0415 - for pages that call it themselves

    return cors.answer(request, _authenticate)


async def _authenticate(request: Request) -> Response:
    body = _read_grant(request)
    request.caller = caller = await _authenticate_client(request, body)
    responding = _retry_changed_hash(request, caller.environment, body)
    if body.grant_type not in BY_EMAIL:
        return await responding
    client = (caller.environment.number, body.ip_address)
    return await refusal_timing.hold_refusals(request.af.settings, client, responding)


async def _retry_changed_hash(request: Request, environment: Environment, body: Authenticate) -> Response:
    try:
        return await _sign_in(request, environment, body)
    except PasswordHashChanged:
        # A concurrent sign-in has probably upgraded an imported hash; retry once with the new one.
        return await _sign_in(request, environment, body)


async def _sign_in(request: Request, environment: Environment, body: Authenticate) -> Response:
    def require_active(stored: Response) -> Unit[None]:
        signed_in = msgspec.json.decode(stored.body, type=authentication.StoredSignIn)
        return request.af.sessions.require_active(environment, signed_in.user_id, signed_in.session_id)

    def right_code(outcome: SignedIn) -> str | None:
        if body.grant_type in MAILED:
            return RIGHT
        if outcome.repeated:
            return None
        return PASSKEY_RIGHT if body.grant_type == PASSKEY else VERDICT_BY_METHOD[method_of(body)]

    checks_code = body.grant_type in CHECKED or (body.grant_type == "password" and body.code)
    return await request.write(
        await _unit(request, environment, body),
        authentication.signed_in,
        right_code if checks_code else None,
        require_active,
    )


async def _unit(request: Request, environment: Environment, body: Authenticate) -> Unit[SignedIn]:
    prepare = PREPARE.get(body.grant_type or "")
    if prepare is not None:
        return await prepare(request.af)(request.af.store, environment, body)
    has_secret = body.client_secret is not None
    return await request.af.sessions.prepare_refresh(
        request.af.store, environment, body.refresh_token or "", has_secret=has_secret
    )


async def jwks(request: Request) -> Response:
    """Publish the keys that verify access tokens."""
    environment = await request.af.read(request.af.environments.by_client_id(request.ids[0]))
    keys = await request.af.token_signing.list_public_keys(request.af.store, environment)
    return Response(request.status, responses.encode(authentication.jwks(keys)))


async def list_sessions(request: Request) -> Response:
    """List a user's active sessions."""
    now = request.af.clock()
    query = request.page_query(list_query(request))
    unit = request.af.sessions.page(request.environment, request.ids[0], query)
    return await request.read(unit, lambda page: authentication.sessions(page, now))


async def revoke_session(request: Request) -> Response:
    """End a session."""
    session_id = required(request.read_body(requests.RevokeSession).session_id, "session_id")
    return await request.write(request.af.sessions.revoke(request.environment, session_id), None)


async def log_out(request: Request) -> Response:
    """End the session of a browser and redirect it."""
    query = request.query()
    session_id = required(query.get("session_id"), "session_id")
    return await logout.log_out(request, session_id, query.get("return_to"))


async def list_events(request: Request) -> Response:
    """List events by name."""
    return await request.read(
        request.af.events.page(request.environment, _event_query(request)), event_shapes.events
    )


def _read_grant(request: Request) -> Authenticate:
    """Read the body, JSON or form. Raises `OAuthRefused("invalid_request")` and `InvalidRequest`."""
    content_type = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    try:
        body = (
            requests.read_form(Authenticate, request.body)
            if content_type == FORM
            else request.read_body(Authenticate)
        )
    except errors.MalformedBody as error:
        raise OAuthRefused("invalid_request", error.message) from error
    required_fields = REQUIRED_FIELDS.get(body.grant_type or "")
    if required_fields is None:
        raise OAuthRefused("invalid_request", f"grant_type must be one of {', '.join(REQUIRED_FIELDS)}.")
    missing = [field for field in required_fields if not getattr(body, field)]
    if body.code is not None and "code" in missing:
        missing.remove("code")  # "" is malformed, as `verify` has it
    if body.grant_type == AUTHORIZATION_CODE and not (body.client_secret or body.code_verifier):
        missing.append("client_secret or code_verifier")
    if missing:
        raise OAuthRefused("invalid_request", f"Missing: {', '.join(missing)}.")
    requests.refuse_not_served(body)
    if body.code_verifier and body.grant_type != AUTHORIZATION_CODE:
        raise InvalidRequest(requests.not_supported("code_verifier"))
    if body.invitation_token and body.grant_type not in BY_EMAIL:
        raise InvalidRequest(requests.not_supported("invitation_token"))
    return body


async def _authenticate_client(request: Request, body: Authenticate) -> ApiCaller:
    """Authenticate the client by the credentials in the body alone.

    Public clients have no secret: a refresh or a code goes without, if the rules of the grant allow it.
    Raises `OAuthRefused("invalid_client")`.
    """
    client_id = body.client_id or ""
    try:
        if body.client_secret is None and body.grant_type in WITHOUT_SECRET:
            return ApiCaller(
                await request.af.read(request.af.environments.by_client_id(client_id)), client_id
            )
        caller = await request.af.environments.authenticate(request.af.store, body.client_secret or "")
    except (errors.NotFound, errors.Unauthorized):
        caller = None
    if caller is None or caller.environment.client_id != client_id:
        raise OAuthRefused("invalid_client", "Invalid client ID or client secret.")
    if request.count_key is not None:
        request.count_key(caller)
    return caller


def _event_query(request: Request) -> event_log.EventQuery:
    pairs = request.query_pairs()
    names = [name for key, value in pairs if _names_events(key) for name in value.split(",") if name]
    if not names:
        text = "One or more event names (e.g. user.created) must be provided using the events parameter."
        raise errors.InvalidUserField("invalid_events_request", text)
    others = [(key, value) for key, value in pairs if not _names_events(key)]
    refuse_unknown([key for key, _ in others if key not in PAGE and key not in EVENT_FILTERS])
    query = {key: value for key, value in others if value}
    page = request.page_query(query)
    if "order" not in query:
        page = PageQuery(page.limit, "asc", page.before, page.after)
    start, end = (_timestamp(query.get(field), field) for field in ("range_start", "range_end"))
    return event_log.EventQuery(tuple(dict.fromkeys(names))[:MAX_EVENT_NAMES], page, start, end)


def _names_events(key: str) -> bool:
    # The SDKs send `a,b`, a repeated name, `events[0]=` or `events[]=` (contract section 6.1).
    return key == "events" or (key.startswith("events[") and key.endswith("]"))


def _timestamp(text: str | None, field: str) -> int | None:
    if not text:
        return None
    try:
        # The `+` of a time zone, if not percent-encoded, is decoded as a space.
        return timestamps.parse(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidRequest(Item(field, f"{field}_invalid", f"{field}: an ISO 8601 time.")) from error


ROUTES = [
    Route(
        "POST",
        "/user_management/authenticate",
        authenticate,
        200,
        "Authenticate",
        takes=Authenticate,
        requires=("grant_type", "client_id"),
        gives=authentication.AuthenticateResponse,
        refusals=(400, 403, 404, 422),
        needs_key=False,
        tag=TAG,
    ),
    Route(
        "GET",
        "/sso/jwks/{client_id}",
        jwks,
        200,
        "Get the key set",
        gives=authentication.JwksResponse,
        refusals=(404,),
        needs_key=False,
        tag=TAG,
    ),
    Route(
        "GET",
        "/user_management/users/{user_id}/sessions",
        list_sessions,
        200,
        "List sessions",
        gives=responses.ListOf[authentication.SessionObject],
        query=PAGE,
        refusals=(404, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        "/user_management/sessions/revoke",
        revoke_session,
        200,
        "Revoke a session",
        takes=requests.RevokeSession,
        requires=("session_id",),
        refusals=(404, 422),
        tag=TAG,
    ),
    Route(
        "GET",
        "/user_management/sessions/logout",
        log_out,
        302,
        "Log out in a browser",
        query=("session_id", "return_to"),
        refusals=(422,),
        needs_key=False,
        tag=TAG,
        shows_page=True,
    ),
    Route(
        "GET",
        "/events",
        list_events,
        200,
        "List events",
        gives=responses.ListOf[event_shapes.EventObject],
        query=(*PAGE, "events", *EVENT_FILTERS),
        refusals=(400, 422),
        tag=EVENTS,
    ),
]
