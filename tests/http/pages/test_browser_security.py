"""Browser security: allowed origins of forms, cookie attributes, and the content security policy."""

import pytest

from authfactor.http.pages import browser_security
from authfactor.http.pages.browser_security import ConnectionNotEncrypted, Cookie, CrossOrigin
from authfactor.settings import Settings

BASE = "https://mfa.example.org"


def request_headers(**values: str) -> dict[bytes, bytes]:
    headers = {"host": "mfa.example.org"} | {name.replace("_", "-"): value for name, value in values.items()}
    return {name.encode(): value.encode() for name, value in headers.items()}


@pytest.mark.parametrize(
    "headers",
    [
        request_headers(sec_fetch_site="same-origin"),
        request_headers(sec_fetch_site="none"),
        request_headers(sec_fetch_site="same-origin", origin="null"),
        request_headers(origin=BASE),
        request_headers(origin=BASE, host="127.0.0.1:8080"),
        request_headers(origin="http://10.0.0.1:8080", host="10.0.0.1:8080"),
    ],
)
def test_same_origin_form_is_accepted(headers: dict[bytes, bytes]) -> None:
    browser_security.check_origin("POST", headers, BASE)


@pytest.mark.parametrize(
    "headers",
    [
        request_headers(sec_fetch_site="cross-site"),
        request_headers(sec_fetch_site="same-site"),
        request_headers(sec_fetch_site="cross-site", origin=BASE),
        request_headers(origin="https://evil.example"),
        request_headers(origin="https://mfa.example.org.evil.example"),
        request_headers(origin="https://mfa.example.org:444"),
        request_headers(origin="null"),
        request_headers(origin=""),
        request_headers(origin="https://"),
        request_headers(origin="https://["),
        request_headers(host="", origin="null"),
        request_headers(),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_cross_origin_form_is_refused(headers: dict[bytes, bytes], method: str) -> None:
    with pytest.raises(CrossOrigin):
        browser_security.check_origin(method, headers, BASE)


def test_cross_origin_get_is_allowed() -> None:
    browser_security.check_origin("GET", request_headers(sec_fetch_site="cross-site"), BASE)


LOOPBACK = "http://127.0.0.1:8080"
NOT_SET = "http://0.0.0.0:8080"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (request_headers(origin=BASE), BASE),
        (request_headers(origin="https://other.example.org", host="10.0.0.1:8080"), LOOPBACK),
        (request_headers(origin="http://localhost:8080", host="10.0.0.1:8080"), NOT_SET),
        # Browsers send it only to https and loopback URLs.
        (request_headers(sec_fetch_site="none", host="10.0.0.1:8080"), NOT_SET),
        (request_headers(origin="null", sec_fetch_site="same-origin", host="10.0.0.1:8080"), BASE),
        (request_headers(), BASE),
        (request_headers(host="MFA.example.org"), BASE),
        *((request_headers(host=host), NOT_SET) for host in ("127.0.0.1:8080", "[::1]:8080", "localhost")),
    ],
)
def test_pages_with_secrets_are_served_over_https_and_on_this_machine(
    headers: dict[bytes, bytes], base: str
) -> None:
    browser_security.check_encrypted(headers, Settings(base_url=base))


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (request_headers(origin="http://mfa.example.org"), BASE),
        (request_headers(origin="http://10.0.0.1:8080", sec_fetch_site="same-origin"), BASE),
        (request_headers(origin="http://127.0.0.1.evil.example", host="127.0.0.1:8080"), LOOPBACK),
        (request_headers(origin="httpsx://mfa.example.org"), BASE),
        (request_headers(host="mfa.example.org:8080"), BASE),
        (request_headers(host="10.0.0.1:8080"), BASE),
        (request_headers(host="10.0.0.1:8080"), LOOPBACK),
        (request_headers(host="10.0.0.1:8080"), NOT_SET),
        (request_headers(host="10.0.0.1:8080"), "http://10.0.0.1:8080"),
        *(
            (request_headers(host=host), NOT_SET)
            for host in ("0.0.0.0:8080", "", "[::1", "localhost.evil.example")
        ),
    ],
)
def test_pages_with_secrets_are_refused_over_plain_http_from_elsewhere(
    headers: dict[bytes, bytes], base: str
) -> None:
    with pytest.raises(ConnectionNotEncrypted):
        browser_security.check_encrypted(headers, Settings(base_url=base))
    # With TLS of its own, there is no plain HTTP.
    browser_security.check_encrypted(headers, Settings(base_url=base, tls_cert="cert.pem", tls_key="key.pem"))


def test_cookie_is_host_only_secure_and_http_only() -> None:
    name, value = browser_security.cookie(Cookie("session", "abc", 600), BASE)
    assert name == b"set-cookie"
    parts = value.decode().split("; ")
    assert parts[0] == "__Host-session=abc"
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"} == set(parts[1:])


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9"])
def test_cookie_over_http_on_loopback_is_not_secure(base: str) -> None:
    _, value = browser_security.cookie(Cookie("session", "abc", None, "Strict"), base)
    assert value == b"session=abc; Path=/; HttpOnly; SameSite=Strict"


@pytest.mark.parametrize(
    "base", ["https://localhost", "http://mfa.example.org", "http://127.0.0.1.evil.example"]
)
def test_cookie_elsewhere_is_always_secure(base: str) -> None:
    assert b"; Secure" in browser_security.cookie(Cookie("session", "abc"), base)[1]


def test_cookie_without_the_host_prefix_is_ignored() -> None:
    headers = {b"cookie": b"session=planted; other=1; __Host-session=mine"}
    assert browser_security.read_cookie(headers, "session", BASE) == "mine"
    assert browser_security.read_cookie({b"cookie": b"session=planted"}, "session", BASE) is None
    assert browser_security.read_cookie({}, "session", BASE) is None


def policy(form_target: str | None = None) -> dict[str, str]:
    found = dict(browser_security.page_headers(form_target))[b"content-security-policy"].decode()
    return {name: sources for name, _, sources in (part.strip().partition(" ") for part in found.split(";"))}


def test_csp_allows_only_own_resources_and_no_inline_code() -> None:
    found = policy()
    assert found["default-src"] == "'none'"
    assert found["script-src"] == found["style-src"] == found["connect-src"] == "'self'"
    assert found["frame-ancestors"] == found["base-uri"] == "'none'"
    assert found["form-action"] == "'self'"
    assert "unsafe" not in str(found)


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("https://app.example.org/a?b=c#d", "https://app.example.org"),
        ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000"),
        ("com.example.app:/done", "com.example.app:"),
    ],
)
def test_csp_form_action_allows_only_the_redirect_target(target: str, source: str) -> None:
    assert policy(target)["form-action"] == f"'self' {source}"


def test_only_a_page_that_asks_for_passkeys_may_use_them() -> None:
    for passkeys, allowed in ((True, "(self)"), (False, "()")):
        sent = dict(browser_security.page_headers(passkeys=passkeys))[b"permissions-policy"].decode()
        assert f"publickey-credentials-get={allowed}" in sent
        assert f"publickey-credentials-create={allowed}" in sent
        assert "camera=()" in sent
