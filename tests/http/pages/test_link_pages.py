"""Hosted links over the API and the command line, and their pages without a browser."""

import base64
import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from authfactor.models import EnvironmentOptions, SignInOptions
from tests.support import authenticator
from tests.support.server_process import Server, fields

ENVIRONMENT = ("--environment", "default")
LINK_FIELDS = {
    "object",
    "id",
    "user_id",
    "status",
    "factor_id",
    "return_to",
    "created_at",
    "expires_at",
    "opened_at",
    "completed_at",
}


@pytest.fixture
def user(api: httpx.Client) -> dict[str, Any]:
    return fields(api.post("/user_management/users", json={"email": f"{uuid.uuid4().hex}@example.org"}), 201)


def path_of(link: dict[str, Any]) -> str:
    return "/link/" + str(link["url"].rpartition("/")[2])


def test_link_url_is_returned_only_on_creation(api: httpx.Client, user: dict[str, Any]) -> None:
    body = {"user_id": user["id"]}
    link = fields(api.post("/authfactor/enrollment_links", json=body), 201)
    assert set(link) == LINK_FIELDS | {"url"}
    assert (link["object"], link["status"], link["user_id"]) == ("enrollment_link", "pending", user["id"])
    read = fields(api.get(f"/authfactor/enrollment_links/{link['id']}"), 200)
    assert set(read) == LINK_FIELDS
    assert read == {name: value for name, value in link.items() if name != "url"}


def test_retried_request_returns_the_same_link(api: httpx.Client, user: dict[str, Any]) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    body = {"user_id": user["id"]}
    first, second = (api.post("/authfactor/enrollment_links", json=body, headers=headers) for _ in range(2))
    assert first.json() == second.json()


@pytest.mark.parametrize("kind", ["enrollment_links", "challenge_links"])
def test_link_creation_requires_an_api_key_and_a_user(
    api: httpx.Client, browser: httpx.Client, kind: str
) -> None:
    assert browser.post(f"/authfactor/{kind}", json={}).status_code == 401
    assert browser.get(f"/authfactor/{kind}/link_x").status_code == 401
    refused = fields(api.post(f"/authfactor/{kind}", json={}), 422)
    assert [item["code"] for item in refused["errors"]] == ["user_id_required"]
    assert api.post(f"/authfactor/{kind}", json={"user_id": "user_x"}).status_code in (404, 409)
    assert api.get(f"/authfactor/{kind}/link_x").status_code == 404


def test_challenge_link_requires_an_active_factor(api: httpx.Client, user: dict[str, Any]) -> None:
    refused = fields(api.post("/authfactor/challenge_links", json={"user_id": user["id"]}), 409)
    assert refused["code"] == "no_active_factor"


def test_form_without_an_origin_is_refused(
    api: httpx.Client, browser: httpx.Client, user: dict[str, Any], server: Server
) -> None:
    link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
    refused = browser.post(path_of(link))
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    assert "This form was not sent from our page" in refused.text
    opened = browser.post(path_of(link), headers={"origin": server.url})
    assert opened.status_code == 303
    assert opened.headers["location"] == f"/enroll/{link['id']}"


def test_link_events_do_not_contain_the_url(
    api: httpx.Client, browser: httpx.Client, user: dict[str, Any], server: Server
) -> None:
    link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
    opened = browser.post(path_of(link), headers={"origin": server.url})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    page = browser.get(opened.headers["location"], headers={"cookie": cookie})
    secret = page.text.partition('data-copy-text="')[2].partition('"')[0]
    headers = {"cookie": cookie, "origin": server.url}
    verified = browser.post(
        opened.headers["location"], data={"code": authenticator.code(secret)}, headers=headers
    )
    assert (verified.status_code, verified.headers["location"]) == (303, f"/enroll/{link['id']}")
    names = [f"authfactor.link_{state}" for state in ("created", "opened", "completed")]
    query: dict[str, Any] = {"events": names, "limit": 100, "order": "desc"}
    link_events = [
        item
        for item in fields(api.get("/events", params=query), 200)["data"]
        if item["data"]["link_id"] == link["id"]
    ]
    assert [item["event"] for item in link_events] == names[::-1]
    factor_id = fields(api.get(f"/authfactor/enrollment_links/{link['id']}"), 200)["factor_id"]
    assert link_events[0]["data"] == {
        "link_id": link["id"],
        "purpose": "enrollment",
        "user_id": user["id"],
        "factor_id": factor_id,
    }


def test_malformed_form_gets_an_html_error(browser: httpx.Client, server: Server) -> None:
    headers = {"origin": server.url, "content-type": "application/json", "cookie": "link_x=1"}
    refused = browser.post("/enroll/link_x", content=b'{"code":"1"}', headers=headers)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    refused = browser.post("/enroll/link_x", content=b"&".join([b"a=1"] * 101), headers=form)
    assert refused.status_code == 422
    assert browser.post("/enroll/link_x", content=b"code=\xff", headers=form).status_code == 422


