"""Rate shaping and addresses behind proxies."""

from pathlib import Path
from typing import Any

import pytest

from authfactor.http.rate_limiting import ClientAddresses, TokenBuckets, client_network
from authfactor.settings import Settings
from tests.support.server_process import Server


def test_a_burst_goes_through_and_then_the_rate_holds() -> None:
    limit = TokenBuckets(rate=2, burst=3)

    assert [limit.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert limit.take("b", 0.0) == 0, "others have a bucket of their own"
    assert [limit.take("a", 0.5), limit.take("a", 0.5)] == [0, 1]
    assert [limit.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 1], "no more than the burst is saved up"


def test_nobody_is_told_to_wait_longer_than_five_seconds() -> None:
    limit = TokenBuckets(rate=1, burst=1)
    waits = [limit.take("a", 0.0) for _ in range(50)]

    assert waits[0] == 0
    assert set(waits[1:]) == {1}
    assert max(TokenBuckets(1, 1).take("a", at) for at in (0.0, -100.0, 0.0)) <= 5


def test_a_flood_of_names_takes_no_more_memory() -> None:
    limit = TokenBuckets(rate=1, burst=1, max_buckets=100)
    for number in range(10_000):
        limit.take(f"address {number}", 0.0)

    assert len(limit._buckets) == 100


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", text.encode()) for text in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # a stranger may say what it likes
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        (
            "10.0.0.1",
            ["203.0.113.9, 198.51.100.7"],
            "198.51.100.7",
        ),  # the left part is the client's own claim
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ['nonsense"}\n'], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_address_is_the_nearest_that_no_trusted_proxy_has(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert ClientAddresses(Settings(trusted_proxies="10.0.0.0/8")).of(scope(peer, *forwarded)) == expected


def test_without_trusted_proxies_the_header_is_nothing() -> None:
    assert ClientAddresses(Settings()).of(scope("127.0.0.1", "198.51.100.7")) == "127.0.0.1"


def test_one_client_is_one_ipv6_network() -> None:
    assert (
        client_network("2001:db8:1:2:3:4:5:6")
        == client_network("2001:db8:1:2::")
        != client_network("2001:db8:1:3::")
    )
    assert client_network("fe80::1%eth0") == "fe80::"
    assert client_network("192.0.2.1") == "192.0.2.1"


def test_who_asks_too_often_is_told_when_to_go_on(tmp_path: Path) -> None:
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

        def ask(path: str, address: str) -> int:
            answer = client.get(path, headers={"x-forwarded-for": address})
            if answer.status_code == 429:
                assert answer.json()["code"] == "rate_limit_exceeded"
                assert 1 <= int(answer.headers["retry-after"]) <= 5
            return answer.status_code

        by_key = [ask("/user_management/users", f"198.51.100.{number}") for number in range(10)]
        by_address = [ask("/sso/jwks/client_test", "203.0.113.9") for _ in range(25)]
        health = {ask("/healthz", "203.0.113.9") for _ in range(30)}
    assert server.stop() == 0
    assert (by_key[:5], by_key[-1]) == ([200] * 5, 429)
    assert (by_address[:20], by_address[-1]) == ([200] * 20, 429)
    assert health == {200}, "probes are never slowed down"


def test_without_limits_nobody_is_slowed_down(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    with server.client() as client:
        assert {client.get("/user_management/users").status_code for _ in range(300)} == {200}
    assert server.stop() == 0
