"""A trusted device's token replaces the code of a sign-in once, for its user, and is no second factor."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec
import pytest

from authfactor.models import MfaOptions, MfaPolicy
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.rules.tenants.environments import options_of
from tests.support.application import (
    OTHER_CLIENT,
    OTHER_KEY,
    PASSWORD,
    SECRET,
    Application,
    Json,
    Pending,
    claims,
    refused,
)
from tests.support.clock import DAY
from tests.support.server_process import fields

RACERS: Final = 50
DEVICES: Final = "/authfactor/trusted_devices"
ROTATE: Final = f"{DEVICES}/rotate"
AMR: Final = ["pwd", "trusted_device"]
JUNK: Final = "td_01JUNKJUNKJUNKJUNKJUNKJUNK." + "A" * 43


@dataclass
class Trusting:
    """A user with a trusted device, and its newest token."""

    application: Application
    user: Json
    device: Json
    token: str
    session: Json

    async def sign_in(self, token: str | None = None) -> httpx.Response:
        """Sign in with the password and a token; by default with the newest."""
        pending = await self.application.begin(self.user)
        return await self.application.answer(pending, self.token if token is None else token)

    async def next_sign_in(self) -> Json:
        """Sign in, and keep the next token."""
        tokens = fields(await self.sign_in(), 200)
        self.token = tokens["trusted_device"]["token"]
        return tokens

    async def listed(self) -> list[Json]:
        path = f"/authfactor/users/{self.user['id']}/trusted_devices"
        return list(fields(await self.application.api.get(path), 200)["data"])

    async def status(self) -> str:
        (device,) = [each for each in await self.listed() if each["id"] == self.device["id"]]
        return str(device["status"])


async def allow(application: Application, policy: str = "allowed", days: int = 30) -> None:
    environment = await application.environment()
    options = msgspec.structs.replace(
        options_of(environment),
        trusted_devices=policy,
        trusted_device_days=days,
    )
    await application.af.run(application.af.environments.update(environment, options=options))
    application.clock.advance(1)


async def trust(application: Application, session: Json, **more: str) -> httpx.Response:
    body = {"session_id": claims(session)["sid"], **more}
    return await application.api.post(DEVICES, json=body)


@pytest.fixture
async def trusting(application: Application) -> Trusting:
    await allow(application)
    user = await application.member()
    session = await application.sign_in_twice_proven(user)
    device = fields(await trust(application, session, name="Firefox", ip_address="192.0.2.1"), 201)
    return Trusting(application, user, device, device.pop("token"), session)


def not_trusted(answer: httpx.Response) -> None:
    assert refused(answer, "invalid_one_time_code")["reason"] == "device_not_trusted"


async def test_token_replaces_the_code_and_gives_the_next_one(trusting: Trusting) -> None:
    application, first = trusting.application, trusting.token
    tokens = await trusting.next_sign_in()
    found = claims(tokens)
    assert (found["amr"], found["acr"]) == (AMR, "urn:authfactor:acr:1")
    assert "mfa_at" not in found
    assert trusting.token != first
    assert trusting.token.startswith("td_")
    assert tokens["trusted_device"]["expires_at"] == trusting.device["expires_at"]
    assert trusting.device["name"] == "Firefox"
    (listed,) = await trusting.listed()
    assert listed == {**trusting.device, "last_used_at": listed["last_used_at"]}
    assert listed["last_used_at"] is not None
    (used,) = await application.events("authfactor.trusted_device_used")
    assert used["data"] == {
        "trusted_device_id": trusting.device["id"],
        "user_id": trusting.user["id"],
        "session_id": found["sid"],
        "link_id": None,
    }
    # No second factor was proven by it.
    assert len(await application.events("authentication.mfa_succeeded")) == 1
    for _ in range(3):
        application.clock.advance(3600)
        await trusting.next_sign_in()


async def test_challenge_stays_open_when_a_device_signs_in(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    fields(await application.answer(pending, trusting.token), 200)
    path = f"/auth/challenges/{pending.challenge}/verify"
    verified = fields(await application.api.post(path, json={"code": application.code()}), 201)
    assert verified["valid"]


async def test_spaces_around_a_token_do_not_matter(trusting: Trusting) -> None:
    assert (await trusting.sign_in(f" {trusting.token}\n")).status_code == 200


async def test_refused_token_leaves_pending_token_and_challenge_to_the_code(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    not_trusted(await application.answer(pending, JUNK))
    tokens = fields(await application.answer(pending), 200)
    assert "trusted_device" not in tokens
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]


def contents(application: Application) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows that a sign-in could change."""
    tables = (
        "challenges",
        "events",
        "failures",
        "pending_sign_ins",
        "sessions",
        "throttles",
        "trusted_devices",
    )
    return {
        table: sorted(application.sql(f"SELECT * FROM {table}"), key=repr)  # noqa: S608 - names from above
        for table in (*tables, "trusted_device_tokens")
    }


