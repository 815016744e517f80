"""Webhook endpoints over HTTP, as the contract describes them."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from authfactor import errors
from authfactor.http import error_responses
from authfactor.rules.events import event_log
from authfactor.rules.events.webhook_endpoints import KNOWN_EVENTS, InvalidWebhookUrl
from authfactor.wire.webhooks import PUBLIC_EVENTS, CreateWebhookEndpoint
from tests.support.server_process import Server, command_line, fields, running
from tests.support.webhook_installation import WebhookInstallation
from tests.support.webhook_receiver import Receiver, verified_time

PATH = "/webhook_endpoints"
KEYS = {"object", "id", "endpoint_url", "secret", "status", "events", "created_at", "updated_at"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("webhooks") / "data"
    settings = {
        "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true",
        "AUTHFACTOR_MAX_WEBHOOK_ENDPOINTS": "100",
    }
    with running(data, settings) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def url() -> str:
    return f"https://example.com/{uuid.uuid4().hex}"


@pytest.fixture
def endpoint(api: httpx.Client, url: str) -> dict[str, Any]:
    return fields(api.post(PATH, json={"endpoint_url": url, "events": ["user.created"]}), 201)


def test_new_endpoint_is_enabled_and_listed_with_its_secret(
    api: httpx.Client, endpoint: dict[str, Any], url: str
) -> None:
    assert set(endpoint) == KEYS
    assert endpoint["object"] == "webhook_endpoint"
    assert endpoint["id"].startswith("we_")
    assert endpoint["secret"].startswith("whsec_")
    assert (endpoint["endpoint_url"], endpoint["status"], endpoint["events"]) == (
        url,
        "enabled",
        ["user.created"],
    )
    listed = fields(api.get(PATH, params={"limit": 100}), 200)
    assert listed["object"] == "list"
    assert endpoint in listed["data"]


def test_endpoint_list_pages_by_cursor(api: httpx.Client, endpoint: dict[str, Any], url: str) -> None:
    second = fields(api.post(PATH, json={"endpoint_url": f"{url}/2", "events": ["user.created"]}), 201)
    first_page = fields(api.get(PATH, params={"limit": 1}), 200)
    assert first_page["data"] == [second]
    assert first_page["list_metadata"] == {"before": None, "after": second["id"]}
    after = fields(api.get(PATH, params={"limit": 1, "after": second["id"]}), 200)
    assert after["data"] == [endpoint]
    assert after["list_metadata"]["before"] == endpoint["id"]
    unknown = fields(api.get(PATH, params={"after": "we_unknown"}), 422)
    assert unknown["code"] == "invalid_request_parameters"


def test_patch_changes_only_the_given_fields(api: httpx.Client, endpoint: dict[str, Any], url: str) -> None:
    path = f"{PATH}/{endpoint['id']}"
    changed = fields(api.patch(path, json={"status": "disabled"}), 200)
    assert changed == {**endpoint, "status": "disabled", "updated_at": changed["updated_at"]}
    changed = fields(api.patch(path, json={"endpoint_url": f"{url}/b", "events": ["session.created"]}), 200)
    assert (changed["endpoint_url"], changed["events"]) == (f"{url}/b", ["session.created"])
    assert (changed["status"], changed["secret"]) == ("disabled", endpoint["secret"])
    assert fields(api.patch(path, json={"endpoint_url": None, "status": None}), 200)["status"] == "disabled"


def test_duplicate_endpoint_url_is_refused(api: httpx.Client, endpoint: dict[str, Any], url: str) -> None:
    duplicate = fields(api.post(PATH, json={"endpoint_url": url, "events": ["user.updated"]}), 409)
    assert duplicate["code"] == "duplicate_endpoint"
    other = fields(api.post(PATH, json={"endpoint_url": f"{url}/b", "events": ["user.updated"]}), 201)
    refused = fields(api.patch(f"{PATH}/{other['id']}", json={"endpoint_url": url}), 409)
    assert refused["code"] == "duplicate_endpoint"
    assert (
        fields(api.patch(f"{PATH}/{endpoint['id']}", json={"endpoint_url": url}), 200)["endpoint_url"] == url
    )


def test_deleted_endpoint_is_not_found(api: httpx.Client, endpoint: dict[str, Any]) -> None:
    path = f"{PATH}/{endpoint['id']}"
    response = api.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    for response in (api.delete(path), api.patch(path, json={"status": "enabled"})):
        body = fields(response, 404)
        assert (body["code"], body["entity_id"]) == ("entity_not_found", endpoint["id"])


@pytest.mark.parametrize(
    ("body", "item"),
    [
        ({"events": ["user.created"]}, ("endpoint_url", "endpoint_url_required")),
        ({"endpoint_url": "https://example.com"}, ("events", "events_required")),
        ({"endpoint_url": "https://example.com", "events": []}, ("events", "events_required")),
        ({"endpoint_url": "https://example.com", "events": ["no.event"]}, ("events", "unknown_event_type")),
        ({"endpoint_url": "https://example.com", "events": "user.created"}, ("events", "events_invalid")),
        ({"endpoint_url": 5, "events": ["user.created"]}, ("endpoint_url", "endpoint_url_invalid")),
    ],
)
def test_invalid_endpoint_request_names_the_field(
    api: httpx.Client,
    body: Any,  # noqa: ANN401 - JSON
    item: tuple[str, str],
) -> None:
    refused = fields(api.post(PATH, json=body), 422)
    assert refused["code"] == "invalid_request_parameters"
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [item]
    assert all(error["message"] for error in refused["errors"])


def test_invalid_url_has_a_separate_error_code(api: httpx.Client, endpoint: dict[str, Any]) -> None:
    for response in (
        api.post(PATH, json={"endpoint_url": "ftp://example.com", "events": ["user.created"]}),
        api.patch(f"{PATH}/{endpoint['id']}", json={"endpoint_url": "https://user@example.com"}),
    ):
        refused = fields(response, 422)
        assert refused["code"] == "invalid_url"
        assert [error["field"] for error in refused["errors"]] == ["endpoint_url"]


async def test_internal_urls_and_http_are_refused_by_default(
    open_installation: Callable[..., Any],
) -> None:
    installation: WebhookInstallation = await open_installation(webhook_private_addresses=False)
    for url in ("https://127.0.0.1/", "https://2130706433/", "http://example.com/"):
        with pytest.raises(InvalidWebhookUrl) as raised:
            installation.af.webhooks.create(
                installation.environment, CreateWebhookEndpoint(url, ["user.created"])
            )
        assert error_responses.status_of(raised.value) == 422


async def test_endpoints_are_isolated_between_environments(installation: WebhookInstallation) -> None:
    endpoint = await installation.endpoint("https://example.com/hooks")
    other = await installation.af.run(installation.af.environments.create("other", team_name="Other"))
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.webhooks.delete(other, endpoint.id))
    request = CreateWebhookEndpoint("https://example.com/hooks", ["user.created"])
    await installation.af.run(installation.af.webhooks.create(other, request))
    await installation.user()
    assert [item.endpoint_id for item in await installation.deliveries()] == [endpoint.id]


def test_every_emitted_event_can_be_subscribed_to() -> None:
    names = {
        value
        for name, value in vars(event_log).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_")
    }
    assert len(names) > 10
    # The test event needs no subscription.
    assert names - KNOWN_EVENTS == {event_log.PING}
    assert len(PUBLIC_EVENTS) == 93


def test_server_delivers_and_the_cli_shows_and_resends(
    server: Server, api: httpx.Client, receiver: Receiver
) -> None:
    body = {"endpoint_url": receiver.url, "events": ["user.created"]}
    endpoint = fields(api.post(PATH, json=body), 201)
    user = fields(api.post("/user_management/users", json={"email": f"{uuid.uuid4().hex}@example.org"}), 201)
    delivered = _wait_for_state(server, endpoint["id"], "delivered")
    assert receiver.received[0].event["data"] == user
    verified_time(receiver.received[0], endpoint["secret"])
    assert (delivered["event"], delivered["user_id"]) == ("user.created", user["id"])
    deliveries = server.run("webhooks", "deliveries", "--endpoint", endpoint["id"])
    assert delivered["id"] in deliveries.stdout
    resent = server.run("--json", "webhooks", "resend", delivered["id"])
    assert json.loads(resent.stdout)["state"] == "pending"
    _wait_for_state(server, endpoint["id"], "delivered")
    assert [item.event["id"] for item in receiver.received] == [delivered["event_id"]] * 2
    listed = server.run("webhooks", "list", "--limit", "100")
    assert endpoint["id"] in listed.stdout
    secret = endpoint["secret"]
    assert secret not in listed.stdout + deliveries.stdout + json.dumps(delivered) + server.output()
    unknown = server.run("webhooks", "resend", "wd_unknown")
    assert unknown.returncode == 4
    assert unknown.stderr == "authfactor: Webhook Delivery not found: 'wd_unknown'.\n"


def test_test_events_of_api_and_command_line_arrive_and_are_audited(
    server: Server, api: httpx.Client, receiver: Receiver
) -> None:
    body = {"endpoint_url": receiver.url, "events": ["session.created"]}
    endpoint = fields(api.post(PATH, json=body), 201)
    pinged = fields(api.post(f"/authfactor{PATH}/{endpoint['id']}/ping"), 202)
    assert (pinged["object"], pinged["event"], pinged["state"]) == (
        "webhook_delivery",
        "authfactor.ping",
        "pending",
    )
    assert _wait_for_state(server, endpoint["id"], "delivered")["id"] == pinged["id"]
    again = json.loads(server.run("--json", "webhooks", "ping", endpoint["id"]).stdout)
    while len(receiver.received) < 2:
        _wait_for_state(server, endpoint["id"], "delivered")
    assert [item.event["id"] for item in receiver.received] == [pinged["event_id"], again["event_id"]]
    for item in receiver.received:
        verified_time(item, endpoint["secret"])
        assert item.event["event"] == "authfactor.ping"
        assert item.event["data"] == {
            "object": "webhook_endpoint",
            "id": endpoint["id"],
            "endpoint_url": receiver.url,
        }
    entries = [json.loads(line) for line in server.run("audit", "export").stdout.splitlines()]
    pings = [entry for entry in entries if entry["action"] == "webhook_endpoint.ping"]
    assert [(entry["actor_kind"], entry["target"]) for entry in pings] == [
        ("api_key", endpoint["id"]),
        ("command_line", endpoint["id"]),
    ]


def test_refused_test_event_says_why(server: Server, api: httpx.Client, endpoint: dict[str, Any]) -> None:
    unknown = fields(api.post(f"/authfactor{PATH}/we_unknown/ping"), 404)
    assert unknown["entity_id"] == "we_unknown"
    fields(api.patch(f"{PATH}/{endpoint['id']}", json={"status": "disabled"}), 200)
    refused = fields(api.post(f"/authfactor{PATH}/{endpoint['id']}/ping"), 409)
    assert refused["code"] == "webhook_endpoint_disabled"
    done = server.run("webhooks", "ping", endpoint["id"])
    assert (done.returncode, "is disabled" in done.stderr) == (5, True)


def test_endpoints_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", {"AUTHFACTOR_MAX_WEBHOOK_ENDPOINTS": "1"}) as server,
        server.client() as api,
    ):
        bodies = [{"endpoint_url": f"https://example.com/{n}", "events": ["user.created"]} for n in "ab"]
        fields(api.post(PATH, json=bodies[0]), 201)
        refused = fields(api.post(PATH, json=bodies[1]), 422)
    assert [(item["field"], item["code"]) for item in refused["errors"]] == [
        ("endpoint_url", "endpoint_limit_reached")
    ]


async def test_command_line_shows_pauses_and_their_cause(
    installation: WebhookInstallation, tmp_path: Path
) -> None:
    endpoint = await installation.endpoint("https://example.com/hooks")
    error, until = "the receiver responded with 503", installation.clock.now
    await installation.af.run(
        lambda tx: tx.db.run(
            "UPDATE webhook_endpoints SET failures = 5, last_error = $1, paused_until = $2", error, until
        )
    )
    environment = {
        "AUTHFACTOR_DATA": str(tmp_path),
        "AUTHFACTOR_DATABASE_URL": installation.af.settings.database_url,
    }
    table = command_line("webhooks", "list", **environment)
    assert "paused until 2023-11-14T22:13:30.000Z" in table.stdout
    assert f"last error: {error}" in table.stdout
    [listed] = json.loads(command_line("--json", "webhooks", "list", **environment).stdout)["data"]
    assert (listed["id"], listed["failures"], listed["last_error"]) == (endpoint.id, 5, error)
    assert listed["paused_until"] == "2023-11-14T22:13:30.000Z"


def _wait_for_state(server: Server, endpoint_id: str, state: str) -> dict[str, Any]:
    """Poll the command line until a delivery of the endpoint is in the state, and return it."""
    for _ in range(40):
        command = ("--json", "webhooks", "deliveries", "--endpoint", endpoint_id, "--state", state)
        found = json.loads(server.run(*command).stdout)["data"]
        if found:
            delivery = found[0]
            assert isinstance(delivery, dict)
            return delivery
    raise AssertionError(f"no delivery is {state}")
