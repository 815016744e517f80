"""Rate limiting, and client addresses behind proxies."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from authfactor.http.rate_limiting import MAX_HOPS, ClientAddresses, TokenBuckets, client_network
from authfactor.settings import Settings
from tests.support.server_process import CLIENT_ID, Server, running


def test_burst_is_allowed_then_limited_to_the_rate() -> None:
    buckets = TokenBuckets(rate=2, burst=3)

    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert buckets.take("b", 0.0) == 0, "each name has a separate bucket"
    assert [buckets.take("a", 0.5), buckets.take("a", 0.5)] == [0, 1]
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 1], "at most the burst is saved up"


def test_wait_never_exceeds_five_seconds() -> None:
    buckets = TokenBuckets(rate=1, burst=1)
    waits = [buckets.take("a", 0.0) for _ in range(50)]

    assert waits[0] == 0
    assert set(waits[1:]) == {1}
    assert max(TokenBuckets(1, 1).take("a", now) for now in (0.0, -100.0, 0.0)) <= 5


def test_number_of_buckets_is_bounded() -> None:
    buckets = TokenBuckets(rate=1, burst=1, max_buckets=100)
    for number in range(10_000):
        buckets.take(f"address {number}", 0.0)

    assert len(buckets._buckets) == 100


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", text.encode()) for text in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # an untrusted peer may send any header
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        (
            "10.0.0.1",
            ["203.0.113.9, 198.51.100.7"],
            "198.51.100.7",
        ),  # the left part comes from the client
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ['nonsense"}\n'], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("", ["198.51.100.7"], ""),
        # A socket on `::` reports IPv4 clients, and a proxy may forward them, in their IPv6 form.
        ("::ffff:192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["203.0.113.9, ::ffff:198.51.100.7, ::FFFF:0a00:2"], "198.51.100.7"),
        ("fe80::1%eth0", [], "fe80::1"),
    ],
)
def test_client_address_is_the_nearest_untrusted_hop(peer: str, forwarded: list[str], expected: str) -> None:
    assert ClientAddresses(Settings(trusted_proxies="10.0.0.0/8")).of(scope(peer, *forwarded)) == expected


@pytest.mark.parametrize("proxies", ["::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "10.0.0.1"])
def test_trusted_proxies_may_be_given_in_their_ipv6_form(proxies: str) -> None:
    addresses = ClientAddresses(Settings(trusted_proxies=proxies))
    assert addresses.of(scope("10.0.0.1", "198.51.100.7")) == "198.51.100.7"
    assert addresses.of(scope("11.0.0.1", "198.51.100.7")) == "11.0.0.1"


def test_forwarded_header_is_ignored_without_trusted_proxies() -> None:
    assert ClientAddresses(Settings()).of(scope("127.0.0.1", "198.51.100.7")) == "127.0.0.1"


def test_only_the_nearest_forwarded_hops_are_looked_at() -> None:
    addresses = ClientAddresses(Settings(trusted_proxies="10.0.0.0/8"))
    nearest = [f"10.0.0.{number}" for number in range(MAX_HOPS)]
    assert addresses.of(scope("10.9.9.9", ", ".join(["192.0.2.1", *nearest[1:]]))) == "192.0.2.1"
    assert addresses.of(scope("10.9.9.9", ", ".join(["192.0.2.1", *nearest]))) == "10.0.0.0"


def test_ipv6_clients_are_limited_by_their_64_network() -> None:
    assert (
        client_network("2001:db8:1:2:3:4:5:6")
        == client_network("2001:db8:1:2::")
        != client_network("2001:db8:1:3::")
    )
    assert client_network("fe80::1%eth0") == "fe80::"
    assert client_network("192.0.2.1") == "192.0.2.1"
    assert client_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_network("unix") == "unix"


def test_excess_requests_get_429_with_retry_after(tmp_path: Path) -> None:
    server = Server(
        tmp_path / "data",
        {
            "AUTHFACTOR_RATE_PER_KEY": "1",
            "AUTHFACTOR_RATE_PER_KEY_BURST": "5",
            "AUTHFACTOR_RATE_PER_ADDRESS": "1",
            "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "20",
            "AUTHFACTOR_TRUSTED_PROXIES": "127.0.0.1",
        },
    )
    server.start()
    with server.client() as client:

        def get_status(path: str, address: str) -> int:
            response = client.get(path, headers={"x-forwarded-for": address})
            if response.status_code == 429:
                assert response.json()["code"] == "rate_limit_exceeded"
                assert 1 <= int(response.headers["retry-after"]) <= 5
            return response.status_code

        by_key = [get_status("/user_management/users", f"198.51.100.{number}") for number in range(10)]
        by_address = [get_status("/sso/jwks/client_test", "203.0.113.9") for _ in range(25)]
        health = {get_status("/healthz", "203.0.113.9") for _ in range(30)}
    assert server.stop() == 0
    assert (by_key[:5], by_key[-1]) == ([200] * 5, 429)
    assert (by_address[:20], by_address[-1]) == ([200] * 20, 429)
    assert health == {200}, "health probes are never limited"


def test_excess_sign_ins_get_429_in_the_shape_of_an_oauth_error(tmp_path: Path) -> None:
    server = Server(
        tmp_path / "data", {"AUTHFACTOR_RATE_PER_ADDRESS": "1", "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "2"}
    )
    server.start()
    with server.client() as client:
        sign_ins = [
            client.post("/user_management/authenticate", json={"grant_type": "password"}) for _ in range(10)
        ]
        elsewhere = [client.get("/user_management/users") for _ in range(5)]
    assert server.stop() == 0
    response = next(each for each in sign_ins if each.status_code == 429)
    assert response.json() == {
        "error": "too_many_requests",
        "error_description": "Too many requests. Wait a moment, then slow down.",
    }
    assert 1 <= int(response.headers["retry-after"]) <= 5
    refused = [each.json() for each in elsewhere if each.status_code == 429]
    assert {body["code"] for body in refused} == {"rate_limit_exceeded"}


def test_requests_are_unlimited_by_default(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    with server.client() as client:
        assert {client.get("/user_management/users").status_code for _ in range(300)} == {200}
    assert server.stop() == 0


LIMITED = {
    # Otherwise a sign-in takes as long as the limit needs to refill.
    "AUTHFACTOR_REFUSAL_TIME": "0",
    "AUTHFACTOR_RATE_PER_KEY": "1",
    "AUTHFACTOR_RATE_PER_KEY_BURST": "10",
    "AUTHFACTOR_RATE_PER_ADDRESS": "1",
    "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "20",
    "AUTHFACTOR_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("limited") / "data", LIMITED) as server:
        yield server


def new_key(server: Server) -> str:
    """Create an API key, which has a rate limit of its own."""
    created = json.loads(server.run("--json", "keys", "create").stdout)
    return str(created["api_key"])


def statuses_until_limited(request: Callable[[int], httpx.Response]) -> list[int]:
    """Send requests until one is limited, at most a hundred; return the statuses."""
    statuses: list[int] = []
    while len(statuses) < 100 and 429 not in statuses:
        statuses.append(request(len(statuses)).status_code)
    return statuses


def test_sign_ins_count_against_the_limit_of_their_api_key(limited: Server) -> None:
    body = {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": new_key(limited),
        "email": "pat@example.org",
        "password": "x",
    }

    with limited.client(key=None) as client:

        def sign_in(number: int) -> httpx.Response:
            headers = {"x-forwarded-for": f"198.51.100.{number}"}
            return client.post("/user_management/authenticate", json=body, headers=headers)

        statuses = statuses_until_limited(sign_in)
    assert (statuses[:10], statuses[-1]) == ([400] * 10, 429)


def test_refreshes_without_a_secret_do_not_count_against_a_key(limited: Server) -> None:
    """A stranger who knows the public client id must not use up anyone's limit."""
    body = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": "x"}
    with limited.client(key=None) as client:
        statuses = {
            client.post(
                "/user_management/authenticate", json=body, headers={"x-forwarded-for": f"203.0.113.{number}"}
            ).status_code
            for number in range(100, 130)
        }
    assert statuses == {400}


