"""Redirect URIs: which may be listed, and what a listed one matches."""

import pytest

from authfactor.errors import InvalidRequest
from authfactor.rules.hosted_sign_in.redirect_uri_rules import (
    check_default,
    check_uri,
    is_loopback_uri,
    matches,
    with_answer,
)

ANYWHERE = [
    "https://app.example.org",
    "https://app.example.org/callback",
    "https://app.example.org:8443/callback?tenant=acme",
    "https://[2001:db8::1]/callback",
    "https://*.example.org/callback",
    "https://pr-*.example.org/callback",
    "https://*-preview.app.example.org/callback",
    "http://127.0.0.1/callback",
    "http://127.0.0.1:3000/callback",
    "http://127.0.0.1:*/callback",
    "http://[::1]:8080",
    "org.example.app:/callback",
    "org.example.app://callback",
]
DEVELOPMENT_ALONE = [
    "http://localhost:3000/callback",
    "http://localhost:*/callback",
    "http://app.internal/callback",
    "http://*.dev.internal/callback",
]
NOWHERE = [
    "",
    "x",
    "/callback",
    "//app.example.org/callback",
    "https:///callback",
    "https://",
    "https:app.example.org/callback",
    "https://app.example.org/callback#fragment",
    "https://app.example.org/callback#",
    "https://kim@app.example.org/callback",
    "https://kim:secret@app.example.org/callback",
    "https://app.example.org\\@evil.example/callback",
    "https://app.example.org/call back",
    "https://app.example.org/\ncallback",
    "https://app.example.org/callbäck",
    "https://bücher.example/callback",
    "https://app.example.org:port/callback",
    "https://app.example.org:/callback",
    "https://app.example.org:99999/callback",
    "https://[::1/callback",
    "HTTPS://app.example.org/callback",
    "https://a..example.org/callback",
    "https://app.example.org/callback?code=1",
    "https://app.example.org/callback?state=1&x=2",
    "https://app.example.org/callback?error=1",
    "https://app.example.org/callback?%63ode=1",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "myapp://callback",
    "org.example.*:/callback",
    f"https://app.example.org/{'x' * 2048}",
    # Wildcards.
    "https://*",
    "https://*/callback",
    "https://*.*.example.org/callback",
    "https://*.org/callback",
    "https://app-*.co.uk/callback",
    "https://acme-*.vercel.app/callback",
    "https://app.*.example.org/callback",
    "https://app.example.*/callback",
    "https://app.example.org/*",
    "https://app.example.org/callback?x=*",
    "https://app.example.org:*/callback",
    "https://*.example.org:*/callback",
    "https://**.example.org/callback",
    "http*://app.example.org/callback",
    "*://app.example.org/callback",
    "*",
]


@pytest.mark.parametrize("uri", ANYWHERE)
@pytest.mark.parametrize("production", [True, False])
def test_uri_may_be_listed_anywhere(uri: str, production: bool) -> None:
    assert check_uri(uri, production=production) == uri


@pytest.mark.parametrize("uri", DEVELOPMENT_ALONE)
def test_uri_may_be_listed_outside_production_alone(uri: str) -> None:
    assert check_uri(uri, production=False) == uri
    with pytest.raises(InvalidRequest):
        check_uri(uri, production=True)


@pytest.mark.parametrize("uri", NOWHERE)
@pytest.mark.parametrize("production", [True, False])
def test_uri_may_be_listed_nowhere(uri: str, production: bool) -> None:
    with pytest.raises(InvalidRequest):
        check_uri(uri, production=production)


def test_default_stands_for_itself() -> None:
    assert check_default(ANYWHERE[0]) == ANYWHERE[0]
    with pytest.raises(InvalidRequest):
        check_default("https://*.example.org/callback")


EXACT = "https://app.example.org/callback"
WILD = "https://pr-*.example.org/callback"


