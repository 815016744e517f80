"""Reading an authorization request whose client and redirect URI are accepted (contract section 2.1).

What is wrong with it goes to the redirect URI as `error`, because the browser is where the user is. Unknown
parameters are ignored: clients send some, and a refusal would strand the browser (question 29 of the
contract).
"""

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from authfactor.models.hosted_sign_in import FlowRequest, ScreenHint
from authfactor.wire.requests import without_nul

AUTHKIT: Final = "authkit"
PROVIDERS: Final = frozenset(
    f"{name}OAuth"
    for name in (
        *("Apple", "Bitbucket", "GitHub", "GitLab", "Google", "Intuit", "LinkedIn", "Microsoft"),
        *("Salesforce", "Slack", "VercelMarketplace", "Vercel", "Xero"),
    )
)
MAX_AGE: Final = 10 * 365 * 24 * 3600
MAX_HINT: Final = 320
# A few clients send these as several parameters.
_REPEATABLE: Final = frozenset({"provider_scopes"})
_KNOWN: Final = frozenset(
    (
        *("client_id", "redirect_uri", "response_type", "state", "provider", "connection_id"),
        *("organization_id", "domain_hint", "login_hint", "screen_hint", "prompt", "max_age"),
        *("code_challenge", "code_challenge_method", "invitation_token"),
    )
)
# base64url of a SHA-256 (RFC 7636 section 4.2).
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# Of a value in a query string; all else is encoded when it is sent back.
_ENCODED: Final = "%/:?@!$'()*+,;~-._=[]"


class AuthorizationQuery(NamedTuple):
    """A query string: its parameters, the names that it gives twice, and `state` as it is written there."""

    values: dict[str, str]
    repeated: frozenset[str]
    state: str | None


class AuthorizationRefusal(NamedTuple):
    """Why a request is refused: `error` and `error_description` of the redirect."""

    error: str
    description: str


class SilentFlowRequest(NamedTuple):
    """A request, and whether no page may be shown for it."""

    request: FlowRequest
    silent: bool


def read_query(query: bytes) -> AuthorizationQuery:
    """Take a query string apart. Values are UTF-8; what is not becomes U+FFFD, except in `state`."""
    values: dict[str, str] = {}
    repeated, state = set(), None
    for part in query.split(b"&"):
        raw_name, _, raw_value = part.partition(b"=")
        name = _decode(raw_name)
        if name in values and name not in _REPEATABLE:
            repeated.add(name)
        values[name] = _decode(raw_value)
        if name == "state":
            # Sent back as it came, so that its bytes are the same however the client encodes them.
            state = quote(raw_value, safe=_ENCODED)
    return AuthorizationQuery(values, frozenset(repeated & _KNOWN), state)


def read_request(query: AuthorizationQuery) -> SilentFlowRequest | AuthorizationRefusal:
    """Read all but client and redirect URI, which are checked before."""
    values = query.values
    refusal = _type_refusal(query) or _challenge_refusal(values) or _selector_refusal(values)
    if refusal is not None:
        return refusal
    prompts = set(values.get("prompt", "").split())
    silent = "none" in prompts
    if silent and prompts & {"login", "select_account"}:
        return _invalid("prompt: none excludes all others.")
    age = values.get("max_age", "")
    # `isdecimal` rejects "1e3", "+5", " 5" and other spellings of a number.
    if age and not (age.isascii() and age.isdecimal() and len(age) <= len(str(MAX_AGE))):
        return _invalid("max_age: a whole number of seconds.")
    hint: ScreenHint = "sign-up" if values.get("screen_hint") == "sign-up" else "sign-in"
    prompt = "login" if "login" in prompts else "select_account" if "select_account" in prompts else None
    request = FlowRequest(
        redirect_uri=values["redirect_uri"],
        state=query.state,
        code_challenge=values.get("code_challenge") or None,
        screen_hint=hint,
        login_hint=_hint(values.get("login_hint", "")),
        prompt=prompt,
        max_age=min(int(age), MAX_AGE) if age else None,
    )
    return SilentFlowRequest(request, silent)


def _type_refusal(query: AuthorizationQuery) -> AuthorizationRefusal | None:
    if query.repeated:
        # RFC 6749 section 3.1. Two readers of one request must not see two requests.
        return _invalid(f"Given more than once: {', '.join(sorted(query.repeated))}.")
    wanted = query.values.get("response_type", "")
    if wanted == "code":
        return None
    if not wanted:
        return _invalid("response_type is required.")
    return AuthorizationRefusal("unsupported_response_type", "response_type must be code.")


def _challenge_refusal(values: dict[str, str]) -> AuthorizationRefusal | None:
    challenge, method = values.get("code_challenge", ""), values.get("code_challenge_method", "")
    if not challenge and not method:
        return None
    # RFC 7636 section 4.3: without a method it would be `plain`, which protects from nothing here.
    if method != "S256":
        return _invalid("code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        return _invalid("code_challenge: base64url of a SHA-256, without padding.")
    return None


def _selector_refusal(values: dict[str, str]) -> AuthorizationRefusal | None:
    """Judge what selects a connection: the hosted pages are the only one that there is."""
    provider, connection = values.get("provider", ""), values.get("connection_id", "")
    organization = values.get("organization_id", "")
    given = [name for name in (provider, connection, organization) if name]
    if not given:
        return AuthorizationRefusal("invalid_connection_selector", "Send provider=authkit.")
    if len(given) > 1 and (connection or provider != AUTHKIT):
        text = "Send one of provider, connection_id and organization_id."
        return AuthorizationRefusal("ambiguous_connection_selector", text)
    if connection or provider in PROVIDERS:
        return AuthorizationRefusal("connection_invalid", "There is no such connection.")
    if provider not in {"", AUTHKIT}:
        return AuthorizationRefusal("invalid_connection_selector", "There is no such provider.")
    if organization:
        return AuthorizationRefusal("organization_invalid", "There is no such organization.")
    return None


def _invalid(text: str) -> AuthorizationRefusal:
    return AuthorizationRefusal("invalid_request", text)


def _hint(text: str) -> str | None:
    """Return an email to show in the form, unless it cannot be one."""
    return text if text and len(text) <= MAX_HINT and text.isprintable() else None


def _decode(raw: bytes) -> str:
    return without_nul(unquote_to_bytes(raw.replace(b"+", b" ")).decode(errors="replace"))
