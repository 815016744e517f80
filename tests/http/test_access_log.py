"""The log: one line per request, only fields on the allowlist, and never a secret."""

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
def log_output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    old_handlers, old_level = root.handlers[:], root.level
    output = io.StringIO()
    log_setup.set_up(Settings(log_format="json"), output)
    yield output
    root.handlers[:] = old_handlers
    root.setLevel(old_level)
    logging.getLogger("authfactor").setLevel(logging.NOTSET)


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_log_fields_not_on_the_allowlist_are_dropped(log_output: io.StringIO) -> None:
    logging.getLogger("authfactor").info(
        "checked", extra={"code": "123456", "password": "hunter2", "outcome": "ok"}
    )
    logging.getLogger("authfactor.http").warning(
        "checked", extra={"secret": "JBSWY3DPEHPK3PXP", "route": "GET /x"}
    )

    first, second = lines(log_output)
    assert first.keys() == {"time", "level", "event", "logger", "outcome"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["time"])
    assert second.keys() == {"time", "level", "event", "logger", "route"}


@pytest.mark.parametrize("secret", SECRETS)
def test_credentials_in_log_messages_are_redacted(log_output: io.StringIO, secret: str) -> None:
    log = logging.getLogger("authfactor.http")
    log.error(
        "could not use %s here",
        f"postgresql://{secret}@db/x" if ":" in secret and "//" not in secret else secret,
    )
    try:
        int(f"Bearer {secret}, code={secret}")
    except ValueError:
        log.exception("unexpected")

    assert secret not in log_output.getvalue()
    assert "ValueError" in log_output.getvalue()


def test_messages_below_the_log_level_are_dropped(log_output: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="json", log_level="error"), log_output)
    logging.getLogger("authfactor.http").warning("w")
    logging.getLogger("authfactor").info("i")
    logging.getLogger("authfactor.http").error("e")

    assert [line["event"] for line in lines(log_output)] == ["e"]


def test_log_level_off_suppresses_everything(log_output: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="json", log_level="off"), log_output)
    logging.getLogger("authfactor.http").critical("c")

    assert log_output.getvalue() == ""


def test_human_format_is_not_json(log_output: io.StringIO) -> None:
    log_setup.set_up(Settings(log_format="human"), log_output)
    logging.getLogger("authfactor.http").warning("the disk is full", extra={"request_id": "r-1"})

    assert re.search(r"warning.*the disk is full.*request_id=r-1", log_output.getvalue())
    assert "\x1b" not in log_output.getvalue()


def test_terminal_output_has_colors_and_redacted_tracebacks(log_output: io.StringIO) -> None:
    log_output.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    log_setup.set_up(Settings(log_format="auto"), log_output)
    try:
        int("token=hunter2")
    except ValueError:
        logging.getLogger("authfactor.http").exception("unexpected", extra={"settings": "port, host"})

    text = log_output.getvalue()
    assert re.search(r"\x1b\[31m\S*error", text)
    assert "'port, host'" in text
    assert text.splitlines()[1].startswith("Traceback")
    assert "hunter2" not in text


def test_every_request_is_logged_once_without_secrets(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    sent_secrets: list[str] = []
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
            correct = client.post(f"/auth/challenges/{challenge}/verify", json={"code": code})
            missing = client.get("/auth/factors/auth_factor_x?token=hunter2hunter2")
            unmatched = client.get("/no/such/place?code=654321")
            ids += [response.headers["x-request-id"] for response in (wrong, correct, missing, unmatched)]
            sent_secrets = [
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

    assert [found[request_id]["status"] for request_id in ids] == [201, 201, 201, 404, 404]
    assert [found[request_id]["outcome"] for request_id in ids] == [
        "ok",
        "ok",
        "ok",
        "entity_not_found",
        "not_found",
    ]
    assert found[ids[1]]["route"] == "POST /auth/challenges/{challenge_id}/verify"
    assert found[ids[4]]["route"] == "unmatched"
    assert all(line["duration_ms"] >= 0 and line["address"] == "127.0.0.1" for line in found.values())
    assert all(line.keys() <= log_setup.FIELDS.keys() for line in found.values())
    assert [secret for secret in sent_secrets if secret in output] == []


def test_access_log_can_be_disabled(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_LOG_REQUESTS": "false"})
    server.start()
    with server.client() as client:
        assert client.get("/healthz").status_code == 200
    assert server.stop() == 0
    assert '"request"' not in server.output()
