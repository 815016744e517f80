"""The enrollment request, field by field."""

import base64
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import zxingcpp
from PIL import Image

from tests.http.conftest import Enrolled
from tests.support import authenticator
from tests.support.response_assertions import SECRET_KEYS, assert_challenge, assert_factor
from tests.support.server_process import fields

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def qr_code_image(factor: dict[str, Any]) -> Image.Image:
    head, _, text = factor["totp"]["qr_code"].partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def test_response_has_both_the_long_and_the_short_names(
    api: httpx.Client, user: dict[str, Any], factors_path: str
) -> None:
    created = fields(api.post(factors_path, json={"type": "totp"}), 201)

    assert set(created) == {"authentication_factor", "authentication_challenge", "factor", "challenge"}
    assert created["factor"] == created["authentication_factor"]
    assert created["challenge"] == created["authentication_challenge"]
    assert_factor(created["factor"], user["id"], SECRET_KEYS)
    assert_challenge(created["challenge"], created["factor"]["id"])


def test_given_fields_are_used(enroll: Callable[..., Enrolled]) -> None:
    totp = enroll(totp_issuer="Foo Corp", totp_user="alan@foo-corp.com", totp_secret=RFC_SECRET).factor[
        "totp"
    ]

    assert (totp["issuer"], totp["user"], totp["secret"]) == ("Foo Corp", "alan@foo-corp.com", RFC_SECRET)
    assert totp["uri"] == (
        f"otpauth://totp/Foo%20Corp:alan@foo-corp.com?secret={RFC_SECRET}"
        "&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30"
    )


def test_omitted_fields_have_defaults(enrolled: Enrolled) -> None:
    totp = enrolled.factor["totp"]

    assert (totp["issuer"], totp["user"]) == ("Acme Corp", enrolled.user["email"])
    assert len(totp["secret"]) == 32
    assert len(base64.b32decode(totp["secret"])) == 20


@pytest.mark.parametrize("empty_value", [None, ""])
def test_null_and_empty_names_have_defaults(
    api: httpx.Client, user: dict[str, Any], factors_path: str, empty_value: str | None
) -> None:
    body = {
        "type": "totp",
        "totp_issuer": empty_value,
        "totp_user": empty_value,
        "totp_secret": None,
        "User": user["id"],
    }

    totp = fields(api.post(factors_path, json=body), 201)["factor"]["totp"]

    assert (totp["issuer"], totp["user"]) == ("Acme Corp", user["email"])


def test_generated_secrets_differ(enroll: Callable[..., Enrolled]) -> None:
    assert enroll().secret != enroll().secret


NAMES = [
    ("Acme", "kim@example.org"),
    ("Acme: East", "dev:kim@example.org"),
    ("100% sure & more?", "kim+tag@example.org"),
    ("Zoë's Läden 🔑", "ünï@example.org"),
    ("東京", "研究所"),
    ("A" * 64, "b" * 128),
]


@pytest.mark.parametrize(("issuer", "account"), NAMES)
def test_qr_code_decodes_to_the_uri(enroll: Callable[..., Enrolled], issuer: str, account: str) -> None:
    factor = enroll(totp_issuer=issuer, totp_user=account).factor
    totp, image = factor["totp"], qr_code_image(factor)

    assert image.format == "PNG"
    assert min(image.size) >= 200
    found: list[Any] = zxingcpp.read_barcodes(image.convert("L"), try_invert=False)
    assert [item.text for item in found] == [totp["uri"]]
    assert (totp["issuer"], totp["user"]) == (issuer, account)
    parts = urlsplit(totp["uri"])
    assert parse_qs(parts.query, strict_parsing=True) == {
        "secret": [totp["secret"]],
        "issuer": [issuer.replace(":", " ")],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert parts.path.count(":") == 1


def test_zbar_reads_the_uri_from_the_qr_code(
    enrolled: Enrolled, needs: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "factor.png"
    path.write_bytes(base64.b64decode(enrolled.factor["totp"]["qr_code"].partition(",")[2]))

    zbar = subprocess.run(
        [needs("zbarimg"), "--quiet", "--raw", "--nodbus", path], capture_output=True, text=True, check=True
    )

    assert zbar.stdout.strip() == enrolled.factor["totp"]["uri"]


def test_code_of_oathtool_verifies_once(
    api: httpx.Client, enrolled: Enrolled, needs: Callable[[str], Path]
) -> None:
    oathtool = needs("oathtool")
    digits = subprocess.run(
        [oathtool, "--totp", "--base32", enrolled.secret], capture_output=True, text=True, check=True
    ).stdout.strip()
    challenge = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201)

    assert fields(api.post(enrolled.verify_path, json={"code": digits}), 201)["valid"] is True
    replayed = fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": digits}), 201)
    assert (replayed["valid"], replayed["reason"]) == (False, "code_already_used")


def test_codes_of_an_imported_secret_verify(api: httpx.Client, enroll: Callable[..., Enrolled]) -> None:
    imported = enroll(totp_secret=RFC_SECRET)

    response = api.post(imported.verify_path, json={"code": authenticator.code(RFC_SECRET)})

    assert fields(response, 201)["valid"] is True


SPELLINGS = [
    ("lower case", RFC_SECRET.lower()),
    ("spaces", " ".join(RFC_SECRET[at : at + 4] for at in range(0, 32, 4))),
    ("hyphens", "-".join(RFC_SECRET[at : at + 8] for at in range(0, 32, 8))),
    ("padding", f"{RFC_SECRET}======"),
]


@pytest.mark.parametrize("secret", [text for _, text in SPELLINGS], ids=[name for name, _ in SPELLINGS])
def test_imported_secret_is_returned_normalized(enroll: Callable[..., Enrolled], secret: str) -> None:
    totp = enroll(totp_secret=secret).factor["totp"]

    assert totp["secret"] == RFC_SECRET
    assert f"secret={RFC_SECRET}&" in totp["uri"]


@pytest.mark.parametrize("size", [10, 20, 32, 64, 128])
def test_secret_of_any_allowed_length_verifies(
    api: httpx.Client, enroll: Callable[..., Enrolled], size: int
) -> None:
    secret = base64.b32encode(bytes(range(size))).decode().rstrip("=")
    imported = enroll(totp_secret=secret)

    assert imported.secret == secret
    response = api.post(imported.verify_path, json={"code": authenticator.code(secret)})
    assert fields(response, 201)["valid"] is True