async def test_forged_tokens_cost_no_guess_and_write_nothing(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    before = contents(application)
    ulid = trusting.device["id"].removeprefix("trusted_device_")
    forged = [JUNK, "td_", f"td_{ulid}", f"td_{ulid}.{'A' * 43}", trusting.token[:-1], trusting.token + "A"]
    for token in forged * 10:
        not_trusted(await application.answer(pending, token))
    assert contents(application) == before
    fields(await application.answer(pending), 200)
    application.clock.advance(30)
    await trusting.next_sign_in()


async def test_token_is_no_code_at_verify_nor_with_the_password(trusting: Trusting) -> None:
    application = trusting.application
    factor = (await application.begin(trusting.user)).body["authentication_factors"][0]["id"]
    challenge = fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    path = f"/auth/challenges/{challenge}/verify"
    answer = fields(await application.api.post(path, json={"code": trusting.token}), 201)
    assert (answer["valid"], answer["reason"]) == (False, "code_malformed")
    refused(await application.password(trusting.user, code=trusting.token), "invalid_credentials")
    assert application.sql("SELECT count(*) FROM failures") == [(0,)]
    await trusting.next_sign_in()


async def test_token_of_another_user_is_refused_and_stays_good(trusting: Trusting) -> None:
    application = trusting.application
    other = await application.user()
    await application.enroll(other, totp_secret=SECRET[::-1])
    pending = await application.begin(other, SECRET[::-1])
    not_trusted(await application.answer(pending, trusting.token))
    assert (await application.answer(pending)).status_code == 200
    await trusting.next_sign_in()


async def test_spent_token_of_another_user_ends_nothing(trusting: Trusting) -> None:
    application, spent = trusting.application, trusting.token
    await trusting.next_sign_in()
    application.clock.advance(3600)
    other = await application.user()
    await application.enroll(other, totp_secret=SECRET[::-1])
    not_trusted(await application.answer(await application.begin(other, SECRET[::-1]), spent))
    assert await trusting.status() == "active"


async def test_other_environment_knows_no_token_and_no_device(trusting: Trusting) -> None:
    application, other = trusting.application, trusting.application.other
    not_trusted(await other.post(ROTATE, json={"token": trusting.token}))
    user = fields(
        await other.post("/user_management/users", json={"email": "o@example.org", "password": PASSWORD}),
        201,
    )
    factors = f"/user_management/users/{user['id']}/auth_factors"
    fields(await other.post(factors, json={"type": "totp", "totp_secret": SECRET}), 201)
    credentials = {"client_id": OTHER_CLIENT, "client_secret": OTHER_KEY}
    pending = Pending(fields(await application.password(user, **credentials), 403), SECRET)
    not_trusted(await application.answer(pending, trusting.token, **credentials))
    assert (await trust_in(other, trusting.session)).status_code == 404
    listed = f"/authfactor/users/{trusting.user['id']}/trusted_devices"
    for answer in (
        await other.get(listed),
        await other.delete(listed),
        await other.delete(f"{listed}/{trusting.device['id']}"),
    ):
        assert answer.status_code == 404
    await trusting.next_sign_in()


async def trust_in(client: httpx.AsyncClient, session: Json) -> httpx.Response:
    return await client.post(DEVICES, json={"session_id": claims(session)["sid"]})


async def test_lost_answer_is_given_again_to_the_same_request(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    first = await application.answer(pending, trusting.token)
    application.clock.advance(30)
    again = await application.answer(pending, trusting.token)
    assert (again.status_code, again.content) == (200, first.content)
    assert len(await application.events("authfactor.trusted_device_used")) == 1


async def test_lost_answer_is_not_given_again_once_the_device_has_ended(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    fields(await application.answer(pending, trusting.token), 200)
    path = f"/authfactor/users/{trusting.user['id']}/trusted_devices"
    assert (await application.api.delete(path)).status_code == 204
    refused(await application.answer(pending, trusting.token), "invalid_pending_authentication_token")


async def test_spent_token_gets_the_same_successor_for_a_minute(trusting: Trusting) -> None:
    application, spent = trusting.application, trusting.token
    await trusting.next_sign_in()
    application.clock.advance(60)
    again = fields(await trusting.sign_in(spent), 200)
    assert again["trusted_device"]["token"] == trusting.token
    rotated = fields(await application.api.post(ROTATE, json={"token": spent}), 200)
    assert rotated["token"] == trusting.token
    assert rotated["expires_at"] == trusting.device["expires_at"]
    await trusting.next_sign_in()


async def test_rotating_an_unused_token_spends_it(trusting: Trusting) -> None:
    application, spent = trusting.application, trusting.token
    rotated = fields(await application.api.post(ROTATE, json={"token": spent}), 200)["token"]
    assert rotated != spent
    trusting.token = rotated
    application.clock.advance(61)
    await trusting.next_sign_in()
    not_trusted(await application.api.post(ROTATE, json={"token": JUNK}))


async def is_ended(trusting: Trusting) -> None:
    """Check that device and sessions have ended, with one event that says why."""
    application = trusting.application
    assert await trusting.status() == "ended"
    (event,) = await application.events("authfactor.trusted_device_theft_suspected")
    assert event["data"] == {"trusted_device_id": trusting.device["id"], "user_id": trusting.user["id"]}
    assert [session["id"] for session in await application.sessions(trusting.user)] == [
        claims(trusting.session)["sid"]
    ]
    not_trusted(await trusting.sign_in())


async def test_spent_token_after_its_minute_ends_device_and_sessions(trusting: Trusting) -> None:
    application, spent = trusting.application, trusting.token
    tokens = await trusting.next_sign_in()
    application.clock.advance(60.001)
    not_trusted(await trusting.sign_in(spent))
    await is_ended(trusting)
    assert (await application.refresh(tokens["refresh_token"])).status_code == 400


async def test_older_token_ends_device_and_sessions_at_once(trusting: Trusting) -> None:
    oldest = trusting.token
    await trusting.next_sign_in()
    await trusting.next_sign_in()
    not_trusted(await trusting.sign_in(oldest))
    await is_ended(trusting)


async def test_rotating_a_stolen_token_ends_device_and_sessions(trusting: Trusting) -> None:
    application, spent = trusting.application, trusting.token
    await trusting.next_sign_in()
    application.clock.advance(61)
    not_trusted(await application.api.post(ROTATE, json={"token": spent}))
    await is_ended(trusting)


async def test_fifty_uses_at_once_spend_one_token_and_give_one_successor(trusting: Trusting) -> None:
    application = trusting.application
    pendings = [await application.begin(trusting.user) for _ in range(RACERS)]
    answers = await asyncio.gather(*(application.answer(each, trusting.token) for each in pendings))
    successors = {fields(answer, 200)["trusted_device"]["token"] for answer in answers}
    assert len(successors) == 1
    assert application.sql("SELECT count(*) FROM trusted_device_tokens") == [(2,)]
    application.clock.advance(61)
    trusting.token = successors.pop()
    await trusting.next_sign_in()


async def test_fifty_times_one_request_start_one_session(trusting: Trusting) -> None:
    application = trusting.application
    pending = await application.begin(trusting.user)
    answers = await asyncio.gather(*(application.answer(pending, trusting.token) for _ in range(RACERS)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(await application.sessions(trusting.user)) == 2


async def test_fifty_rotations_at_once_give_one_successor(trusting: Trusting) -> None:
    application = trusting.application
    body = {"token": trusting.token}
    answers = await asyncio.gather(*(application.api.post(ROTATE, json=body) for _ in range(RACERS)))
    assert len({fields(answer, 200)["token"] for answer in answers}) == 1
    assert await application.events("authfactor.trusted_device_theft_suspected") == []


async def test_fifty_requests_of_one_session_make_one_device(application: Application) -> None:
    await allow(application)
    session = await application.sign_in_twice_proven(await application.member())
    answers = await asyncio.gather(*(trust(application, session) for _ in range(RACERS)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * (RACERS - 1)]
    refused(await trust(application, session), "trusted_device_exists", 409)
    assert application.sql("SELECT count(*) FROM trusted_devices") == [(1,)]


def item(answer: httpx.Response) -> str:
    (problem,) = refused(answer, "invalid_request_parameters", 422)["errors"]
    return str(problem["code"])


async def test_device_needs_a_session_with_a_fresh_code(application: Application) -> None:
    await allow(application)
    plain = await application.sign_in(await application.user())
    assert item(await trust(application, plain)) == "second_factor_required"
    user = await application.member()
    session = await application.sign_in_twice_proven(user)
    application.clock.advance(10 * 60 - 30)
    renewed = fields(await application.refresh(session["refresh_token"]), 200)
    application.clock.advance(0.001)
    assert item(await trust(application, renewed)) == "second_factor_required"
    fresh = await application.sign_in_twice_proven(user)
    application.clock.advance(10 * 60 - 30)
    fields(await trust(application, fresh), 201)


async def test_recovery_code_makes_no_device(application: Application) -> None:
    await allow(application)
    user = await application.member()
    made = application.af.recovery_codes.create(await application.environment(), user["id"])
    codes = (await application.af.run(made)).codes
    session = fields(await application.answer(await application.begin(user), codes[0]), 200)
    assert item(await trust(application, session)) == "second_factor_required"


async def test_session_raised_by_a_recovery_code_makes_no_device(application: Application) -> None:
    await allow(application)
    user = await application.member()
    session = await application.sign_in_twice_proven(user)
    application.clock.advance(3600)
    made = application.af.recovery_codes.create(await application.environment(), user["id"])
    codes = (await application.af.run(made)).codes
    path = f"/authfactor/sessions/{claims(session)['sid']}/challenges"
    opened = fields(await application.api.post(path, json={"allow_recovery": True}), 201)["id"]
    raised = await application.api.post(f"/auth/challenges/{opened}/verify", json={"code": codes[0]})
    assert fields(raised, 201)["valid"] is True
    assert item(await trust(application, session)) == "second_factor_required"


async def test_trusted_device_makes_no_device(trusting: Trusting) -> None:
    session = await trusting.next_sign_in()
    application = trusting.application
    assert item(await trust(application, session)) == "second_factor_required"
    # Not even once that session has been raised by a code.
    application.sql(f"UPDATE sessions SET amr = 'pwd otp mfa', mfa_at = {application.clock.now}")  # noqa: S608 - a number
    assert item(await trust(application, session)) == "second_factor_required"


async def test_ended_and_unknown_sessions_make_no_device(application: Application) -> None:
    await allow(application)
    session = await application.sign_in_twice_proven(await application.member())
    body = {"session_id": claims(session)["sid"]}
    revoked = await application.api.post("/user_management/sessions/revoke", json=body)
    assert revoked.status_code == 200
    assert item(await trust(application, session)) == "session_not_active"
    refused(await application.api.post(DEVICES, json={"session_id": "session_x"}), "entity_not_found", 404)
    assert item(await application.api.post(DEVICES, json={})) == "session_id_required"


@pytest.mark.parametrize("field", ["name", "ip_address", "user_agent"])
async def test_long_texts_are_refused(application: Application, field: str) -> None:
    await allow(application)
    session = await application.sign_in_twice_proven(await application.member())
    assert item(await trust(application, session, **{field: "x" * 513})) == f"{field}_invalid"


async def test_device_is_refused_while_trusted_devices_are_off(application: Application) -> None:
    session = await application.sign_in_twice_proven(await application.member())
    refused(await trust(application, session), "trusted_devices_off", 409)


async def test_eleventh_device_replaces_the_oldest(trusting: Trusting) -> None:
    application = trusting.application
    for _ in range(9):
        session = await application.sign_in_twice_proven(trusting.user)
        fields(await trust(application, session), 201)
    await trusting.next_sign_in()
    newest = fields(await trust(application, await application.sign_in_twice_proven(trusting.user)), 201)
    listed = await trusting.listed()
    assert (len(listed), listed[0]["id"]) == (10, newest["id"])
    assert trusting.device["id"] not in [each["id"] for each in listed]
    not_trusted(await trusting.sign_in())
    (event,) = await application.events("authfactor.trusted_device_revoked")
    assert event["data"] == {
        "trusted_device_id": trusting.device["id"],
        "user_id": trusting.user["id"],
        "reason": "replaced",
    }


async def test_ended_device_goes_before_an_older_active_one(trusting: Trusting) -> None:
    application = trusting.application
    session = await application.sign_in_twice_proven(trusting.user)
    second = fields(await trust(application, session), 201)["id"]
    path = f"/authfactor/users/{trusting.user['id']}/trusted_devices/{second}"
    assert (await application.api.delete(path)).status_code == 204
    for _ in range(9):
        fields(await trust(application, await application.sign_in_twice_proven(trusting.user)), 201)
    assert second not in [each["id"] for each in await trusting.listed()]
    await trusting.next_sign_in()


async def test_device_is_trusted_for_thirty_days_whenever_it_is_used(trusting: Trusting) -> None:
    application = trusting.application
    application.clock.advance(30 * DAY - 60)
    await trusting.next_sign_in()
    application.clock.advance(60)
    assert await trusting.status() == "expired"
    not_trusted(await trusting.sign_in())


async def new_password(trusting: Trusting) -> None:
    path = f"/user_management/users/{trusting.user['id']}"
    fields(await trusting.application.api.put(path, json={"password": "eight green bottles"}), 200)
    fields(await trusting.application.api.put(path, json={"password": PASSWORD}), 200)


async def factor_id(trusting: Trusting) -> str:
    path = f"/user_management/users/{trusting.user['id']}/auth_factors"
    return str(fields(await trusting.application.api.get(path), 200)["data"][-1]["id"])


async def factor_deleted(trusting: Trusting) -> None:
    deleted = await trusting.application.api.delete(f"/auth/factors/{await factor_id(trusting)}")
    assert deleted.status_code == 204
    await trusting.application.enroll(trusting.user, totp_secret=SECRET)


async def second_factor_deleted(trusting: Trusting) -> None:
    """The factors are then the same as before."""
    application = trusting.application
    added = await application.enroll(trusting.user, totp_secret=SECRET[::-1])
    assert await trusting.status() == "ended"
    deleted = await application.api.delete(f"/auth/factors/{added['factor']['id']}")
    assert deleted.status_code == 204


async def factor_added(trusting: Trusting) -> None:
    await trusting.application.enroll(trusting.user, totp_secret=SECRET[::-1])


async def reset(trusting: Trusting) -> None:
    af = trusting.application.af
    await af.run(af.factors.reset(await trusting.application.environment(), trusting.user["id"]))
    await trusting.application.enroll(trusting.user, totp_secret=SECRET)


async def recovery_code_used(trusting: Trusting) -> None:
    application, user = trusting.application, trusting.user
    made = application.af.recovery_codes.create(await application.environment(), user["id"])
    codes = (await application.af.run(made)).codes
    fields(await application.answer(await application.begin(user), codes[0]), 200)


async def imported_recovery_code_used(trusting: Trusting) -> None:
    """One of few bits, which goes another way through the rules."""
    application, user = trusting.application, trusting.user
    body = {"codes": ["k7x9q2ab"]}
    fields(await application.api.put(f"/authfactor/users/{user['id']}/recovery_codes", json=body), 200)
    fields(await application.answer(await application.begin(user), body["codes"][0]), 200)


async def device_revoked(trusting: Trusting) -> None:
    path = f"/authfactor/users/{trusting.user['id']}/trusted_devices/{trusting.device['id']}"
    for _ in range(2):
        assert (await trusting.application.api.delete(path)).status_code == 204


async def all_revoked(trusting: Trusting) -> None:
    path = f"/authfactor/users/{trusting.user['id']}/trusted_devices"
    for _ in range(2):
        assert (await trusting.application.api.delete(path)).status_code == 204


async def switched_off_and_on(trusting: Trusting) -> None:
    await allow(trusting.application, "off")
    assert await trusting.status() == "ended"
    not_trusted(await trusting.sign_in())
    await allow(trusting.application)


async def restored(trusting: Trusting) -> None:
    af = trusting.application.af
    marks = await AfterRestore(af.clock, af.settings, af.audit).mark(af.store, "a test")
    assert marks.trusted_devices == 1
    trusting.application.clock.advance(3600)


ENDINGS: dict[Callable[[Trusting], Awaitable[None]], str | None] = {
    new_password: "password_changed",
    factor_deleted: "factor_deleted",
    second_factor_deleted: "factor_deleted",
    factor_added: None,
    reset: "factor_deleted",
    recovery_code_used: "recovery_code_used",
    imported_recovery_code_used: "recovery_code_used",
    device_revoked: "revoked",
    all_revoked: "revoked",
    switched_off_and_on: None,
    restored: None,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_device_is_not_trusted_after(
    trusting: Trusting, ending: Callable[[Trusting], Awaitable[None]]
) -> None:
    application = trusting.application
    await ending(trusting)
    application.clock.advance(30)
    assert await trusting.status() == "ended"
    not_trusted(await trusting.sign_in())
    not_trusted(await application.api.post(ROTATE, json={"token": trusting.token}))
    reason = ENDINGS[ending]
    told = [
        event["data"]["reason"] for event in await application.events("authfactor.trusted_device_revoked")
    ]
    assert told == ([] if reason is None else [reason])
    assert application.sql("SELECT spent_at FROM trusted_device_tokens") == [(None,)]


async def test_pending_factor_ends_no_device(trusting: Trusting) -> None:
    enrolled = await trusting.application.enroll(trusting.user)
    deleted = await trusting.application.api.delete(f"/auth/factors/{enrolled['factor']['id']}")
    assert deleted.status_code == 204
    await trusting.next_sign_in()


async def test_device_goes_with_its_user(trusting: Trusting) -> None:
    application = trusting.application
    path = f"/user_management/users/{trusting.user['id']}"
    assert (await application.api.delete(path)).status_code == 200
    for table in ("trusted_devices", "trusted_device_tokens"):
        assert application.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from above
    not_trusted(await application.api.post(ROTATE, json={"token": trusting.token}))


async def test_device_moved_to_another_user_is_not_trusted(trusting: Trusting) -> None:
    """Not even by someone who can write the database."""
    application = trusting.application
    other = await application.user(password_hash=None)
    await application.enroll(other, totp_secret=SECRET)
    owner = trusting.user["id"]
    application.sql(
        f"UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = '{owner}')"  # noqa: S608 - ids
        f" WHERE id = '{other['id']}'"
    )
    application.sql(f"UPDATE trusted_devices SET user_id = '{other['id']}'")  # noqa: S608 - an id
    not_trusted(await application.answer(await application.begin(other), trusting.token))
    # The factor it was made with moves too.
    application.sql(f"DELETE FROM factors WHERE user_id = '{other['id']}'")  # noqa: S608 - an id
    application.sql(f"UPDATE factors SET user_id = '{other['id']}'")  # noqa: S608 - an id
    not_trusted(await application.answer(await application.begin(other), trusting.token))


@pytest.mark.parametrize("policy", ["if_enrolled", "required"])
async def test_session_goes_on_while_its_device_is_trusted(trusting: Trusting, policy: MfaPolicy) -> None:
    application = trusting.application
    await application.configure(policy)
    tokens = await trusting.next_sign_in()
    for _ in range(3):
        application.clock.advance(60)
        tokens = fields(await application.refresh(tokens["refresh_token"]), 200)
        assert claims(tokens)["amr"] == AMR
    await device_revoked(trusting)
    body = fields(await application.refresh(tokens["refresh_token"]), 403)
    assert body["code"] == "mfa_challenge"
    # Its pending token asks for the factor that the session lacks: no device replaces that.
    trusting.device = fields(
        await trust(application, await application.sign_in_twice_proven(trusting.user)), 201
    )
    not_trusted(await application.answer(Pending(body, SECRET), trusting.device["token"]))
    raised = fields(await application.answer(Pending(body, SECRET)), 200)
    assert claims(raised)["amr"] == ["pwd", "otp", "mfa"]


async def test_expired_device_leads_its_sessions_to_a_code(trusting: Trusting) -> None:
    application = trusting.application
    await allow(application, days=1)
    session = await application.sign_in_twice_proven(trusting.user)
    trusting.token = fields(await trust(application, session), 201)["token"]
    application.clock.advance(DAY - 60)
    tokens = await trusting.next_sign_in()
    application.clock.advance(60)
    assert fields(await application.refresh(tokens["refresh_token"]), 403)["code"] == "mfa_challenge"


async def test_session_of_a_device_ended_by_a_reset_claims_the_password_alone(trusting: Trusting) -> None:
    application = trusting.application
    tokens = await trusting.next_sign_in()
    deleted = await application.api.delete(f"/auth/factors/{await factor_id(trusting)}")
    assert deleted.status_code == 204
    assert claims(fields(await application.refresh(tokens["refresh_token"]), 200))["amr"] == ["pwd"]


async def test_enrollment_is_met_by_no_device(trusting: Trusting) -> None:
    application = trusting.application
    await application.configure("required")
    deleted = await application.api.delete(f"/auth/factors/{await factor_id(trusting)}")
    assert deleted.status_code == 204
    body = fields(await application.password(trusting.user), 403)
    assert body["code"] == "mfa_enrollment"
    enrolled = await application.enroll(trusting.user)
    pending = Pending(
        {**body, "authentication_challenge": enrolled["challenge"]}, enrolled["factor"]["totp"]["secret"]
    )
    not_trusted(await application.answer(pending, trusting.token))
    assert (await application.answer(pending)).status_code == 200


async def test_tokens_are_stored_as_hashes_or_sealed(trusting: Trusting) -> None:
    spent = trusting.token
    await trusting.next_sign_in()
    stored = trusting.application.files()
    for token in (spent, trusting.token):
        assert token.encode() not in stored
        assert token.rpartition(".")[2].encode() not in stored


async def test_same_idempotency_key_gives_the_same_token(application: Application) -> None:
    await allow(application)
    session = await application.sign_in_twice_proven(await application.member())
    body, key = {"session_id": claims(session)["sid"]}, {"idempotency-key": "trust-once"}
    first = await application.api.post(DEVICES, json=body, headers=key)
    again = await application.api.post(DEVICES, json=body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)


async def test_policy_that_names_factors_takes_no_device(trusting: Trusting) -> None:
    application = trusting.application
    environment = await application.environment()
    options = msgspec.structs.replace(options_of(environment), mfa=MfaOptions(methods=("totp",)))
    await application.af.run(application.af.environments.update(environment, options=options))
    application.clock.advance(1)
    not_trusted(await trusting.sign_in())
    assert await trusting.status() == "ended"


async def test_policy_document_keeps_devices_only_if_it_says_so(trusting: Trusting) -> None:
    application = trusting.application
    path = "/authfactor/mfa_policy"
    document = fields(await application.api.get(path), 200)
    kept = {name: document[name] for name in ("trusted_devices", "trusted_device_days")}
    body = {"policy": "required", "grace_days": document["grace_days"]}
    fields(await application.api.put(path, json=body | kept), 200)
    application.clock.advance(1)
    await trusting.next_sign_in()
    assert fields(await application.api.put(path, json=body), 200)["trusted_devices"] == "off"
