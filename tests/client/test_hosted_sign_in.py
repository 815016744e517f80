"""Hosted sign-in through the client: the same over HTTP and in process."""

from urllib.parse import parse_qs, urlsplit

import pytest

from authfactor import Client
from authfactor.client import BadRequestError, ConflictError, NotFoundError, UnprocessableEntityError

CALLBACK = "https://app.example.org/callback"


def test_authorization_url_has_what_was_given(client: Client) -> None:
    url = client.user_management.get_authorization_url(
        redirect_uri=CALLBACK, state="a b", code_challenge="x" * 43, prompt="login", max_age=0
    )
    parts = urlsplit(url)
    assert parts.path == "/user_management/authorize"
    assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
        "client_id": client.user_management.get_jwks_url().rpartition("/")[2],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "provider": "authkit",
        "state": "a b",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
        "prompt": "login",
        "max_age": "0",
    }
    plain = client.user_management.get_authorization_url(redirect_uri=CALLBACK)
    assert "code_challenge" not in plain


def test_unknown_code_is_refused(client: Client) -> None:
    with pytest.raises(BadRequestError) as raised:
        client.user_management.authenticate_with_code(code="x")
    assert raised.value.code == "invalid_grant"


def test_redirect_uris_are_added_listed_and_removed(client: Client, email: str) -> None:
    management, base = client.user_management, f"{CALLBACK}/{email}"
    first = management.create_redirect_uri(uri=f"{base}/1")
    second = management.create_redirect_uri(uri=f"{base}/2")
    assert (second.uri, second.default) == (f"{base}/2", False)
    assert [item.id for item in management.list_redirect_uris(limit=2).data] == [second.id, first.id]
    management.delete_redirect_uri(second.id)
    with pytest.raises(NotFoundError):
        management.delete_redirect_uri(second.id)
    with pytest.raises(UnprocessableEntityError):
        management.create_redirect_uri(uri=f"{base}/1")
    default = next(item for item in management.list_redirect_uris(limit=100) if item.default)
    with pytest.raises(ConflictError):
        management.delete_redirect_uri(default.id)


def test_cors_origins_are_added_and_listed(client: Client, email: str) -> None:
    management, origin = (
        client.user_management,
        f"https://{email.partition('@')[0].replace('.', '-')}.example",
    )
    made = management.create_cors_origin(origin=origin)
    assert management.list_cors_origins(limit=1).data == (made,)
    with pytest.raises(ConflictError):
        management.create_cors_origin(origin=origin)
