"""Senders and messages over HTTP: secrets are written and never read, and nothing is accepted in silence."""

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.support.server_process import Server, fields, running
from tests.support.webhook_receiver import Receiver, receiving

SENDER: Final = "/authfactor/senders/mail"
SMTP: Final = {
    "kind": "smtp",
    "from_address": "no-reply@example.org",
    "smtp": {"host": "mail.example.org", "username": "mailer", "password": "correct horse battery"},
}
LIMITS: Final = {"interval_seconds": 30, "per_hour": 5, "per_day": 10, "environment_per_hour": 100}


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server of its own, as its environment has a sender."""
    data = tmp_path_factory.mktemp("messages") / "data"
    with running(data, {"AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}) as server:
        yield server


@pytest.fixture
def api(mailing: Server) -> Iterator[httpx.Client]:
    with mailing.client() as client:
        yield client
        client.delete(SENDER)


def refused(answer: httpx.Response) -> list[str]:
    return [item["field"] for item in fields(answer, 422)["errors"]]


def test_sender_is_set_read_without_secrets_and_deleted(api: httpx.Client, mailing: Server) -> None:
    assert fields(api.get(SENDER), 404)["code"] == "entity_not_found"
    made = fields(api.put(SENDER, json=SMTP), 200)
    assert made == {
        "object": "mail_sender",
        "kind": "smtp",
        "from_address": "no-reply@example.org",
        "from_name": None,
        "reply_to": None,
        "smtp": {
            "host": "mail.example.org",
            "port": 465,
            "security": "tls",
            "username": "mailer",
            "password_set": True,
        },
        "off": [],
        "locale": "en",
        "limits": LIMITS,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    assert fields(api.get(SENDER), 200) == made
    stored = b"".join(path.read_bytes() for path in mailing.data.glob("authfactor.db*"))
    for secret in (b"correct horse battery", b"mail.example.org"):
        assert secret not in stored
    assert api.delete(SENDER).status_code == 204
    assert fields(api.delete(SENDER), 404)["code"] == "entity_not_found"


def test_absent_password_stays_for_the_same_server_alone(api: httpx.Client) -> None:
    fields(api.put(SENDER, json=SMTP), 200)
    smtp: dict[str, Any] = {"host": "mail.example.org", "username": "mailer"}
    kept = fields(api.put(SENDER, json={**SMTP, "smtp": smtp, "off": ["magic_auth"]}), 200)
    assert (kept["smtp"]["password_set"], kept["off"]) == (True, ["magic_auth"])
    for change in ({"host": "mail.example.com"}, {"port": 2465}, {"username": "other"}):
        assert refused(api.put(SENDER, json={**SMTP, "smtp": {**smtp, **change}})) == ["smtp.password"]
    none = fields(api.put(SENDER, json={**SMTP, "smtp": {**smtp, "password": None}}), 200)
    assert none["smtp"]["password_set"] is False


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": None, "smtp": None}, "kind"),
        ({"kind": "sms"}, "kind"),
        ({"kind": "webhook", "smtp": None}, "webhook"),
        ({"from_address": None}, "from_address"),
        ({"from_address": "a@example.org\r\nBcc: b@example.org"}, "from_address"),
        ({"from_address": "a@example.org, b@example.org"}, "from_address"),
        ({"from_name": "Acme\r\nBcc: b@example.org"}, "from_name"),
        ({"from_name": ""}, "from_name"),
        ({"reply_to": "no-address"}, "reply_to"),
        ({"smtp": None}, "smtp"),
        ({"smtp": {"host": "mail.example.org", "port": 0}}, "smtp.port"),
        ({"smtp": {"host": "mail.example.org", "security": "none"}}, "smtp.security"),
        ({"smtp": {"host": "mail.example.org/x"}}, "smtp.host"),
        ({"smtp": {"host": "a b"}}, "smtp.host"),
        ({"smtp": {"host": "mail.example.org:25"}}, "smtp.host"),
        ({"smtp": {"host": "mail.example.org", "username": "a\nb", "password": "c"}}, "smtp.username"),
        ({"smtp": {"host": "mail.example.org", "tls": False}}, "smtp"),
        ({"webhook": {"url": "https://example.org/"}}, "webhook"),
        ({"off": ["magic"]}, "off[0]"),
        ({"locale": "xx"}, "locale"),
        ({"limits": {"per_hour": 0}}, "limits.per_hour"),
        ({"limits": {"per_minute": 1}}, "limits"),
        ({"bcc": "a@example.org"}, "body"),
    ],
)
def test_wrong_sender_is_refused_by_name(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    assert refused(api.put(SENDER, json={**SMTP, **change})) == [field]
    assert api.get(SENDER).status_code == 404


def test_webhook_secret_is_made_returned_once_and_kept(api: httpx.Client) -> None:
    sender = {"kind": "webhook", "webhook": {"url": "https://example.org/mail"}}
    made = fields(api.put(SENDER, json=sender), 200)
    assert made["webhook"]["secret"].startswith("whsec_")
    assert fields(api.get(SENDER), 200)["webhook"] == {"url": "https://example.org/mail"}
    assert "secret" not in fields(api.put(SENDER, json=sender), 200)["webhook"]
    short = {"kind": "webhook", "webhook": {"url": "https://example.org/mail", "secret": "short"}}
    assert refused(api.put(SENDER, json=short)) == ["webhook.secret"]


def test_api_key_cannot_choose_the_servers_own_network(server: Server) -> None:
    with server.client() as strict:
        for host in ("localhost", "127.0.0.1", "0x7f.1", "10.0.0.1", "::1", "169.254.169.254"):
            smtp = {"host": host, "security": "none"}
            answer = strict.put(SENDER, json={**SMTP, "smtp": smtp})
            assert refused(answer) == ["smtp.host"]
            assert "senders mail set" in answer.text
        sender = {"kind": "webhook", "webhook": {"url": "http://127.0.0.1:9/"}}
        assert refused(strict.put(SENDER, json=sender)) == ["webhook.url"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_notice_is_sent_listed_masked_and_in_the_metrics(api: httpx.Client, receiver: Receiver) -> None:
    fields(api.put(SENDER, json={"kind": "webhook", "webhook": {"url": receiver.url}}), 200)
    time.sleep(1)  # callers are cached
    account = {"email": "ann@example.com", "email_verified": True, "password": "seven green bottles"}
    user = fields(api.post("/user_management/users", json=account), 201)
    changed = {"password": "eight green bottles"}
    fields(api.put(f"/user_management/users/{user['id']}", json=changed), 200)
    listed: list[dict[str, Any]] = []
    for _ in range(200):
        listed = fields(api.get("/authfactor/messages", params={"user_id": user["id"]}), 200)["data"]
        if listed and listed[0]["state"] == "sent":
            break
        time.sleep(0.05)
    (message,) = listed
    assert (message["object"], message["kind"], message["to"]) == (
        "message",
        "password_changed",
        "a***@example.com",
    )
    assert (message["state"], message["attempts"], message["error"]) == ("sent", 1, None)
    assert fields(api.get(f"/authfactor/messages/{message['id']}"), 200) == message
    assert json.loads(receiver.received[0].body)["id"] == message["id"]
    sent = fields(api.get("/authfactor/messages", params={"state": "sent"}), 200)["data"]
    assert [item["id"] for item in sent] == [message["id"]]
    assert fields(api.get("/authfactor/messages", params={"state": "failed"}), 200)["data"] == []
    events = fields(api.get("/events", params={"events": "authfactor.message_sent"}), 200)["data"]
    assert events[0]["data"]["message_id"] == message["id"]


def test_list_refuses_what_it_does_not_know(api: httpx.Client) -> None:
    assert refused(api.get("/authfactor/messages", params={"state": "lost"})) == ["state"]
    assert refused(api.get("/authfactor/messages", params={"to": "ann@example.com"})) == ["to"]
    assert fields(api.get("/authfactor/messages/message_01ZZZZZZZZZZZZZZZZZZZZZZZZ"), 404)["entity_id"]


def test_test_message_is_sent_at_once_and_charged(api: httpx.Client, receiver: Receiver) -> None:
    assert fields(api.post(f"{SENDER}/test", json={"to": "ann@example.com"}), 404)
    fields(api.put(SENDER, json={"kind": "webhook", "webhook": {"url": receiver.url}}), 200)
    assert refused(api.post(f"{SENDER}/test", json={})) == ["to"]
    assert refused(api.post(f"{SENDER}/test", json={"to": "a@example.org, b@example.org"})) == ["to"]
    tested = fields(api.post(f"{SENDER}/test", json={"to": "bo@example.com"}), 200)
    assert tested == {"object": "sender_test", "sent": True, "error": None}
    assert json.loads(receiver.received[0].body)["kind"] == "test"
    again = fields(api.post(f"{SENDER}/test", json={"to": "bo@example.com"}), 422)
    assert again["code"] == "send_limit_reached"
    assert again["retry_at"].endswith("Z")
    receiver.status = 500
    failed = fields(api.post(f"{SENDER}/test", json={"to": "cy@example.com"}), 200)
    assert failed == {"object": "sender_test", "sent": False, "error": "the receiver responded with 500"}
