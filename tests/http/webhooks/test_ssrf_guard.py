"""The SSRF guard: no spelling of an internal address is accepted as a webhook URL."""

import ipaddress
import socket

import pytest

from authfactor.outbound import ssrf_guard
from authfactor.outbound.ssrf_guard import ForbiddenUrl, admit, is_public
from authfactor.outbound.webhook_sender import WebhookSender, resolve
from tests.support.webhook_receiver import Receiver

INTERNAL = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
]


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"],
)
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:127.0.0.1]:8443/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://0/",
        "https://10.0.0.1:443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://①②⑦.0.0.1/",
        "https://127。0。0。1/",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "example.com/hooks",
        "",
        "https://",
        "https:///hooks",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1\\@example.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com/\r\nhost: x",
        "https://example.com\t/",
        "https://exa%6dple.com/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://a..b/",
        f"https://{'a' * 64}.com/",
        f"https://example.com/{'a' * 2048}",
    ],
)
def test_internal_or_malformed_urls_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        admit(url, private=False)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", ("https", "example.com", 443, "/")),
        ("https://Example.COM:8443/a/b?c=d%20e#f", ("https", "example.com", 8443, "/a/b?c=d%20e")),
        ("https://bücher.example/ü", ("https", "xn--bcher-kva.example", 443, "/%C3%BC")),
        ("https://1.1.1.1/", ("https", "1.1.1.1", 443, "/")),
        ("https://[2606:4700:0::1111]/", ("https", "2606:4700::1111", 443, "/")),
        ("HTTPS://hooks_1.example.com./x", ("https", "hooks_1.example.com.", 443, "/x")),
    ],
)
def test_public_urls_are_parsed(url: str, target: tuple[str, str, int, str]) -> None:
    assert tuple(admit(url, private=False)) == target


def test_private_setting_admits_http_and_loopback_but_no_malformed_urls() -> None:
    assert admit("http://127.0.0.1:8000/", private=True).authority == "127.0.0.1:8000"
    assert admit("http://[::1]/", private=True).authority == "[::1]"
    for url in ("http://user@127.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:0/"):
        with pytest.raises(ForbiddenUrl):
            admit(url, private=True)


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["::ffff:7f00:1"]])
async def test_host_that_resolves_to_an_internal_address_is_refused(
    answer: list[str], receiver: Receiver
) -> None:
    lookups = []

    async def resolver(host: str, port: int) -> list[str]:
        lookups.append((host, port))
        return answer

    sender = WebhookSender(timeout=5, private=False, resolver=resolver)
    outcome = await sender.post(f"https://hooks.example:{receiver.port}/", {}, b"{}")
    await sender.close()
    assert outcome.status is None
    assert outcome.error == "the URL leads into the server's own network"
    assert lookups == [("hooks.example", receiver.port)]
    assert receiver.received == []


async def test_connection_uses_the_checked_address(receiver: Receiver) -> None:
    answers = iter([["127.0.0.1"]])

    async def resolver(_host: str, _port: int) -> list[str]:
        # DNS rebinding needs a second lookup, which has no answer here.
        return next(answers)

    sender = WebhookSender(timeout=5, private=True, resolver=resolver)
    outcome = await sender.post(f"http://hooks.example:{receiver.port}/a?b", {"x-y": "z"}, b"{}")
    await sender.close()
    assert (outcome.status, outcome.error) == (200, None)
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert receiver.received[0].path == "/a?b"


async def test_unreachable_address_falls_back_to_the_next(receiver: Receiver) -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    sender = WebhookSender(timeout=5, private=True, resolver=resolver)
    outcome = await sender.post(f"http://hooks.example:{receiver.port}/", {}, b"{}")
    await sender.close()
    assert outcome.status == 200


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
async def test_obfuscated_loopback_hosts_resolve_to_no_public_address(host: str) -> None:
    addresses = await resolve(host, 443)
    assert addresses
    assert not any(is_public(ipaddress.ip_address(address)) for address in addresses)


async def test_unresolvable_host_is_a_delivery_error() -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    sender = WebhookSender(timeout=5, private=False, resolver=resolver)
    outcome = await sender.post("https://nowhere.example/", {}, b"{}")
    await sender.close()
    assert outcome.error == "the host name cannot be resolved"


def test_ip_literals_are_recognized_and_host_names_are_not() -> None:
    assert ssrf_guard.literal("0x7f.1") == ipaddress.ip_address("127.0.0.1")
    assert ssrf_guard.literal("example.com") is None