@pytest.mark.parametrize(
    ("language", "text"), [("en", "A code is six digits."), ("de", "Ein Code besteht aus sechs Ziffern.")]
)
@pytest.mark.parametrize("kind", ["enrollment", "challenge"])
def test_what_cannot_be_a_code_is_explained_and_not_counted(
    api: httpx.Client,
    browser: httpx.Client,
    user: dict[str, Any],
    server: Server,
    language: str,
    text: str,
    kind: str,
) -> None:
    factors = f"/user_management/users/{user['id']}/auth_factors"
    secret = base64.b32encode(uuid.uuid4().bytes).decode().rstrip("=")
    if kind == "challenge":
        fields(api.post(factors, json={"type": "totp", "totp_secret": secret}), 201)
    link = fields(api.post(f"/authfactor/{kind}_links", json={"user_id": user["id"]}), 201)
    headers = {"origin": server.url, "accept-language": language}
    opened = browser.post(path_of(link), headers=headers)
    headers["cookie"] = opened.headers["set-cookie"].partition(";")[0]
    page = opened.headers["location"]
    if kind == "enrollment":
        secret = browser.get(page, headers=headers).text.partition('data-copy-text="')[2].partition('"')[0]
    for code in ("12345", "abcdef", "", "1234567", "12345", "12345"):
        refused = browser.post(page, data={"code": code}, headers=headers)
        assert refused.status_code == 422
        assert text in refused.text
        assert "attempt left" not in refused.text
        assert "Versuch." not in refused.text
    code = authenticator.code(secret)
    done = browser.post(page, data={"code": f"{code[:3]}-{code[3:]}"}, headers=headers)
    assert done.status_code == 303


def test_undecryptable_secret_shows_a_reference_without_details(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    with server.client() as api, server.client(key=None) as browser:
        user = fields(api.post("/user_management/users", json={"email": "pat@example.org"}), 201)
        link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
        opened = browser.post(path_of(link), headers={"origin": server.url})
        cookie = opened.headers["set-cookie"].partition(";")[0]
        with closing(sqlite3.connect(server.data / "authfactor.db", timeout=20)) as database, database:
            database.execute("UPDATE factors SET secret = 'v1:abcdef:AAAA'")
        failed = browser.get(opened.headers["location"], headers={"cookie": cookie})
    assert server.stop() == 0
    assert failed.status_code == 503
    assert "Something went wrong" in failed.text
    reference = failed.text.partition("mention this reference: ")[2][:12]
    assert f"reference {reference}: The key 'abcdef' that sealed this value" in server.output()
    assert "Traceback" not in server.output()
    assert path_of(link).rpartition("/")[2] not in server.output()


def test_cli_creates_links(server: Server, user: dict[str, Any]) -> None:
    creation = server.run("--json", *ENVIRONMENT, "links", "enroll", user["id"])
    assert creation.returncode == 0, creation.stderr
    link = json.loads(creation.stdout)
    assert link["url"].startswith(f"{server.url}/link/")
    details = server.run(*ENVIRONMENT, "links", "get", link["id"])
    assert "pending" in details.stdout
    assert link["url"] not in details.stdout
    refused = server.run(*ENVIRONMENT, "links", "challenge", user["id"])
    assert refused.returncode == 5
    assert "no active factor" in refused.stderr
    refused = server.run(*ENVIRONMENT, "links", "enroll", user["id"], "--return-to", "https://evil.example/")
    assert refused.returncode == 2
    assert "--page-redirect" in refused.stderr


def test_page_redirects_and_logout_redirects_do_not_overwrite_each_other(server: Server) -> None:
    server.run("environments", "create", "redirected")
    for option, url in (
        ("--logout-redirect", "https://a.example/"),
        ("--page-redirect", "https://b.example/"),
    ):
        assert server.run("environments", "update", "redirected", option, url).returncode == 0
    with closing(sqlite3.connect(server.data / "authfactor.db", timeout=20)) as database:
        (text,) = database.execute("SELECT options FROM environments WHERE name = 'redirected'").fetchone()
    stored = json.loads(text)
    # All options but the two are as the environment was created with.
    assert stored.pop("logout_redirects") == ["https://a.example/"]
    assert stored.pop("page_redirects") == ["https://b.example/"]
    options = EnvironmentOptions(sign_in=SignInOptions(verify_email="with_mail"))
    created = json.loads(msgspec.json.encode(options))
    assert stored == {name: created[name] for name in stored}
    assert created.keys() - stored.keys() == {"logout_redirects", "page_redirects"}
