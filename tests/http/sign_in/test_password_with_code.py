"""The grant `password` with a code: both are judged together, and strangers cannot use up its attempts."""

import asyncio
import base64
import hashlib

import httpx
import pytest

from authfactor import errors
from authfactor.wire.requests import Authenticate
from tests.support.application import SECRET, Application, Json, claims, refused
from tests.support.clock import DAY, MINUTE

WRONG = "not this one"


def address(number: int) -> str:
    return f"198.18.{number // 250}.{number % 250}"


async def use_up_the_account(application: Application, user: Json) -> None:
    """Guess from many addresses until the account's own limit refuses every address that is new to it."""
    for number in range(20):
        refused(await application.password(user, WRONG, ip_address=address(number)), "invalid_credentials")
    refused(await application.password(user, ip_address=address(99)), "too_many_password_attempts")


async def test_password_and_code_start_a_session_at_once(application: Application) -> None:
    user = await application.member()
    response = await application.password(user, code=application.code(), ip_address=address(1))
    assert response.status_code == 200
    assert claims(response.json())["amr"] == ["pwd", "otp", "mfa"]
    names = ("authentication.password_succeeded", "authentication.mfa_succeeded")
    assert [event["event"] for event in await application.events(*names)] == list(names)


async def test_code_of_a_challenged_factor_is_accepted(application: Application) -> None:
    user = await application.member()
    older = SECRET[::-1]
    factor = await application.enroll(user, totp_secret=older)
    path = f"/auth/factors/{factor['authentication_factor']['id']}/challenge"
    await application.enroll(user, totp_secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    challenge = (await application.api.post(path)).json()["id"]
    refused(await application.password(user, code=application.code(older)), "invalid_credentials")
    response = await application.password(
        user, code=application.code(older), authentication_challenge_id=challenge
    )
    assert response.status_code == 200


async def test_right_password_and_code_are_accepted_while_strangers_guess_the_password(
    application: Application,
) -> None:
    user = await application.member()
    await use_up_the_account(application, user)
    response = await application.password(user, code=application.code(), ip_address=address(100))
    assert response.status_code == 200


async def test_wrong_passwords_with_a_code_do_not_count_against_the_account(
    application: Application,
) -> None:
    user = await application.user()
    for number in range(30):
        response = await application.password(
            user, WRONG, code=application.wrong(), ip_address=address(number)
        )
        refused(response, "invalid_credentials")
    assert (await application.password(user, ip_address=address(99))).status_code == 200


async def test_attempts_with_a_code_are_paced_by_their_address(application: Application) -> None:
    user = await application.member()
    for number in range(10):
        password, code = (WRONG, application.code()) if number % 2 else ("seven green bottles", "000000")
        response = await application.password(user, password, code=code, ip_address=address(1))
        refused(response, "invalid_credentials")
    for password in (WRONG, "seven green bottles"):
        response = await application.password(user, password, code=application.code(), ip_address=address(1))
        refused(response, "too_many_password_attempts")
    application.clock.advance(15 * MINUTE)
    response = await application.password(user, code=application.code(), ip_address=address(1))
    assert response.status_code == 200


async def test_attempts_with_a_code_from_an_unknown_address_count_against_the_account(
    application: Application,
) -> None:
    """An application that sends no address gets no more attempts by sending codes."""
    user = await application.member()
    for _ in range(20):
        refused(await application.password(user, WRONG, code="000000"), "invalid_credentials")
    refused(await application.password(user, code=application.code()), "too_many_password_attempts")


async def test_each_refusal_is_the_same_whichever_of_the_two_is_wrong(application: Application) -> None:
    member, without_factor = await application.member(), await application.user()
    pending = await application.begin(member)
    await application.user(application.other)
    foreign = "auth_challenge_01KXM8G7H9K1M3P5R7T9V1X3Z5"
    used = application.code()
    assert (await application.password(member, code=used)).status_code == 200
    responses = {
        "wrong password": await application.password(member, WRONG, code=application.code(ahead=1)),
        "wrong code": await application.password(member, code=application.wrong()),
        "malformed code": await application.password(member, code="x"),
        "used code": await application.password(member, code=used),
        "old code": await application.password(member, code=application.code(ahead=-4)),
        "no factor": await application.password(without_factor, code=application.code()),
        "unknown challenge": await application.password(
            member, code=application.code(ahead=1), authentication_challenge_id=foreign
        ),
        "unknown email": await application.grant(
            "password", email="unknown@example.org", password=WRONG, code=application.code()
        ),
    }
    for name, response in responses.items():
        body = refused(response, "invalid_credentials")
        assert set(body) == {"code", "message"}, name
    assert (await application.answer(pending, application.code(ahead=1))).status_code == 200


async def test_locked_codes_are_refused_like_a_wrong_password(application: Application) -> None:
    user = await application.member()
    for number in range(10):
        response = await application.password(user, code=application.wrong(), ip_address=address(number))
        refused(response, "invalid_credentials")
    for password in ("seven green bottles", WRONG):
        response = await application.password(user, password, code=application.code(), ip_address=address(50))
        assert "locked_until" not in refused(response, "invalid_credentials")
    # The lock is that of every code of this user.
    pending = await application.begin(user)
    assert "locked_until" in refused(await application.answer(pending), "one_time_code_too_many_attempts")


async def test_guesses_at_codes_with_the_right_password_keep_to_the_monthly_budget(
    application: Application,
) -> None:
    """Whatever the addresses, and with the two-step sign-in too, 33 codes are compared in 30 days."""
    user = await application.member()
    compared, end = 0, application.clock.now + 30 * DAY * 1000
    while application.clock.now < end:
        before = await failures(application, user)
        await application.password(user, code=application.wrong(), ip_address=address(compared % 5000))
        compared += await failures(application, user) > before
        application.clock.advance(2 * 3600)
    assert 20 < compared <= 33


async def failures(application: Application, user: Json) -> int:
    environment = await application.environment()
    record = await application.af.read(lambda tx: tx.failures.of(environment.number, user["id"]))
    return len(record.times)


async def test_imported_hash_is_replaced_by_a_sign_in_with_a_code(application: Application) -> None:
    salt = b"salt" * 4
    digest = hashlib.pbkdf2_hmac("sha256", b"seven green bottles", salt, 1)
    text = "$".join(base64.b64encode(each).decode().rstrip("=") for each in (salt, digest))
    user = await application.member(
        password=None, password_hash=f"$pbkdf2$i=1,d=sha256${text}", password_hash_type="pbkdf2"
    )
    assert (await application.password(user, code=application.code())).status_code == 200
    environment = await application.environment()
    row = await application.af.read(lambda tx: tx.users.by_id(environment.number, user["id"]))
    assert row is not None
    assert (row.password_hash or "").startswith("$argon2id$")


async def test_attempts_with_a_code_that_were_prepared_together_keep_to_the_limit(
    application: Application,
) -> None:
    """Eleven hashes may be compared at once; the charge decides that ten codes are."""
    user, af = await application.member(), application.af
    environment = await application.environment()
    attempt = Authenticate(
        grant_type="password",
        email=user["email"],
        password="seven green bottles",
        code=application.wrong(),
        ip_address=address(1),
    )
    units = [await af.sign_in.prepare_password(af.store, environment, attempt) for _ in range(11)]
    outcomes = await asyncio.gather(*(af.run(unit) for unit in units), return_exceptions=True)
    codes = [each.code for each in outcomes if isinstance(each, errors.SignInRefused)]
    assert sorted(codes) == ["invalid_credentials"] * 10 + ["too_many_password_attempts"]


async def test_wrong_code_is_an_event_of_the_second_factor(application: Application) -> None:
    user = await application.member()
    await application.password(user, code=application.wrong())
    await application.password(user, WRONG, code=application.wrong())
    names = [
        event["event"]
        for event in await application.events("authentication.password_failed", "authentication.mfa_failed")
    ]
    assert names == ["authentication.mfa_failed", "authentication.password_failed"]


async def test_one_right_code_admits_once_of_fifty_at_once(application: Application) -> None:
    user = await application.member()
    code = application.code()

    async def attempt(number: int) -> httpx.Response:
        return await application.password(user, code=code, ip_address=address(number))

    responses = await asyncio.gather(*(attempt(number) for number in range(50)))
    assert [response.status_code for response in responses].count(200) == 1


@pytest.mark.parametrize("spelling", ["198.51.100.7", "::ffff:198.51.100.7"])
async def test_strangers_in_a_familiar_network_use_up_only_the_share_of_strangers(
    application: Application, spelling: str
) -> None:
    """A hundred wrong passwords for invented accounts refuse the network, but not who has signed in there."""
    user, network = await application.user(), "198.51.100.7"
    assert (await application.password(user, ip_address=network)).status_code == 200
    for number in range(100):
        response = await application.grant(
            "password", email=f"made-up{number}@example.org", password=WRONG, ip_address=spelling
        )
        refused(response, "invalid_credentials")
    newcomer = await application.user()
    refused(await application.password(newcomer, ip_address=spelling), "too_many_password_attempts")
    assert (await application.password(user, ip_address=spelling)).status_code == 200


async def test_stored_limits_do_not_name_accounts_without_the_key(application: Application) -> None:
    user = await application.user(email="pat.doe@example.org")
    await application.password(user, WRONG, ip_address=address(1))
    subjects = [str(row[0]) for row in application.sql("SELECT subject FROM throttles")]
    digest = application.af.vault.digest("throttled account", "pat.doe@example.org")[:32]
    assert sorted(subject.partition(":")[0] for subject in subjects) == ["account", "address", "pair"]
    assert sum(digest in subject for subject in subjects) == 2
    hashed = hashlib.sha256(b"pat.doe@example.org").hexdigest()[:16]
    assert not any(hashed in subject or "pat.doe" in subject for subject in subjects)
