"""`/metrics`: totals of all workers, including exited ones, and only for authorized clients."""

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from authfactor.http.app import all_routes
from authfactor.http.telemetry import shared_counters
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.reliability.test_trusted_devices_kill import second_step, trust
from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields, free_port, running

TOKEN: Final = "a token for scraping"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    """Parse the exposition text as Prometheus does."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Series, name: str, **labels: str) -> float:
    return sum(
        value
        for (series_name, series_labels), value in found.items()
        if series_name == name and labels.items() <= dict(series_labels).items()
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server_process = Server(
        tmp_path / "data",
        {"AUTHFACTOR_METRICS_PORT": str(free_port()), "AUTHFACTOR_METRICS_TOKEN": TOKEN},
    )
    server_process.start("--workers", "2")
    try:
        yield server_process
    finally:
        assert server_process.stop() == 0, server_process.output()


def scrape(server: Server) -> Series:
    port = server.setting("AUTHFACTOR_METRICS_PORT")
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return series(response.text)


def test_counters_cover_all_workers_including_exited_ones(server: Server) -> None:
    for _ in range(40):
        with server.client() as client:  # one connection per request, so that both workers get some
            assert client.get("/user_management/users").status_code == 200
    name, route = "authfactor_requests_total", "GET /user_management/users"

    assert {total(scrape(server), name, route=route, status="200") for _ in range(10)} == {40}
    for _ in range(2):
        victim = next(pid for pid in server.children())
        os.kill(victim, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (victim in server.children() or len(server.children()) < 2):
            time.sleep(0.05)
        time.sleep(0.5)
        assert {total(scrape(server), name, route=route, status="200") for _ in range(4)} == {40}
    found = scrape(server)
    assert total(found, "authfactor_request_duration_seconds_count", route=route) == 40
    assert 0 < total(found, "authfactor_request_duration_seconds_sum", route=route) < 40


def test_verification_outcomes_are_counted(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_METRICS_TOKEN": TOKEN, "AUTHFACTOR_LOCK_AFTER": "3"})
    server.start()
    try:
        with server.client() as client:

            def challenge(factor_id: str) -> str:
                return str(fields(client.post(f"/auth/factors/{factor_id}/challenge", json={}), 201)["id"])

            def verify(factor_id: str, code: str) -> None:
                client.post(f"/auth/challenges/{challenge(factor_id)}/verify", json={"code": code})

            factor = fields(
                client.post(
                    "/auth/factors/enroll", json={"type": "totp", "totp_issuer": "A", "totp_user": "b"}
                ),
                201,
            )
            secret, factor_id = factor["totp"]["secret"], factor["id"]
            code = authenticator.code(secret)
            first = challenge(factor_id)
            for _ in range(2):  # a repeated response is counted once
                client.post(f"/auth/challenges/{first}/verify", json={"code": code})
            verify(factor_id, code)
            for malformed in ("", "12345"):
                verify(factor_id, malformed)
            verify(factor_id, authenticator.code_at(secret, authenticator.current_step() - 6))
            verify(factor_id, authenticator.wrong_code(secret))
            verify(factor_id, authenticator.wrong_code(secret))
            response = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    finally:
        assert server.stop() == 0, server.output()
    found = series(response.text)

    outcomes = {
        kind: total(found, "authfactor_verifications_total", outcome=kind)
        for kind in shared_counters.VERDICTS
    }
    once = dict.fromkeys(("right", "replay", "drift", "wrong", "locked"), 1)
    assert outcomes == {**dict.fromkeys(shared_counters.VERDICTS, 0), **once, "malformed": 2}
    assert total(found, "authfactor_errors_total", code="one_time_code_too_many_attempts") == 1
    assert total(found, "authfactor_commit_batch_units_count") > 5
    assert abs(total(found, "authfactor_clock_drift_seconds", against="uptime")) < 5
    assert total(found, "authfactor_webhooks_pending") == 0


def test_verifications_on_hosted_pages_are_counted(tmp_path: Path) -> None:
    environment = {"AUTHFACTOR_METRICS_TOKEN": TOKEN, "AUTHFACTOR_LOCK_AFTER": "1"}
    with (
        running(tmp_path / "data", environment) as server,
        server.client() as api,
        server.client(None) as browser,
    ):
        user = fields(api.post("/user_management/users", json={"email": "pat@example.org"}), 201)
        for correct in (True, False):
            link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
            path = "/link/" + link["url"].rpartition("/")[2]
            opened = browser.post(path, headers={"origin": server.url})
            headers = {"cookie": opened.headers["set-cookie"].partition(";")[0], "origin": server.url}
            page = browser.get(opened.headers["location"], headers=headers)
            secret = page.text.partition('data-copy-text="')[2].partition('"')[0]
            if not correct:
                browser.post(opened.headers["location"], data={"code": "12345"}, headers=headers)
            kind = authenticator.code if correct else authenticator.wrong_code
            for _ in range(1 if correct else 2):
                browser.post(opened.headers["location"], data={"code": kind(secret)}, headers=headers)
        response = api.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    found = series(response.text)
    outcomes = {
        kind: total(found, "authfactor_verifications_total", outcome=kind)
        for kind in shared_counters.VERDICTS
    }
    once = dict.fromkeys(("right", "wrong", "malformed", "locked"), 1)
    assert outcomes == {**dict.fromkeys(shared_counters.VERDICTS, 0), **once}


def test_trusted_devices_are_counted_apart_from_codes(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", {"AUTHFACTOR_METRICS_TOKEN": TOKEN}) as server,
        server.client() as api,
    ):
        allowed = ("environments", "update", "default", "--trusted-devices", "allowed")
        assert server.run(*allowed).returncode == 0
        time.sleep(1)  # callers are cached
        (token,) = trust(api, "pat@example.org")
        for code, status in ((token, 200), ("td_junk", 400)):
            fields(second_step(api, "pat@example.org", code), status)
        response = api.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    found = series(response.text)
    for outcome in ("right", "trusted_device", "device_not_trusted"):
        assert total(found, "authfactor_verifications_total", outcome=outcome) == 1


def test_passkeys_are_counted_apart_from_codes(tmp_path: Path) -> None:
    origin, device = "https://auth.example.org", SoftwareAuthenticator(random.Random(1).randbytes)
    settings = {"AUTHFACTOR_METRICS_TOKEN": TOKEN, "AUTHFACTOR_BASE_URL": origin}
    with running(tmp_path / "data", settings) as server, server.client() as api:
        user = fields(api.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/authfactor/users/{user['id']}/passkey_registrations"
        begun = fields(api.post(path), 201)
        body = {"credential": device.create(begun["public_key"], origin)}
        made = fields(api.post(f"{path}/{begun['id']}/verify", json=body), 201)
        challenge = fields(api.post(f"/auth/factors/{made['id']}/challenge"), 201)
        asserted = device.get(challenge["webauthn"]["public_key"], origin)
        for code in ("{}", "{", json.dumps(asserted)):
            api.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": code})
        begun = fields(api.post("/authfactor/passkey_authentications"), 201)
        answer = {
            "client_id": CLIENT_ID,
            "client_secret": API_KEY,
            "grant_type": "urn:authfactor:oauth:grant-type:passkey",
            "authentication_id": begun["id"],
            "credential": device.get(begun["public_key"], origin),
        }
        fields(api.post("/user_management/authenticate", json=answer), 200)
        response = api.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    found = series(response.text)
    for outcome, count in (("passkey", 2), ("passkey_refused", 2), ("right", 0), ("wrong", 0)):
        assert total(found, "authfactor_verifications_total", outcome=outcome) == count


def test_metrics_on_the_api_port_require_the_token(server: Server) -> None:
    with server.client(None) as client:
        responses = [
            client.get("/metrics", headers={"authorization": value} if value else {}).status_code
            for value in ("", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN}")
        ]
    assert responses == [401, 401, 401, 200]


def test_metrics_on_the_api_port_are_refused_without_a_configured_token(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    with server.client(None) as client:
        assert client.get("/metrics", headers={"authorization": "Bearer x"}).status_code == 401
        assert client.get("/metrics").status_code == 401
    assert server.stop() == 0


def test_metrics_port_serves_only_metrics(server: Server) -> None:
    port = server.setting("AUTHFACTOR_METRICS_PORT")
    for path in ("/", "/healthz", "/user_management/users"):
        assert httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code == 404


def test_absorbing_an_exited_worker_keeps_counters_and_drops_gauges() -> None:
    layout = shared_counters.CounterLayout([route.name for route in all_routes()])
    counters = shared_counters.SharedCounters(layout, 2)
    first, second = counters.claim_region(), counters.claim_region()
    assert not counters.has_free_region()
    for number, times in ((first, 3), (second, 4)):
        writer = shared_counters.CounterWriter(layout, counters.region(number))
        for _ in range(times):
            writer.request("GET /healthz", 200, 10)
        writer.set_series("authfactor_commit_queue", [times])
    requests_offset, queue_offset = (
        layout.offset("authfactor_requests_total", "GET /healthz", "200"),
        layout.offset("authfactor_commit_queue"),
    )
    assert (counters.totals()[requests_offset], counters.totals()[queue_offset]) == (7, 7)

    counters.absorb_exited_worker(first)

    assert (counters.totals()[requests_offset], counters.totals()[queue_offset]) == (7, 4)
    assert counters.has_free_region()
    assert set(counters.region(counters.claim_region())) == {0}


def test_unknown_status_and_code_are_counted_as_other() -> None:
    layout = shared_counters.CounterLayout(["GET /x"])
    counters = shared_counters.SharedCounters(layout, 1)
    writer = shared_counters.CounterWriter(layout, counters.region(1))
    writer.request("GET /x", 418, 1)
    writer.error("a_new_code")

    assert counters.totals()[layout.offset("authfactor_requests_total", "GET /x", "other")] == 1
    assert counters.totals()[layout.offset("authfactor_errors_total", "other")] == 1


def test_metric_names_follow_prometheus_conventions() -> None:
    for family in shared_counters.CounterLayout(["GET /x"]).families.values():
        assert re.fullmatch(r"authfactor_[a-z_]+", family.name)
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert family.help_text.endswith(".")
