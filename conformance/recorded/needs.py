"""The fields that SDKs read from an answer without asking whether they are there."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any  # a value out of a JSON document

TIMES: Final = ("created_at", "updated_at")
USER: Final = ("object", "id", "email", "email_verified", "metadata", *TIMES)
NULLABLE: Final = ("first_name", "last_name", "profile_picture_url", "external_id", "last_sign_in_at")
FACTOR: Final = ("object", "id", "type", "totp.issuer", "totp.user", *TIMES)
SECRETS: Final = ("totp.secret", "totp.qr_code", "totp.uri")
CHALLENGE: Final = ("object", "id", "authentication_factor_id", "expires_at", *TIMES)
LIST: Final = ("object", "data", "list_metadata")


def _within(name: str, *fields: str) -> tuple[str, ...]:
    return tuple(f"{name}.{field}" for field in fields)


# By step. The older Java client reads an enrollment's short names, every other client the long ones.
NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "create user": USER,
    "enroll": (
        *_within("authentication_factor", *FACTOR, *SECRETS),
        *_within("authentication_challenge", *CHALLENGE),
        *_within("factor", *FACTOR, *SECRETS),
        *_within("challenge", *CHALLENGE),
    ),
    "verify": ("valid", *_within("challenge", *CHALLENGE)),
    "challenge": CHALLENGE,
    "list": LIST,
    "get": FACTOR,
    "unknown ids": ("message", "code", "entity_id"),
    "bad secret": ("message", "code", "errors.0.field", "errors.0.code", "errors.0.message"),
    "password": (
        *("code", "message", "pending_authentication_token"),
        *("authentication_factors.0.id", "authentication_factors.0.type"),
        *_within("user", *USER),
    ),
    "sign in": ("access_token", "refresh_token", "authentication_method", *_within("user", *USER)),
    "jwks": _within("keys.0", "alg", "kty", "use", "kid", "n", "e", "x5c", "x5t#S256"),
    "refresh": ("access_token", "refresh_token", *_within("user", *USER)),
}
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "create user": NULLABLE,
    "list": ("list_metadata.before", "list_metadata.after"),
}


def lacking(step: str, body: object) -> list[str]:
    """Return what an answer lacks: fields that are absent or null, and keys that are absent."""
    missing = [path for path in NEEDS.get(step, ()) if _value(body, path) is None]
    return missing + [path for path in KEYS.get(step, ()) if _value(body, path, absent=path) == path]


def _value(body: Json, path: str, absent: str | None = None) -> object:
    for name in path.split("."):
        if isinstance(body, list) and name.isdigit() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return absent
    return body
