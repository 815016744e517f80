"""The lists of redirect URIs and CORS origins, and answers that pages of other origins may read."""

import asyncio

import httpx
import pytest

from tests.support.application import AUTHENTICATE, CLIENT, KEY, Application
from tests.support.hosted_sign_in import CALLBACK, Browser
from tests.support.server_process import fields

URIS, ORIGINS = "/user_management/redirect_uris", "/user_management/cors_origins"
ORIGIN = "https://app.example.org"
ALLOWED = "access-control-allow-origin"


async def test_added_uris_are_listed_and_the_first_is_the_default(application: Application) -> None:
    wildcard, first, second = [
        fields(await application.api.post(URIS, json={"uri": uri}), 201)
        for uri in ("https://*.example.org/callback", CALLBACK, f"{CALLBACK}/2")
    ]
    assert [item["default"] for item in (wildcard, first, second)] == [False, True, False]
    assert set(first) == {"object", "id", "uri", "default", "created_at", "updated_at"}
    assert (first["object"], first["id"][:6], first["uri"]) == ("redirect_uri", "redir_", CALLBACK)
    listed = fields(await application.api.get(URIS), 200)
    assert [item["id"] for item in listed["data"]] == [second["id"], first["id"], wildcard["id"]]
    page = fields(await application.api.get(URIS, params={"limit": 1, "after": second["id"]}), 200)
    assert page["data"] == [first]
    assert page["list_metadata"]["after"] == first["id"]
    assert fields(await application.other.get(URIS), 200)["data"] == []
    unknown = await application.other.get(URIS, params={"after": second["id"]})
    assert unknown.status_code == 422


async def test_listed_uri_is_redirected_to_until_it_is_removed(application: Application) -> None:
    browser = Browser(application)
    assert (await browser.authorize()).status_code == 400
    await application.api.post(URIS, json={"uri": f"{CALLBACK}/default"})
    made = fields(await application.api.post(URIS, json={"uri": CALLBACK}), 201)
    await browser.flow()
    assert (await application.other.delete(f"{URIS}/{made['id']}")).status_code == 404
    assert (await application.api.delete(f"{URIS}/{made['id']}")).status_code == 204
    assert (await browser.authorize()).status_code == 400
    assert (await application.api.delete(f"{URIS}/{made['id']}")).status_code == 404


async def test_default_is_not_removed(application: Application) -> None:
    made = fields(await application.api.post(URIS, json={"uri": CALLBACK}), 201)
    body = fields(await application.api.delete(f"{URIS}/{made['id']}"), 409)
    assert body["message"] == "Cannot delete the default redirect URI."


