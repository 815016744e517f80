"""Request bodies: unknown fields are ignored, wrong fields are reported, values are never repeated."""

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authfactor.errors import InvalidRequest, MalformedBody
from authfactor.http.api.routes import documented
from authfactor.wire import requests

# All bodies of requests, but those that refuse unknown fields because a typing error would loosen a policy
# (decision 0045).
SHAPES: Final = sorted(
    {
        route.takes
        for route in documented()
        if route.takes is not None and not route.takes.__struct_config__.forbid_unknown_fields
    },
    key=lambda shape: shape.__name__,
)
JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _fits(name: str, value: object) -> bool:
    """Return whether `CreateUser` accepts this value of a field."""
    match name:
        case "email":
            return value is None or isinstance(value, str)
        case "email_verified":
            return value is None or isinstance(value, bool)
        case "password_salt_position":
            return value in (None, "prefix", "suffix")
        case "metadata":
            texts = value.values() if isinstance(value, dict) else [] if value is None else [0]
            return all(text is None or isinstance(text, str) for text in texts)
    return True


def _refusal_of(shape: type[requests.RequestModel], body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        requests.read(shape, body)
    return caught.value


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"  ", b"\r\n", b" null ", b"[]\n", b" {} "])
def test_empty_body_in_any_spelling_sets_no_fields(shape: type[requests.RequestModel], body: bytes) -> None:
    assert requests.read(shape, body) == shape()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_unknown_fields_are_ignored(shape: type[requests.RequestModel]) -> None:
    body = b'{"unknown": {"deep": [1, null, "x"]}, "object": "x", "Type": 1, "": 0}'

    assert requests.read(shape, body) == shape()


def test_known_fields_are_decoded() -> None:
    body = b'{"type": "totp", "totp_issuer": "Acme \\u00fc", "totp_user": "kim", "user_id": "user_1"}'

    assert requests.read(requests.EnrollFactor, body) == requests.EnrollFactor(
        type="totp", totp_issuer="Acme \u00fc", totp_user="kim", user_id="user_1"
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_field_accepts_null(shape: type[requests.RequestModel]) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    nulls = requests.read(shape, json.dumps(dict.fromkeys(names)).encode())

    assert all(getattr(nulls, name) is None for name in names)


def test_update_distinguishes_null_from_an_absent_field() -> None:
    assert requests.read(requests.UpdateUser, b'{"external_id": null}').external_id is None
    assert requests.read(requests.UpdateUser, b'{"locale": null}').external_id is msgspec.UNSET


def _converts(value: object, kind: Any) -> bool:  # noqa: ANN401 - a field's type, of any kind
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _all(shape: type[requests.RequestModel], value: object) -> dict[str, object]:
    return {field.encode_name: value for field in msgspec.structs.fields(shape)}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("value", [17, -1.5, [], ["x"], {"x": 1}, {"x": {}}], ids=json.dumps)
def test_every_field_of_a_wrong_type_is_reported(shape: type[requests.RequestModel], value: object) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(shape) if not _converts(value, field.type)]
    if not names:
        assert requests.read(shape, json.dumps(_all(shape, value)).encode()) is not None
        return
    error = _refusal_of(shape, json.dumps(dict.fromkeys(names, value)).encode())

    assert not isinstance(error, MalformedBody)
    assert [item.field for item in error.items] == names
    assert [item.code for item in error.items] == [f"{name}_invalid" for name in names]
    assert all(item.message.startswith(f"{item.field}: ") for item in error.items)


def test_only_the_wrong_fields_are_reported() -> None:
    body = b'{"email": "kim@example.org", "email_verified": "yes", "name": null, "locale": 7}'

    assert [item.field for item in _refusal_of(requests.CreateUser, body).items] == [
        "email_verified",
        "locale",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"password_hash_type": "hunter2"},
        {"password_salt_position": "hunter2"},
        {"password": {"hunter2": "hunter2"}},
        {"password": ["hunter2"]},
        {"email_verified": "hunter2"},
        {"metadata": {"hunter2": 1}},
        {"metadata": {"a": ["hunter2"]}},
        {"metadata": "hunter2"},
        {"hunter2": 1, "name": 1},
    ],
    ids=json.dumps,
)
def test_error_never_repeats_a_value(fields: dict[str, Any]) -> None:
    error = _refusal_of(requests.CreateUser, json.dumps(fields).encode())

    assert error.items
    assert "hunter2" not in str((error.message, error.items))


