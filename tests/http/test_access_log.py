"""What a server says: one line a request, only fields that are on the list, and never a secret."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authfactor.http.telemetry import log_setup
from authfactor.settings import Settings
from tests.support import authenticator
from tests.support.server_process import Server, fields

SECRETS = (
    "sk_live_0123456789abcdef",
    "otpauth://totp/Acme:kim?secret=JBSWY3DPEHPK3PXP",
    "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "123456",
    "authfactor:hunter2",
)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    out = io.StringIO()
    log_setup.set_up(Settings(log_format="json"), out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("authfactor").setLevel(logging.NOTSET)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_field_that_is_not_on_the_list_is_dropped(written: io.StringIO) -> None:
    logging.getLogger("authfactor").info(
        "checked", extra={"code": "123456", "password": "hunter2", "outcome": "ok"}
    )
    logging.getLogger("authfactor.http").warning(
        "checked", extra={"secret": "JBSWY3DPEHPK3PXP", "route": "GET /x"}
    )

    first, second = lines(written)
    assert first.keys() == {"time", "level", "event", "logger", "outcome"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["time"])
    assert second.keys() == {"time", "level", "event", "logger", "route"}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_sentence_with_a_credential_in_it_loses_the_credential(written: io.StringIO, secret: str) -> None:
    log = logging.getLogger("authfactor.http")
    log.error(
        "could not use %s here",
        f"postgresql://{secret}@db/x" if ":" in secret and "//" not in secret else secret,
    )
    try:
        int(f"Bearer {secret}, code={secret}")
    except ValueError:
        log.exception("unexpected")

    assert secret not in written.getvalue()
    assert "ValueError" in written.getvalue()


def test_a_level_that_is_not_wanted_is_not_written(written: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="json", log_level="error"), written)
    logging.getLogger("authfactor.http").warning("w")
    logging.getLogger("authfactor").info("i")
    logging.getLogger("authfactor.http").error("e")

    assert [line["event"] for line in lines(written)] == ["e"]


def test_off_is_off(written: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="json", log_level="off"), written)
    logging.getLogger("authfactor.http").critical("c")

    assert written.getvalue() == ""


def test_people_read_no_json(written: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="human"), written)
    logging.getLogger("authfactor.http").warning("the disk is full", extra={"request_id": "r-1"})

    assert re.search(r"warning.*the disk is full.*request_id=r-1", written.getvalue())
    assert "\x1b" not in written.getvalue()


def test_people_at_a_terminal_see_colours_and_tracebacks(written: io.StringIO) -> None:
    written.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    log_setup.set_up(Settings(log_format="auto"), written)
    try:
        int("token=hunter2")
    except ValueError:
        logging.getLogger("authfactor.http").exception("unexpected", extra={"settings": "port, host"})

    said = written.getvalue()
    assert re.search(r"\x1b\[31m\S*error", said)
    assert "'port, host'" in said
    assert said.splitlines()[1].startswith("Traceback")
    assert "hunter2" not in said


def test_every_request_has_one_line_and_no_secret_is_in_any(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    told: list[str] = []
    ids = []
    try:
        with server.client() as client:
            user = fields(
                client.post(
                    "/user_management/users",
                    json={"email": "kim@example.org", "password": "seven green bottles"},
                ),
                201,
            )
            path = f"/user_management/users/{user['id']}/auth_factors"
            enrolled = client.post(path, json={"type": "totp"})
            ids.append(enrolled.headers["x-request-id"])
            factor = fields(enrolled, 201)
            secret = factor["authentication_factor"]["totp"]["secret"]
            challenge = factor["authentication_challenge"]["id"]
            code = authenticator.code(secret)
            wrong = client.post(
                f"/auth/challenges/{challenge}/verify", json={"code": authenticator.wrong_code(secret)}
            )
            right = client.post(f"/auth/challenges/{challenge}/verify", json={"code": code})
            gone = client.get("/auth/factors/auth_factor_x?token=hunter2hunter2")
            lost = client.get("/no/such/place?code=654321")
            ids += [answer.headers["x-request-id"] for answer in (wrong, right, gone, lost)]
            told = [
                secret,
                "seven green bottles",
                "hunter2hunter2",
                "654321",
                "sk_test_default",
                "kim@example.org",
                f'"{code}"',
            ]
    finally:
        assert server.stop() == 0
    output = server.output()
    found = {
        line["request_id"]: line
        for line in map(json.loads, re.findall(r"^\{.*\}$", output, re.MULTILINE))
        if line["event"] == "request"
    }

    assert [found[one]["status"] for one in ids] == [201, 201, 201, 404, 404]
    assert [found[one]["outcome"] for one in ids] == ["ok", "ok", "ok", "entity_not_found", "not_found"]
    assert found[ids[1]]["route"] == "POST /auth/challenges/{challenge_id}/verify"
    assert found[ids[4]]["route"] == "unmatched"
    assert all(line["duration_ms"] >= 0 and line["address"] == "127.0.0.1" for line in found.values())
    assert all(line.keys() <= log_setup.FIELDS.keys() for line in found.values())
    assert [text for text in told if text in output] == []


def test_no_line_a_request_if_not_wanted(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_LOG_REQUESTS": "false"})
    server.start()
    with server.client() as client:
        assert client.get("/healthz").status_code == 200
    assert server.stop() == 0
    assert '"request"' not in server.output()
