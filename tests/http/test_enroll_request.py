"""The reference page's request, field by field: enrol a user in a TOTP factor."""

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


def picture_of(factor: dict[str, Any]) -> Image.Image:
    head, _, text = factor["totp"]["qr_code"].partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def test_the_answer_holds_both_pairs_of_names_for_the_same_objects(
    api: httpx.Client, user: dict[str, Any], factors_path: str
) -> None:
    made = fields(api.post(factors_path, json={"type": "totp"}), 201)

    assert set(made) == {"authentication_factor", "authentication_challenge", "factor", "challenge"}
    assert made["factor"] == made["authentication_factor"]
    assert made["challenge"] == made["authentication_challenge"]
    assert_factor(made["factor"], user["id"], SECRET_KEYS)
    assert_challenge(made["challenge"], made["factor"]["id"])


def test_every_field_given_is_honoured(enroll: Callable[..., Enrolled]) -> None:
    totp = enroll(totp_issuer="Foo Corp", totp_user="alan@foo-corp.com", totp_secret=RFC_SECRET).factor[
        "totp"
    ]

    assert (totp["issuer"], totp["user"], totp["secret"]) == ("Foo Corp", "alan@foo-corp.com", RFC_SECRET)
    assert totp["uri"] == (
        f"otpauth://totp/Foo%20Corp:alan@foo-corp.com?secret={RFC_SECRET}"
        "&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30"
    )


def test_every_field_left_out_has_its_default(enrolled: Enrolled) -> None:
    totp = enrolled.factor["totp"]

    assert (totp["issuer"], totp["user"]) == ("Acme Corp", enrolled.user["email"])
    assert len(totp["secret"]) == 32
    assert len(base64.b32decode(totp["secret"])) == 20


@pytest.mark.parametrize("absent", [None, ""])
def test_null_and_empty_names_are_read_as_left_out(
    api: httpx.Client, user: dict[str, Any], factors_path: str, absent: str | None
) -> None:
    body = {
        "type": "totp",
        "totp_issuer": absent,
        "totp_user": absent,
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
def test_the_picture_decodes_to_exactly_the_uri_whatever_the_names(
    enroll: Callable[..., Enrolled], issuer: str, account: str
) -> None:
    factor = enroll(totp_issuer=issuer, totp_user=account).factor
    totp, picture = factor["totp"], picture_of(factor)

    assert picture.format == "PNG"
    assert min(picture.size) >= 200
    found: list[Any] = zxingcpp.read_barcodes(picture.convert("L"), try_invert=False)
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


def test_a_second_reader_finds_the_uri_in_the_picture(
    enrolled: Enrolled, needs: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "factor.png"
    path.write_bytes(base64.b64decode(enrolled.factor["totp"]["qr_code"].partition(",")[2]))

    read = subprocess.run(
        [needs("zbarimg"), "--quiet", "--raw", "--nodbus", path], capture_output=True, text=True, check=True
    )

    assert read.stdout.strip() == enrolled.factor["totp"]["uri"]


def test_a_code_of_oathtool_verifies_and_then_is_refused(
    api: httpx.Client, enrolled: Enrolled, needs: Callable[[str], Path]
) -> None:
    oathtool = needs("oathtool")
    digits = subprocess.run(
        [oathtool, "--totp", "--base32", enrolled.secret], capture_output=True, text=True, check=True
    ).stdout.strip()
    challenge = fields(api.post(f"/auth/factors/{enrolled.factor['id']}/challenge"), 201)

    assert fields(api.post(enrolled.verify_path, json={"code": digits}), 201)["valid"] is True
    again = fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": digits}), 201)
    assert (again["valid"], again["reason"]) == (False, "code_already_used")


def test_an_imported_secret_makes_the_codes(api: httpx.Client, enroll: Callable[..., Enrolled]) -> None:
    imported = enroll(totp_secret=RFC_SECRET)

    answer = api.post(imported.verify_path, json={"code": authenticator.code(RFC_SECRET)})

    assert fields(answer, 201)["valid"] is True


SPELLINGS = [
    ("lower case", RFC_SECRET.lower()),
    ("spaces", " ".join(RFC_SECRET[at : at + 4] for at in range(0, 32, 4))),
    ("hyphens", "-".join(RFC_SECRET[at : at + 8] for at in range(0, 32, 8))),
    ("padding", f"{RFC_SECRET}======"),
]


@pytest.mark.parametrize("given", [text for _, text in SPELLINGS], ids=[name for name, _ in SPELLINGS])
def test_a_secret_is_normalised_and_shown_so(enroll: Callable[..., Enrolled], given: str) -> None:
    totp = enroll(totp_secret=given).factor["totp"]

    assert totp["secret"] == RFC_SECRET
    assert f"secret={RFC_SECRET}&" in totp["uri"]


@pytest.mark.parametrize("size", [10, 20, 32, 64, 128])
def test_a_secret_of_any_allowed_length_works(
    api: httpx.Client, enroll: Callable[..., Enrolled], size: int
) -> None:
    secret = base64.b32encode(bytes(range(size))).decode().rstrip("=")
    imported = enroll(totp_secret=secret)

    assert imported.secret == secret
    answer = api.post(imported.verify_path, json={"code": authenticator.code(secret)})
    assert fields(answer, 201)["valid"] is True