def test_every_supported_hash_type_is_accepted() -> None:
    for kind in ("bcrypt", "firebase-scrypt", "ssha", "ssha256", "scrypt", "pbkdf2", "argon2"):
        body = json.dumps({"password_hash_type": kind}).encode()
        assert requests.read(requests.CreateUser, body).password_hash_type == kind


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"code": "123456"', id="cut off after a value"),
        pytest.param(b'{"code": "1234', id="cut off in a value"),
        pytest.param(b'{"code": "123456",}', id="trailing comma"),
        pytest.param(b"{'code': '123456'}", id="single quotes"),
        pytest.param(b'{"code": "123456"} x', id="trailing text"),
        pytest.param(b'{"code": "123456"}{}', id="two objects"),
        pytest.param(b"code=123456", id="form"),
        pytest.param(b'{"code": NaN}', id="NaN"),
        pytest.param(b'{"code": 123456', id="a wrong type, then cut off"),
        pytest.param(b'{"code": 123456, bad', id="a wrong type, then invalid JSON"),
        pytest.param(b'{"code": 123456, "x": 1e999}', id="a wrong type, then a number out of range"),
        pytest.param(b'{"code": 123456, "x": "\xff"}', id="a wrong type, then invalid UTF-8"),
        pytest.param(b'{"code": "\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"code": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'\xef\xbb\xbf{"code": "123456"}', id="byte order mark"),
        pytest.param('{"code": "1"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\0", id="NUL"),
        pytest.param(b"[" * 50_000, id="deep and unclosed"),
        pytest.param(b"[" * 50_000 + b"]" * 50_000, id="deep"),
        pytest.param(b'{"code": ' + b"[" * 50_000, id="deep in a field"),
        pytest.param(b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="deep in an unknown field"),
        pytest.param(b'{"x": ' + b'{"x": ' * 50_000 + b"1" + b"}" * 50_001, id="deep objects"),
        pytest.param(
            b'{"code": 1, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="a wrong type, then deep"
        ),
    ],
)
def test_invalid_json_is_a_malformed_body(body: bytes) -> None:
    error = _refusal_of(requests.VerifyChallenge, body)

    assert isinstance(error, MalformedBody)
    assert error.message.startswith("The request body ")
    assert "123456" not in error.message
    assert not error.items


@pytest.mark.parametrize(
    "body", [b"[1]", b'["code"]', b'"code"', b"123456", b"true", b"false", b"[ ]", b"[{}]"]
)
def test_json_that_is_not_an_object_is_a_malformed_body(body: bytes) -> None:
    error = _refusal_of(requests.VerifyChallenge, body)

    assert isinstance(error, MalformedBody)
    assert error.message == "The request body must be a JSON object."


def test_repeated_field_with_a_wrong_type_is_refused() -> None:
    assert _refusal_of(requests.VerifyChallenge, b'{"code": "123456", "code": 1}').items
    assert (
        _refusal_of(requests.VerifyChallenge, b'{"code": 1, "code": "123456"}').code
        == "invalid_request_parameters"
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"&&", {}),
        (
            b"grant_type=password&email=kim%40example.org",
            {"grant_type": "password", "email": "kim@example.org"},
        ),
        (b"password=a+b%20c%2Bd", {"password": "a b c+d"}),
        (b"password=%C3%BC&password=\xc3\xbc", {"password": "\u00fc"}),
        (b"password=", {"password": ""}),
        (b"password", {"password": ""}),
        (b"password=a=b", {"password": "a=b"}),
        (b"code=1&code=2", {"code": "2"}),
        (b"unknown=1&code=2&%00=3", {"code": "2"}),
    ],
)
def test_form_body_is_decoded(body: bytes, fields: dict[str, str]) -> None:
    assert requests.read_form(requests.Authenticate, body) == requests.Authenticate(**fields)


@pytest.mark.parametrize("body", [b"\xff", b"password=hunter2\xff", "password=hunter2".encode("utf-16")])
def test_form_that_is_not_utf_8_is_a_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        requests.read_form(requests.Authenticate, body)
    assert caught.value.message == "The request body is not a valid form."


@given(st.binary(max_size=60))
def test_any_bytes_decode_as_a_form_or_are_refused(body: bytes) -> None:
    try:
        requests.read_form(requests.Authenticate, body)
    except MalformedBody:
        return


@given(st.binary(max_size=60))
def test_any_bytes_decode_as_json_or_are_refused(body: bytes) -> None:
    try:
        requests.read(requests.VerifyChallenge, body)
    except InvalidRequest:
        return


@given(
    st.dictionaries(
        st.sampled_from(["email", "metadata", "email_verified", "password_salt_position", "x"]), JSON
    )
)
def test_any_json_is_accepted_or_every_wrong_field_is_reported(fields: dict[str, Any]) -> None:
    wrong: set[str] = set()
    try:
        requests.read(requests.CreateUser, json.dumps(fields).encode())
    except MalformedBody:
        raise
    except InvalidRequest as error:
        wrong = {item.field for item in error.items}

    assert wrong == {name for name, value in fields.items() if not _fits(name, value)}
