"""All routes of the API; the OpenAPI document has those of `documented`."""

from typing import Final

from authfactor.http.api import authentication, deferred_routes, factors, users
from authfactor.http.api.deferred_routes import deferred
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route

_EAGER: Final[list[Route]] = [*factors.ROUTES, *users.ROUTES, *authentication.ROUTES]

ROUTES: Final[list[Route]] = [
    *_EAGER,
    *deferred(
        "recovery_codes",
        ("POST", "/authfactor/users/{user_id}/recovery_codes", 201),
        ("PUT", "/authfactor/users/{user_id}/recovery_codes", 200),
        ("GET", "/authfactor/users/{user_id}/recovery_codes", 200),
        ("DELETE", "/authfactor/users/{user_id}/recovery_codes", 204),
        ("GET", "/authfactor/users/{user_id}/factors", 200),
        ("PATCH", "/authfactor/factors/{factor_id}", 200),
    ),
    *deferred(
        "passkeys",
        ("POST", "/authfactor/users/{user_id}/passkey_registrations", 201),
        ("POST", "/authfactor/users/{user_id}/passkey_registrations/{registration_id}/verify", 201),
        ("POST", "/authfactor/passkey_authentications", 201),
        ("GET", "/authfactor/challenges/{challenge_id}", 200),
        ("GET", "/authfactor/users/{user_id}/passkey_signals", 200),
        # An attestation has up to 64 KiB.
        max_body=96 * 1024,
    ),
    *deferred("device_sign_in", ("POST", "/user_management/authorize/device", 200), needs_key=False),
    *deferred("authorize", ("GET", "/user_management/authorize", 302), needs_key=False),
    *deferred(
        "redirect_uris",
        ("GET", "/user_management/redirect_uris", 200),
        ("POST", "/user_management/redirect_uris", 201),
        ("DELETE", "/user_management/redirect_uris/{redirect_uri_id}", 204),
        ("GET", "/user_management/cors_origins", 200),
        ("POST", "/user_management/cors_origins", 201),
    ),
    # A thousand entries with URIs.
    *deferred("imports", ("POST", "/authfactor/imports", 200), max_body=512 * 1024),
    *deferred("clock_resync", ("POST", "/authfactor/factors/{factor_id}/resync", 200)),
    *deferred(
        "session_checks",
        ("POST", "/authfactor/sessions/{session_id}/check", 200),
        ("POST", "/authfactor/sessions/{session_id}/challenges", 201),
        ("POST", "/authfactor/sessions/{session_id}/reauthenticate", 200),
    ),
    *deferred(
        "mfa_policies",
        ("GET", "/authfactor/mfa_policy", 200),
        ("PUT", "/authfactor/mfa_policy", 200),
        ("POST", "/authfactor/mfa_policy/preview", 200),
        ("GET", "/authfactor/reports/mfa_coverage", 200),
        ("GET", "/authfactor/users/{user_id}/mfa_policy", 200),
        ("PUT", "/authfactor/users/{user_id}/mfa_policy", 200),
        ("DELETE", "/authfactor/users/{user_id}/mfa_policy", 204),
    ),
    *deferred(
        "trusted_devices",
        ("POST", "/authfactor/trusted_devices", 201),
        ("POST", "/authfactor/trusted_devices/rotate", 200),
        ("GET", "/authfactor/users/{user_id}/trusted_devices", 200),
        ("DELETE", "/authfactor/users/{user_id}/trusted_devices/{device_id}", 204),
        ("DELETE", "/authfactor/users/{user_id}/trusted_devices", 204),
    ),
    *deferred(
        "messages",
        ("GET", "/authfactor/messages", 200),
        ("GET", "/authfactor/messages/{message_id}", 200),
        ("GET", "/authfactor/senders/mail", 200),
        ("PUT", "/authfactor/senders/mail", 200),
        ("DELETE", "/authfactor/senders/mail", 204),
        ("POST", "/authfactor/senders/mail/test", 200),
    ),
    *deferred(
        "webhooks",
        ("GET", "/webhook_endpoints", 200),
        ("POST", "/webhook_endpoints", 201),
        ("PATCH", "/webhook_endpoints/{endpoint_id}", 200),
        ("DELETE", "/webhook_endpoints/{endpoint_id}", 204),
        ("POST", "/authfactor/webhook_endpoints/{endpoint_id}/ping", 202),
    ),
    *deferred(
        "email_verifications",
        ("POST", "/user_management/users/{user_id}/email_verification/send", 200),
        ("POST", "/user_management/users/{user_id}/email_verification/confirm", 200),
        ("GET", "/user_management/email_verification/{email_verification_id}", 200),
        ("POST", "/user_management/magic_auth", 201),
        ("POST", "/user_management/magic_auth/send", 200),
        ("GET", "/user_management/magic_auth/{magic_auth_id}", 200),
        ("POST", "/user_management/users/{user_id}/email_change/send", 200),
        ("POST", "/user_management/users/{user_id}/email_change/confirm", 200),
    ),
    *deferred(
        "password_resets",
        ("POST", "/user_management/password_reset", 201),
        ("POST", "/user_management/password_reset/send", 200),
        ("POST", "/user_management/password_reset/confirm", 200),
        ("GET", "/user_management/password_reset/{password_reset_id}", 200),
    ),
    *deferred(
        "invitations",
        ("GET", "/user_management/invitations", 200),
        ("POST", "/user_management/invitations", 201),
        ("GET", "/user_management/invitations/{invitation_id}", 200),
        ("GET", "/user_management/invitations/by_token/{token}", 200),
        ("POST", "/user_management/invitations/{invitation_id}/accept", 200),
        ("POST", "/user_management/invitations/{invitation_id}/revoke", 200),
        ("POST", "/user_management/invitations/{invitation_id}/resend", 200),
    ),
    *deferred(
        "links",
        ("POST", "/authfactor/enrollment_links", 201),
        ("GET", "/authfactor/enrollment_links/{link_id}", 200),
        ("POST", "/authfactor/challenge_links", 201),
        ("GET", "/authfactor/challenge_links/{link_id}", 200),
        ("POST", "/authfactor/factors_links", 201),
        ("GET", "/authfactor/factors_links/{link_id}", 200),
        ("GET", "/authfactor/branding", 200),
        ("PUT", "/authfactor/branding", 200),
    ),
]


async def _answer_preflight(request: Request) -> Response:
    from authfactor.http.api import cors  # noqa: PLC0415 - for pages that call it themselves

    return await cors.answer_preflight(request)


PREFLIGHTS: Final = [
    Route("OPTIONS", "/user_management/authenticate", _answer_preflight, 204, "", needs_key=False)
]
"""What browsers send by themselves; not in the OpenAPI document."""


def documented() -> list[Route]:
    """Return all routes with their descriptions, which imports the deferred modules."""
    return [*_EAGER, *deferred_routes.load_all()]
