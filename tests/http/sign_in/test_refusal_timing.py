"""Every refused password is answered the same time after its request, and holds nothing up meanwhile."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx
import pytest

from tests.support import console as consoles
from tests.support.application import PASSWORD, Application, Json, claims, opened
from tests.support.hosted_sign_in import list_callbacks
from tests.support.sign_in_pages import PageBrowser

SECONDS = 0.15
FAST_IMPORT = "$2b$04$abcdefghijklmnopqrstuuxg3mnJtW3FdpGk1wIbyBAMRNXEYKjYa"
LONG = 10_000


@pytest.fixture
async def held(template: Path, tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(template, tmp_path, refusal_time=round(SECONDS * 1000)) as application:
        yield application


@pytest.fixture
async def held_long(template: Path, tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(template, tmp_path, refusal_time=LONG, password_queue=1) as application:
        yield application


async def duration_of(responding: Awaitable[httpx.Response], status: int = 400) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await responding).status_code == status
    return loop.time() - began


async def test_every_refusal_of_a_password_is_held_until_the_same_time(held: Application) -> None:
    user, member = await held.user(), await held.member()
    imported = await held.user(password_hash=FAST_IMPORT, password_hash_type="bcrypt")
    without_password = await held.user(password=None)
    unknown: Json = {"email": "unknown@example.org"}
    once = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"email": user["email"], "password": "wrong"}
    durations = {
        "wrong": await duration_of(held.password(user, "wrong")),
        "unknown": await duration_of(held.password(unknown)),
        "imported": await duration_of(held.password(imported, "wrong")),
        "no password": await duration_of(held.password(without_password)),
        "wrong code": await duration_of(held.password(member, code=held.wrong())),
        "wrong password, right code": await duration_of(held.password(member, "wrong", code=held.code())),
        "kept": await duration_of(held.grant("password", headers=once, **body)),
        "kept, repeated": await duration_of(held.grant("password", headers=once, **body)),
    }
    session = claims(await held.sign_in(user))["sid"]
    again = f"/authfactor/sessions/{session}/reauthenticate"
    durations["in a session"] = await duration_of(held.api.post(again, json={"password": "wrong"}))
    await asyncio.gather(*(held.password(user, "wrong", ip_address="198.51.100.7") for _ in range(10)))
    durations["over the limit"] = await duration_of(held.password(user, ip_address="198.51.100.7"))
    assert {name: duration for name, duration in durations.items() if duration < SECONDS} == {}


async def test_every_refusal_at_the_console_is_held_until_the_same_time(
    empty_database: Path, tmp_path: Path
) -> None:
    async with consoles.opened(empty_database, tmp_path, refusal_time=round(SECONDS * 1000)) as console:
        owner, stranger = await console.operator("owner"), console.stranger()
        right = {"email": owner.email, "password": PASSWORD, "code": console.code(owner.secret)}
        attempts = {
            "wrong": {**right, "password": "wrong"},
            "wrong code": {**right, "code": "000000"},
            "unknown": {**right, "email": "unknown@example.org"},
            "malformed": {},
        }
        durations = {
            name: await duration_of(stranger.post("/console/sign-in", form))
            for name, form in attempts.items()
        }
        wrong = attempts["wrong"]
        await asyncio.gather(*(stranger.post("/console/sign-in", wrong) for _ in range(10)))
        durations["paced"] = await duration_of(stranger.post("/console/sign-in", right))
    assert {name: duration for name, duration in durations.items() if duration < SECONDS} == {}


async def test_held_refusal_occupies_no_hashing_thread_and_delays_no_right_password(
    held_long: Application,
) -> None:
    """With one thread and a queue of one, right passwords succeed while five refusals are held."""
    user = await held_long.user()
    held = []
    for number in range(5):
        held.append(asyncio.create_task(held_long.password(user, "wrong")))
        # The refusal is committed before it is held.
        while len(await held_long.events("authentication.password_failed")) <= number:  # noqa: ASYNC110 - the commit of another request
            await asyncio.sleep(0.001)
    assert (await held_long.password(user)).status_code == 200
    assert not any(task.done() for task in held)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_network_with_most_held_refusals_makes_room_for_others(template: Path, tmp_path: Path) -> None:
    """Two refusals may be held; of three, the older of the two that came from one network is answered."""
    async with opened(template, tmp_path, refusal_time=LONG, max_connections=4) as application:
        user = await application.user()
        held = []
        for number, address in enumerate(("198.51.100.8", "198.51.100.7", "198.51.100.7")):
            held.append(asyncio.create_task(application.password(user, "wrong", ip_address=address)))
            while len(await application.events("authentication.password_failed")) <= number:  # noqa: ASYNC110 - the commit of another request
                await asyncio.sleep(0.001)
        other, older, newer = held
        assert (await older).status_code == 400
        assert (await application.password(user, ip_address="198.51.100.7")).status_code == 200
        assert not other.done()
        assert not newer.done()
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_required_code_and_refused_client_are_answered_at_once(held_long: Application) -> None:
    """Neither is a refused password."""
    member = await held_long.member()
    held = asyncio.create_task(held_long.password(member, "wrong"))
    pending = await held_long.begin(member)
    assert (await held_long.password(member, client_secret="sk_unknown")).status_code == 400
    assert (await held_long.answer(pending, held_long.wrong())).status_code == 400
    assert (await held_long.refresh("x")).status_code == 400
    assert not held.done()
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)


async def test_refusals_on_the_sign_in_page_are_held_too(held: Application) -> None:
    await list_callbacks(held)
    browser = PageBrowser(held)
    user = await held.user()
    imported = await held.user(password_hash=FAST_IMPORT, password_hash_type="bcrypt")
    durations = {}
    for name, email in (
        ("wrong", user["email"]),
        ("imported", imported["email"]),
        ("unknown", "unknown@example.org"),
    ):
        await browser.start()
        posting = browser.post(email=email, password="wrong")
        durations[name] = await duration_of(posting, 422)
    assert {name: duration for name, duration in durations.items() if duration < SECONDS} == {}
