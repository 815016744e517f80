"""POST /authfactor/imports: a result for each entry, whatever the others are."""

from typing import Any, Final

import httpx
import pytest

from authfactor.rules.factors.import_requests import MOST
from tests.support.application import Application
from tests.support.server_process import fields

PATH: Final = "/authfactor/imports"
SECRET: Final = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"
URI: Final = f"otpauth://totp/Shop:kim?secret={SECRET}&algorithm=SHA512&digits=8&period=60"


async def send(application: Application, *entries: Any, **more: Any) -> httpx.Response:  # noqa: ANN401 - any body
    return await application.api.post(PATH, json={"entries": list(entries), **more})


async def test_every_entry_has_its_own_result(application: Application) -> None:
    user = await application.user(external_id="kim-7")
    one, other = {"user_id": user["id"]}, {"external_id": "kim-7"}
    body = fields(
        await send(
            application,
            {**one, "totp_secret": SECRET},
            {**other, "uri": URI},
            {**other, "uri": URI.replace(SECRET, SECRET[::-1])},
            {**one, "totp_secret": SECRET, "digits": 7},
            {**one, "totp_secret": SECRET, "period": 20},
            {**one, "totp_secret": SECRET, "algorithm": "MD5"},
            {**one, "uri": "otpauth://hotp/a?secret=" + SECRET},
            {**one, "uri": "https://example.org"},
            {**one, "uri": URI, "totp_secret": SECRET},
            {**one, "totp_secret": "AAAA"},
            {**one, "totp_secret": "not base32!"},
            one,
            {"email": "unknown@example.com", "totp_secret": SECRET},
            {"totp_secret": SECRET},
        ),
        200,
    )
    assert [(each["status"], each["code"]) for each in body["results"]] == [
        ("imported", None),
        ("exists", None),
        ("imported", None),
        ("refused", "profile_not_supported: digits=7"),
        ("refused", "profile_not_supported: period=20"),
        ("refused", "profile_not_supported: algorithm=MD5"),
        ("refused", "type_not_supported: type=hotp"),
        ("refused", "uri_invalid: not an otpauth URI"),
        ("refused", "secret_and_uri_provided"),
        ("refused", "secret_length: 2 bytes, not 10 to 128"),
        ("refused", "secret_invalid: not base32, or longer than 128 bytes"),
        ("refused", "secret_missing"),
        ("user_unknown", None),
        ("user_unknown", "no_name"),
    ]
    assert (body["imported"], body["exists"], body["refused"], body["user_unknown"]) == (2, 1, 9, 2)
    assert SECRET not in str(body)


async def test_repeated_request_imports_nothing_twice(application: Application) -> None:
    user = await application.user()
    entry = {"email": user["email"].upper(), "totp_secret": SECRET.lower(), "drift": 3}
    first = fields(await send(application, entry), 200)["results"][0]
    again = fields(await send(application, entry), 200)["results"][0]
    assert (first["status"], again["status"]) == ("imported", "exists")
    assert first["factor_id"] == again["factor_id"]
    assert len(await application.events("authfactor.factor_imported")) == 1


async def test_same_idempotency_key_gives_the_same_answer(application: Application) -> None:
    user = await application.user()
    answers = [
        await application.api.post(
            PATH,
            json={"entries": [{"user_id": user["id"], "totp_secret": SECRET}]},
            headers={"Idempotency-Key": "import-1"},
        )
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert fields(answers[0], 200)["imported"] == 1


async def test_users_are_created_on_request(application: Application) -> None:
    entry = {"external_id": "lee-8", "email": "lee@example.com", "totp_secret": SECRET}
    assert fields(await send(application, entry), 200)["user_unknown"] == 1
    body = fields(await send(application, entry, create_users=True), 200)
    user = fields(await application.api.get(f"/user_management/users/{body['results'][0]['user_id']}"), 200)
    assert (user["external_id"], user["email_verified"]) == ("lee-8", False)


async def test_profile_of_an_imported_factor_is_listed(application: Application) -> None:
    user = await application.user()
    await send(application, {"user_id": user["id"], "uri": URI})
    await application.enroll(user)
    listed = fields(await application.api.get(f"/authfactor/users/{user['id']}/factors"), 200)["data"]
    assert [each.get("profile") for each in listed] == [
        None,
        {"algorithm": "SHA512", "digits": 8, "period": 60},
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "entries_required"),
        ({"entries": []}, "entries_required"),
        ({"entries": [{}] * (MOST + 1)}, "entries_too_many"),
        ({"entries": [{"secret": SECRET}]}, None),
        ({"entries": [{}], "dry_run": True}, None),
        ({"entries": {}}, None),
        ({"entries": [7]}, None),
    ],
)
async def test_request_that_is_no_import_is_refused(
    application: Application, body: dict[str, Any], code: str | None
) -> None:
    refused = await application.api.post(PATH, json=body)
    assert refused.status_code in (400, 422)
    if code is not None:
        assert refused.json()["errors"][0]["code"] == code


async def test_thousand_entries_fit_into_a_request_and_other_routes_keep_their_limit(
    application: Application,
) -> None:
    entries = [
        {"email": f"user{number}@example.com", "uri": URI.replace("kim", f"account-of-user-{number}")}
        for number in range(MOST)
    ]
    response = await send(application, *entries, create_users=True)
    assert len(response.request.content) > 2 * 64 * 1024
    assert fields(response, 200)["imported"] == MOST
    too_large = await application.api.post(PATH, content=b" " * (512 * 1024 + 1))
    elsewhere = await application.api.post("/auth/factors/enroll", content=b" " * (64 * 1024 + 1))
    assert (too_large.status_code, elsewhere.status_code) == (413, 413)


async def test_import_needs_a_key_of_the_users_environment(application: Application) -> None:
    user = await application.user()
    entry = {"user_id": user["id"], "totp_secret": SECRET}
    refused = await application.api.post(
        PATH, json={"entries": [entry]}, headers={"Authorization": "Bearer sk_wrong"}
    )
    assert refused.status_code == 401
