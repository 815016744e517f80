"""Assertions on the contract's objects in responses: exact key sets, ids and times."""

import datetime
import re
from typing import Any, Final

from tests.support.server_process import Json

FACTOR_KEYS: Final = {"object", "id", "type", "totp", "user_id", "created_at", "updated_at"}
NAME_KEYS: Final = {"issuer", "user"}
SECRET_KEYS: Final = {"issuer", "user", "secret", "qr_code", "uri"}
CHALLENGE_KEYS: Final = {
    *("object", "id", "authentication_factor_id"),
    *("expires_at", "created_at", "updated_at"),
}
USER_KEYS: Final = {
    *("object", "id", "email", "email_verified", "first_name", "last_name", "name", "profile_picture_url"),
    *("external_id", "metadata", "last_sign_in_at", "locale", "created_at", "updated_at"),
}
_ULID: Final = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CHALLENGE_LIFE: Final = datetime.timedelta(minutes=10)


def moment(text: Json) -> datetime.datetime:
    """Parse a time that must be formatted exactly as the contract specifies."""
    assert isinstance(text, str)
    assert _MOMENT.fullmatch(text), text
    return datetime.datetime.fromisoformat(text)


def assert_id(text: Json, prefix: str) -> None:
    assert isinstance(text, str)
    assert re.fullmatch(f"{prefix}_{_ULID}", text), text


def assert_factor(factor: dict[str, Any], user_id: str | None, names: set[str] = NAME_KEYS) -> None:
    """Check a factor; `names` are the keys of its `totp`."""
    assert set(factor) == (FACTOR_KEYS if user_id else FACTOR_KEYS - {"user_id"})
    assert (factor["object"], factor["type"]) == ("authentication_factor", "totp")
    assert_id(factor["id"], "auth_factor")
    assert factor.get("user_id") == user_id
    assert set(factor["totp"]) == names
    assert all(isinstance(value, str) for value in factor["totp"].values())
    assert moment(factor["created_at"]) <= moment(factor["updated_at"])


def assert_challenge(challenge: dict[str, Any], factor_id: str) -> None:
    assert set(challenge) == CHALLENGE_KEYS
    assert challenge["object"] == "authentication_challenge"
    assert_id(challenge["id"], "auth_challenge")
    assert challenge["authentication_factor_id"] == factor_id
    assert moment(challenge["expires_at"]) - moment(challenge["created_at"]) == CHALLENGE_LIFE
    assert moment(challenge["created_at"]) <= moment(challenge["updated_at"])


def assert_user(user: dict[str, Any]) -> None:
    assert set(user) == USER_KEYS
    assert user["object"] == "user"
    assert_id(user["id"], "user")
    assert isinstance(user["email_verified"], bool)
    assert isinstance(user["metadata"], dict)
    assert moment(user["created_at"]) <= moment(user["updated_at"])


def assert_list(body: dict[str, Any]) -> None:
    assert set(body) == {"object", "data", "list_metadata"}
    assert body["object"] == "list"
    assert isinstance(body["data"], list)
    assert set(body["list_metadata"]) == {"before", "after"}
