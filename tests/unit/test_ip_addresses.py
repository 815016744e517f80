"""One spelling for each IP address, and the network that counts as one client."""

import pytest

from authfactor import ip_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::192.0.2.1", "::c000:201"),  # the deprecated IPv4-compatible form is no mapped address
        ("192.0.2.256", "None"),
        ("", "None"),
        ("example.org", "None"),
    ],
)
def test_address_has_one_spelling(text: str, expected: str) -> None:
    assert str(ip_addresses.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("x", None),
        (None, None),
    ],
)
def test_client_is_an_ipv4_address_or_an_ipv6_64(text: str | None, expected: str | None) -> None:
    assert ip_addresses.client_network(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_network_of_mapped_addresses_is_an_ipv4_network(text: str, expected: str) -> None:
    assert str(ip_addresses.parse_network(text)) == expected


def test_network_with_host_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        ip_addresses.parse_network("10.0.0.1/8")