@pytest.mark.parametrize(
    ("listed", "given"),
    [
        (EXACT, EXACT),
        (WILD, "https://pr-12.example.org/callback"),
        (WILD, "https://pr-a_B-9.example.org/callback"),
        ("https://*-preview.example.org/", "https://x-preview.example.org/"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:51000/callback"),
        ("http://127.0.0.1:3000/callback", "http://127.0.0.1:51000/callback"),
        ("http://[::1]/callback", "http://[::1]:51000/callback"),
        ("http://localhost:*/callback", "http://localhost:51000/callback"),
        ("http://localhost:*/callback", "http://localhost/callback"),
        ("org.example.app:/callback", "org.example.app:/callback"),
    ],
)
def test_uri_matches(listed: str, given: str) -> None:
    assert matches(listed, given)


@pytest.mark.parametrize(
    ("listed", "given"),
    [
        *(
            (EXACT, given)
            for given in (
                "",
                f"{EXACT}/",
                f"{EXACT}?",
                f"{EXACT}#",
                f"{EXACT}?x=1",
                f"{EXACT}\n",
                f" {EXACT}",
                f"{EXACT}/../evil",
                "https://app.example.org/Callback",
                "https://APP.example.org/callback",
                "https://app.example.org:443/callback",
                "https://app.example.org./callback",
                "https://app.example.org.evil.example/callback",
                "https://app.example.org@evil.example/callback",
                "https://evil.example/https://app.example.org/callback",
                "https://appXexample.org/callback",
                "http://app.example.org/callback",
                "//app.example.org/callback",
                "https:app.example.org/callback",
                "https://app.example.org\\callback",
                "https://app.example.org%2fcallback",
            )
        ),
        *(
            (WILD, given)
            for given in (
                "https://pr-.example.org/callback",
                "https://pr-a.b.example.org/callback",
                "https://pr-a/.example.org/callback",
                "https://pr-a@.example.org/callback",
                "https://pr-evil.example#.example.org/callback",
                "https://pr-evil.example?.example.org/callback",
                "https://pr-evil.example\\.example.org/callback",
                "https://pr-ä.example.org/callback",
                "https://pr-%61.example.org/callback",
                "https://pr-a.example.org/callback?x",
                "https://pr-a.example.org/callback\n",
                "https://pr-a\n.example.org/callback",
                f"https://pr-{'a' * 2048}.example.org/callback",
            )
        ),
        ("http://127.0.0.1/callback", "http://127.0.0.1:/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1@evil.example/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1.evil.example/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.2/callback"),
        ("http://127.0.0.1/callback", "https://127.0.0.1/callback"),
        ("http://localhost/callback", "http://localhost:51000/callback"),
        ("http://localhost:*/callback", "http://localhost:1a/callback"),
        ("http://localhost:*/callback", "http://localhost:80:80/callback"),
        ("https://app.example.org:8443/", "https://app.example.org:8444/"),
    ],
)
def test_uri_does_not_match(listed: str, given: str) -> None:
    assert not matches(listed, given)


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:3000/a/b?c=d&e",
        "http://127.0.0.1:1/callback",
        "http://[::1]:1/callback?x",
    ],
)
def test_uri_leads_to_loopback(uri: str) -> None:
    assert is_loopback_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://localhost/",
        "http://localhost:x/",
        "http://localhost:/",
        "http://localhost:123456/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://localhost:80@evil.example/",
        "http://kim@localhost/",
        "http://localhost#@evil.example/",
        "http://localhost\\@evil.example/",
        "http://localhost/#x",
        "http://localhost/ x",
        "http://localhost/\n",
        "http://LOCALHOST/",
        "http://127.1/",
        "http://127.0.0.1.nip.io/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/?code=1",
        "http://localhost/?a&state=",
        f"http://localhost/{'x' * 2048}",
        "localhost/",
    ],
)
def test_uri_does_not_lead_to_loopback(uri: str) -> None:
    assert not is_loopback_uri(uri)


@pytest.mark.parametrize(
    ("uri", "answered"),
    [
        ("https://a.example", "https://a.example?code=1"),
        ("https://a.example/x", "https://a.example/x?code=1"),
        ("https://a.example/x?", "https://a.example/x?code=1"),
        ("https://a.example/x?y=z", "https://a.example/x?y=z&code=1"),
        ("https://a.example/x?y=z&", "https://a.example/x?y=z&code=1"),
        ("org.example.app:/x", "org.example.app:/x?code=1"),
    ],
)
def test_answer_is_added_to_the_query(uri: str, answered: str) -> None:
    assert with_answer(uri, "code=1") == answered