async def test_uri_is_listed_once(application: Application) -> None:
    answers = await asyncio.gather(*(application.api.post(URIS, json={"uri": CALLBACK}) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 49
    again = fields(await application.api.post(URIS, json={"uri": CALLBACK}), 422)
    assert again["message"] == f"Redirect URI '{CALLBACK}' already exists."


async def test_one_of_many_first_uris_becomes_the_default(application: Application) -> None:
    uris = [f"{CALLBACK}/{number}" for number in range(50)]
    await asyncio.gather(*(application.api.post(URIS, json={"uri": uri}) for uri in uris))
    listed = fields(await application.api.get(URIS, params={"limit": 100}), 200)["data"]
    assert [item["default"] for item in listed].count(True) == 1
    assert len(listed) == 50


@pytest.mark.parametrize("uri", [None, "", "x", "https://*.co.uk/", f"{CALLBACK}#x", "javascript:alert(1)"])
async def test_bad_uri_is_refused(application: Application, uri: str | None) -> None:
    assert (await application.api.post(URIS, json={"uri": uri})).status_code == 422


async def test_number_of_uris_is_limited(application: Application) -> None:
    application.sql(
        "INSERT INTO redirect_uris (environment, id, uri, is_default, created_at, updated_at)"
        " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " SELECT 1, 'redir_' || i, 'https://a.example/' || i, 0, 1, 1 FROM n"
    )
    assert (await application.api.post(URIS, json={"uri": CALLBACK})).status_code == 422


async def test_changes_need_an_api_key_and_are_audited(application: Application) -> None:
    made = fields(await application.api.post(URIS, json={"uri": CALLBACK}), 201)
    rows = await application.af.read(lambda tx: tx.db.all("SELECT action, target FROM audit"))
    assert ("redirect_uri.create", made["id"]) in [tuple(row) for row in rows]
    application.api.headers.pop("authorization")
    assert (await application.api.post(URIS, json={"uri": CALLBACK})).status_code == 401
    assert (await application.api.get(ORIGINS)).status_code == 401


async def test_cors_origins_are_listed(application: Application) -> None:
    made = fields(await application.api.post(ORIGINS, json={"origin": ORIGIN}), 201)
    assert set(made) == {"object", "id", "origin", "created_at", "updated_at"}
    assert (made["object"], made["id"][:12], made["origin"]) == ("cors_origin", "cors_origin_", ORIGIN)
    assert fields(await application.api.get(ORIGINS), 200)["data"] == [made]
    assert fields(await application.other.get(ORIGINS), 200)["data"] == []
    assert fields(await application.api.post(ORIGINS, json={"origin": ORIGIN}), 409)["code"] == (
        "duplicate_cors_origin"
    )
    assert (await application.other.post(ORIGINS, json={"origin": ORIGIN})).status_code == 201
    assert (await application.api.get(ORIGINS, params={"before": "cors_origin_x"})).status_code == 422


@pytest.mark.parametrize(
    "origin",
    [None, "", "*", "null", "https://*", f"{ORIGIN}/", f"{ORIGIN}/x", "https://A.example", "ftp://a.example"],
)
async def test_bad_origin_is_refused(application: Application, origin: str | None) -> None:
    assert (await application.api.post(ORIGINS, json={"origin": origin})).status_code == 422


async def exchange(application: Application, **headers: str) -> httpx.Response:
    body = {"grant_type": "authorization_code", "client_id": CLIENT, "client_secret": KEY, "code": "x"}
    return await application.api.post(AUTHENTICATE, json=body, headers=headers)


async def test_page_of_a_listed_origin_reads_answers_and_refusals(application: Application) -> None:
    await application.api.post(ORIGINS, json={"origin": ORIGIN})
    preflight = await application.api.options(AUTHENTICATE, headers={"origin": ORIGIN})
    assert preflight.status_code == 204
    for response in (preflight, await exchange(application, origin=ORIGIN)):
        assert response.headers[ALLOWED] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "origin" in response.headers["vary"]
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    user = await application.user()
    body = {"grant_type": "password", "client_id": CLIENT, "client_secret": KEY, "email": user["email"]}
    answer = await application.api.post(
        AUTHENTICATE, json={**body, "password": "seven green bottles"}, headers={"origin": ORIGIN}
    )
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, ORIGIN)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example", "x" * 300])
async def test_page_of_another_origin_reads_nothing(application: Application, origin: str) -> None:
    await application.api.post(ORIGINS, json={"origin": ORIGIN})
    preflight = await application.api.options(AUTHENTICATE, headers={"origin": origin})
    for response in (preflight, await exchange(application, origin=origin)):
        assert ALLOWED not in response.headers
        assert "origin" in response.headers["vary"]


async def test_origin_of_another_environment_reads_nothing_of_this_one(application: Application) -> None:
    await application.other.post(ORIGINS, json={"origin": ORIGIN})
    assert ALLOWED not in (await exchange(application, origin=ORIGIN)).headers


async def test_answers_to_servers_have_no_cors_headers(application: Application) -> None:
    await application.api.post(ORIGINS, json={"origin": ORIGIN})
    response = await exchange(application)
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_unknown_client_of_a_page_gets_no_permission_to_read(
    application: Application,
) -> None:
    await application.api.post(ORIGINS, json={"origin": ORIGIN})
    body = {"grant_type": "refresh_token", "client_id": "client_x", "refresh_token": "x"}
    response = await application.api.post(AUTHENTICATE, json=body, headers={"origin": ORIGIN})
    assert response.status_code == 400
    assert ALLOWED not in response.headers
