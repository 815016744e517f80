"""Where a form may come from, how cookies are written, and what a page may load."""

import pytest

from authfactor.http.pages import browser_security
from authfactor.http.pages.browser_security import Cookie, CrossOrigin

BASE = "https://mfa.example.org"


def sent(**named: str) -> dict[bytes, bytes]:
    headers = {"host": "mfa.example.org"} | {name.replace("_", "-"): value for name, value in named.items()}
    return {name.encode(): value.encode() for name, value in headers.items()}


@pytest.mark.parametrize(
    "headers",
    [
        sent(sec_fetch_site="same-origin"),
        sent(sec_fetch_site="none"),
        sent(sec_fetch_site="same-origin", origin="null"),
        sent(origin=BASE),
        sent(origin=BASE, host="127.0.0.1:8080"),
        sent(origin="http://10.0.0.1:8080", host="10.0.0.1:8080"),
    ],
)
def test_a_form_of_our_own_page_is_let_in(headers: dict[bytes, bytes]) -> None:
    browser_security.check_origin("POST", headers, BASE)


@pytest.mark.parametrize(
    "headers",
    [
        sent(sec_fetch_site="cross-site"),
        sent(sec_fetch_site="same-site"),
        sent(sec_fetch_site="cross-site", origin=BASE),
        sent(origin="https://evil.example"),
        sent(origin="https://mfa.example.org.evil.example"),
        sent(origin="https://mfa.example.org:444"),
        sent(origin="null"),
        sent(origin=""),
        sent(host="", origin="null"),
        sent(),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_any_other_form_is_refused(headers: dict[bytes, bytes], method: str) -> None:
    with pytest.raises(CrossOrigin):
        browser_security.check_origin(method, headers, BASE)


def test_reading_is_free_for_everybody() -> None:
    browser_security.check_origin("GET", sent(sec_fetch_site="cross-site"), BASE)


def test_a_cookie_is_host_only_secure_and_out_of_reach_of_scripts() -> None:
    name, value = browser_security.cookie(Cookie("session", "abc", 600), BASE)
    assert name == b"set-cookie"
    parts = value.decode().split("; ")
    assert parts[0] == "__Host-session=abc"
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"} == set(parts[1:])


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9"])
def test_on_loopback_by_plain_http_a_cookie_does_without_secure(base: str) -> None:
    _, value = browser_security.cookie(Cookie("session", "abc", None, "Strict"), base)
    assert value == b"session=abc; Path=/; HttpOnly; SameSite=Strict"


@pytest.mark.parametrize(
    "base", ["https://localhost", "http://mfa.example.org", "http://127.0.0.1.evil.example"]
)
def test_everywhere_else_it_never_does(base: str) -> None:
    assert b"; Secure" in browser_security.cookie(Cookie("session", "abc"), base)[1]


def test_a_cookie_without_the_prefix_is_not_ours() -> None:
    headers = {b"cookie": b"session=planted; other=1; __Host-session=mine"}
    assert browser_security.read_cookie(headers, "session", BASE) == "mine"
    assert browser_security.read_cookie({b"cookie": b"session=planted"}, "session", BASE) is None
    assert browser_security.read_cookie({}, "session", BASE) is None


def policy(form_target: str | None = None) -> dict[str, str]:
    found = dict(browser_security.page_headers(form_target))[b"content-security-policy"].decode()
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in found.split(";"))}


def test_a_page_may_load_from_here_only_and_run_nothing_inline() -> None:
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
def test_a_form_may_end_at_the_one_place_it_names(target: str, source: str) -> None:
    assert policy(target)["form-action"] == f"'self' {source}"