def test_sign_ins_count_against_the_limit_of_their_address(limited: Server) -> None:
    headers = {"x-forwarded-for": "203.0.113.1"}
    with limited.client(key=None) as client:
        statuses = statuses_until_limited(
            lambda _: client.post("/user_management/authenticate", headers=headers)
        )
    assert (statuses[:20], statuses[-1]) == ([400] * 20, 429)


@pytest.mark.parametrize(
    "path", ["/nothing/here", "/user_management/users/x/y/z", "/user_management/authenticate"]
)
def test_requests_without_a_route_count_against_the_limits(limited: Server, path: str) -> None:
    status = 405 if path.endswith("authenticate") else 404
    own_address = {"x-forwarded-for": f"203.0.113.{2 + len(path)}"}
    with limited.client(new_key(limited)) as client, limited.client(key=None) as stranger:
        by_key = statuses_until_limited(
            lambda number: client.get(path, headers={"x-forwarded-for": f"198.51.100.{number}"})
        )
        by_address = statuses_until_limited(lambda _: stranger.get(path, headers=own_address))
        unknown_key = {"authorization": "Bearer sk_unknown", "x-forwarded-for": "203.0.113.200"}
        assert stranger.get(path, headers=unknown_key).status_code == status
    assert (by_key[:10], by_key[-1]) == ([status] * 10, 429)
    assert (by_address[:20], by_address[-1]) == ([status] * 20, 429)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_server_on_all_addresses_tells_ipv4_clients_apart_and_trusts_its_ipv4_proxy(tmp_path: Path) -> None:
    settings = {**LIMITED, "AUTHFACTOR_RATE_PER_ADDRESS_BURST": "5", "AUTHFACTOR_LOG_FORMAT": "json"}
    server = Server(tmp_path / "data", settings)
    server.start("--host", "::")
    with (
        server.client(key=None) as proxy,
        httpx.Client(
            transport=httpx.HTTPTransport(local_address="127.0.0.2"), base_url=server.url, trust_env=False
        ) as direct,
    ):
        statuses = statuses_until_limited(
            lambda _: proxy.get("/nothing", headers={"x-forwarded-for": "198.51.100.1"})
        )
        assert (statuses[0], statuses[-1]) == (404, 429)
        assert proxy.get("/nothing", headers={"x-forwarded-for": "198.51.100.2"}).status_code == 404
        assert direct.get("/nothing").status_code == 404
    assert server.stop() == 0
    assert '"address":"198.51.100.1"' in server.output().replace(" ", "")
    assert '"address":"127.0.0.2"' in server.output().replace(" ", "")
