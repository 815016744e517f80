"""What the WorkOS API has and this server does not: refused by name, never ignored (decision 0039)."""

from typing import Final

from authfactor import errors

# Products of which nothing is served: every method, and every path below these.
_AREAS: Final = """
agents api_keys audit_logs authkit authorization client connect connections data-integrations directories
directory_groups directory_users feature-flags fga organization_domains organizations passwordless platform
portal radar vault widgets
"""
AREAS: Final = frozenset(_AREAS.split())
_OPERATIONS: Final = """
GET              /sso/authorize
GET              /sso/logout
POST             /sso/logout/authorize
GET              /sso/profile
POST             /sso/token
GET POST         /user_management/authkit_oauth_resources
DELETE           /user_management/authkit_oauth_resources/{id}
GET PUT          /user_management/jwt_template
GET POST         /user_management/organization_memberships
DELETE GET PUT   /user_management/organization_memberships/{id}
PUT              /user_management/organization_memberships/{id}/deactivate
GET              /user_management/organization_memberships/{id}/groups
PUT              /user_management/organization_memberships/{id}/reactivate
POST             /user_management/radar_challenges
GET              /user_management/radar_challenges/{id}
GET POST         /user_management/users/{id}/api_keys
GET              /user_management/users/{id}/authorized_applications
DELETE           /user_management/users/{id}/authorized_applications/{application_id}
DELETE GET POST PUT /user_management/users/{id}/connected_accounts/{slug}
GET              /user_management/users/{id}/data_providers
GET              /user_management/users/{id}/feature-flags
DELETE           /user_management/waitlist_entries/{id}
POST             /user_management/waitlist_entries/{id}/approve
POST             /user_management/waitlist_entries/{id}/deny
GET              /user_management/waitlists
GET              /user_management/waitlists/{id}
GET POST         /user_management/waitlists/{id}/entries
"""
# Method and path template; literal templates come before those with a parameter in the same place.
OPERATIONS: Final = tuple(
    (method, line.split()[-1]) for line in _OPERATIONS.strip().splitlines() for method in line.split()[:-1]
)
_BY_LENGTH: Final[dict[int, list[tuple[str, list[str]]]]] = {}
for _method, _path in OPERATIONS:
    _BY_LENGTH.setdefault(_path.count("/"), []).append((_method, _path.split("/")))

# Parameters that would narrow, bind or secure, by the operations that have them at WorkOS.
REFUSED_PARAMETERS: Final = {
    "organization_id": (
        "GET /user_management/users, GET /events, GET /user_management/authorize,"
        " POST /user_management/authenticate, GET /user_management/invitations,"
        " POST /user_management/invitations"
    ),
    "connection_id": "GET /user_management/authorize",
    "role_slug": "POST /user_management/invitations",
    "organization": "GET /user_management/users",
    "invitation_token": "POST /user_management/authenticate, but for a password and a magic code",
    "radar_auth_attempt_id": "POST /user_management/authenticate, POST /user_management/magic_auth",
    "link_authorization_code": "POST /user_management/authenticate",
    "totp_secret": "POST /auth/factors/enroll",
}
# Parameters that are accepted without an effect, and why that is safe.
IGNORED_PARAMETERS: Final = {
    "ip_address, user_agent": (
        "POST /user_management/users, POST /user_management/magic_auth",
        "Stored only with a session, at sign-in. Nothing is decided by them.",
    ),
    "device_id": (
        "POST /user_management/authenticate",
        "Informational; sessions have no `device_id`, which their responses show.",
    ),
    "signals_id": (
        "POST /user_management/users, POST /user_management/magic_auth, POST /user_management/authenticate",
        "Input of Radar's bot detection, which is optional at WorkOS too. There is no Radar here.",
    ),
    "session": (
        "POST /user_management/authenticate",
        "The Python SDK 5 sends its own options for sealing a session, which it does itself.",
    ),
    "domain_hint, provider_scopes, provider_query_params": (
        "GET /user_management/authorize",
        "For other identity providers, of which there are none.",
    ),
    "claim_nonce, context": (
        "GET /user_management/authorize",
        "SDKs send them; a refusal would strand the browser, and nothing is decided by them.",
    ),
    "phone_number, sms_template": (
        "POST /auth/factors/enroll, POST /auth/factors/{id}/challenge",
        "For factors of type `sms`, whose enrollment is refused.",
    ),
}


def refuse(method: str, raw_path: str, link: str) -> None:
    """Raise `NotSupported`, naming the page at `link`, for an operation that only the WorkOS API has."""
    segments = raw_path.split("/")
    if len(segments) > 1 and segments[1] in AREAS:
        raise errors.NotSupported(f"/{segments[1]}", link)
    for known_method, template in _BY_LENGTH.get(len(segments) - 1, ()):
        if known_method == method and _matches(template, segments):
            raise errors.NotSupported(f"{method} {'/'.join(template)}", link)


def _matches(template: list[str], segments: list[str]) -> bool:
    return all(
        wanted == segment or (wanted.startswith("{") and segment != "")
        for wanted, segment in zip(template, segments, strict=True)
    )
