"""Attacks on codes: replays, races and guesses. docs/threat-model.md names each one."""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.support.server_process import fields

if TYPE_CHECKING:
    from tests.security.conftest import Application

RACERS: Final = 24


def send_concurrently(
    application: "Application", send: Callable[[httpx.Client, int], httpx.Response]
) -> list[Any]:
    """Send on many connections at the same moment, to any worker, and return the bodies."""
    barrier = Barrier(RACERS)

    def one(number: int) -> Any:  # noqa: ANN401 - a JSON document
        with application.server.client() as client:
            client.get("/healthz")
            barrier.wait(timeout=50)
            return send(client, number).json()

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(one, range(RACERS)))


def verify(client: httpx.Client, challenge_id: str, code: str) -> httpx.Response:
    return client.post(f"/auth/challenges/{challenge_id}/verify", json={"code": code})


def test_second_use_of_a_code_in_its_step_is_refused(app: "Application") -> None:
    factor = app.enroll()
    code = factor.code()
    assert app.verify(factor.challenge_id, code)["valid"]
    for _ in range(3):
        repeated = app.answer(factor, code)
        assert (repeated["valid"], repeated["reason"]) == (False, "code_already_used")


def test_an_older_code_after_a_newer_one_is_refused(app: "Application") -> None:
    factor = app.enroll()
    older, newer = factor.code(), factor.code(1)
    assert app.verify(factor.challenge_id, newer)["valid"]
    assert app.answer(factor, older)["reason"] == "code_already_used"


def test_alternating_codes_of_two_steps_are_accepted_once_each(app: "Application") -> None:
    factor = app.enroll()
    first, second = factor.code(), factor.code(1)
    outcomes = [app.answer(factor, code)["valid"] for code in (first, second, first, second, first)]
    assert outcomes == [True, True, False, False, False]


def test_one_code_on_many_connections_is_accepted_once(app: "Application") -> None:
    for _ in range(5):
        factor = app.enroll()
        challenges, code = [app.challenge(factor) for _ in range(6)], factor.code()
        bodies = send_concurrently(app, lambda client, number: verify(client, challenges[number % 6], code))  # noqa: B023 - used at once
        # The response is repeated to the same challenge, and given for no other.
        verified = [body["challenge"]["id"] for body in bodies if body.get("valid") is True]
        assert len(set(verified)) == 1


def test_a_challenge_takes_five_wrong_codes(app: "Application") -> None:
    factor = app.enroll()
    remaining = [app.verify(factor.challenge_id, factor.wrong())["attempts_remaining"] for _ in range(5)]
    assert remaining == [4, 3, 2, 1, 0]
    assert app.verify(factor.challenge_id, factor.code())["code"] == "one_time_code_too_many_attempts"


def test_concurrent_guesses_get_five_attempts_per_challenge(app: "Application") -> None:
    factor = app.enroll()
    bodies = send_concurrently(app, lambda client, _: verify(client, factor.challenge_id, factor.wrong()))
    assert sum("valid" in body for body in bodies) == 5


def test_guesses_across_challenges_lock_after_ten(app: "Application") -> None:
    factor = app.enroll()
    compared = sum("valid" in app.answer(factor, factor.wrong()) for _ in range(14))
    assert compared == 10
    assert app.answer(factor, factor.code())["code"] == "one_time_code_too_many_attempts"


def test_concurrent_guesses_across_factors_and_workers_lock_after_ten(app: "Application") -> None:
    first = app.enroll()
    factors = [first, *(app.enroll(first.user_id) for _ in range(3))]
    challenges = [app.challenge(factor) for factor in factors for _ in range(RACERS // 4)]
    bodies = send_concurrently(app, lambda client, number: verify(client, challenges[number], "000000"))
    assert sum("valid" in body for body in bodies) == 10
    assert app.answer(first, first.code())["code"] == "one_time_code_too_many_attempts"


def test_guesses_across_sign_ins_and_ip_addresses_lock_after_ten(app: "Application") -> None:
    user, factor = app.member()
    codes: Counter[str] = Counter()
    for number in range(3):
        pending = app.pending(user)
        for attempt in range(4):
            response = app.second_step(pending, factor.wrong(), ip_address=f"203.0.{number}.{attempt}")
            codes[fields(response, 400)["code"]] += 1
    assert codes == {"invalid_one_time_code": 10, "one_time_code_too_many_attempts": 2}


def test_a_restart_does_not_reset_the_guess_count(app: "Application") -> None:
    factor = app.enroll()
    for _ in range(9):
        assert app.answer(factor, factor.wrong())["valid"] is False
    assert app.server.stop() == 0
    app.server.start("--workers", "2")
    assert app.answer(factor, factor.wrong())["attempts_remaining"] == 0
    assert app.answer(factor, factor.code())["code"] == "one_time_code_too_many_attempts"


def test_guesses_at_enrollment_and_on_the_legacy_route_count(app: "Application") -> None:
    factor = app.enroll()
    for _ in range(5):
        assert app.verify(factor.challenge_id, factor.wrong())["valid"] is False
    for _ in range(5):
        body = {"authentication_challenge_id": app.challenge(factor), "code": factor.wrong()}
        assert app.post("/auth/factors/verify", body).json()["valid"] is False
    assert app.answer(factor, factor.code())["code"] == "one_time_code_too_many_attempts"


def test_a_right_code_under_a_lock_is_refused_like_a_wrong_one(app: "Application") -> None:
    factor = app.enroll()
    for _ in range(10):
        app.answer(factor, factor.wrong())
    right, wrong = app.answer(factor, factor.code()), app.answer(factor, factor.wrong())
    assert right == wrong


def test_what_cannot_be_a_code_is_never_valid_and_gives_no_guess(app: "Application") -> None:
    factor = app.enroll()
    code = factor.code()
    spellings = [code.translate({48 + n: 0xFF10 + n for n in range(10)}), f"{code}0", f"+{code}", f"{code}\0"]
    spellings += [code[:5], "", "\u0660" * 6, f"0x{code}", f"{int(code)}.0", f"{code}\n", "9" * 8000]
    wrong = [app.answer(factor, factor.wrong())["attempts_remaining"] for _ in range(4)]
    for spelling in spellings:
        malformed = app.answer(factor, spelling)
        assert (malformed["valid"], malformed["reason"]) == (False, "code_malformed")
        assert malformed["attempts_remaining"] == 5
    # Between them the count goes on as if nothing had been sent.
    wrong += [app.answer(factor, factor.wrong())["attempts_remaining"] for _ in range(6)]
    assert wrong == [4, 4, 4, 4, 4, 4, 3, 2, 1, 0]
    assert app.answer(factor, "12345")["code"] == "one_time_code_too_many_attempts"


def test_guessing_at_a_verified_challenge_ends_the_repeating(app: "Application") -> None:
    for _ in range(3):
        factor = app.enroll()
        code, wrong = factor.code(), factor.wrong()
        assert app.verify(factor.challenge_id, code)["valid"]
        assert app.verify(factor.challenge_id, code)["valid"]
        guesses = send_concurrently(app, lambda client, _: verify(client, factor.challenge_id, wrong))  # noqa: B023 - used at once
        assert {guess["code"] for guess in guesses} == {"authentication_challenge_previously_verified"}
        assert app.verify(factor.challenge_id, code)["code"] == "authentication_challenge_previously_verified"


def test_one_secret_in_two_factors_accepts_a_code_once(app: "Application") -> None:
    first = app.enroll()
    path = f"/user_management/users/{first.user_id}/auth_factors"
    for secret in (first.secret, first.secret.lower(), f"{first.secret}AAAAAAAA"):
        refused = fields(app.post(path, {"type": "totp", "totp_secret": secret}), 422)
        assert [item["code"] for item in refused["errors"]] == ["factor_already_enrolled"]
    secret = first.secret[::-1]
    racing = send_concurrently(
        app, lambda client, _: client.post(path, json={"type": "totp", "totp_secret": secret})
    )
    assert sum("authentication_factor" in body for body in racing) == 1


def test_a_lock_affects_neither_other_users_nor_passwords(app: "Application") -> None:
    user, factor = app.member()
    for _ in range(10):
        app.answer(factor, factor.wrong())
    bystander = app.enroll()
    assert app.verify(bystander.challenge_id, bystander.code())["valid"]
    # The password is still accepted: wrong codes do not count against it.
    app.pending(user)


def test_attempts_under_a_lock_do_not_extend_it(app: "Application") -> None:
    factor = app.enroll()
    for _ in range(9):
        app.answer(factor, factor.wrong())
    until = app.answer(factor, factor.wrong())["locked_until"]
    assert {app.answer(factor, factor.wrong())["locked_until"] for _ in range(20)} == {until}


def test_wrong_codes_below_the_limit_lock_no_device_or_user(app: "Application") -> None:
    phone = app.enroll()
    tablet, stranger = app.enroll(phone.user_id), app.enroll()
    for _ in range(9):
        app.answer(phone, phone.wrong())
    assert app.answer(tablet, tablet.code())["valid"]
    assert app.answer(stranger, stranger.code())["valid"]


def test_second_use_of_a_challenge_is_refused(app: "Application") -> None:
    factor = app.enroll()
    assert app.verify(factor.challenge_id, factor.code())["valid"]
    repeated = app.verify(factor.challenge_id, factor.code(1))
    assert repeated["code"] == "authentication_challenge_previously_verified"


def test_a_challenge_of_a_deleted_factor_is_refused(app: "Application") -> None:
    factor = app.enroll()
    assert app.client.delete(f"/auth/factors/{factor.id}").status_code == 204
    assert app.verify(factor.challenge_id, factor.code())["code"] == "entity_not_found"


def test_codes_outside_the_window_are_refused(app: "Application") -> None:
    factor = app.enroll()
    # A code two steps away may enter the window when a step ends meanwhile; one three steps away cannot.
    for ahead in (3, 4, 20, -3, -4, -20):
        assert app.answer(factor, factor.code(ahead))["valid"] is False


def test_another_users_code_is_refused(app: "Application") -> None:
    mine, theirs = app.enroll(), app.enroll()
    assert app.verify(theirs.challenge_id, mine.code())["valid"] is False


def test_ids_of_another_environment_are_not_found(app: "Application", other: "Application") -> None:
    factor = app.enroll()
    unknown = "auth_challenge_01KXM8G7H9K1M3P5R7T9V1X3Z5"
    foreign = other.verify(factor.challenge_id, factor.code())
    assert foreign["code"] == other.verify(unknown, "000000")["code"] == "entity_not_found"
    responses = [
        other.client.get(f"/auth/factors/{factor.id}"),
        other.client.delete(f"/auth/factors/{factor.id}"),
        other.post(f"/auth/factors/{factor.id}/challenge"),
        other.client.get(f"/user_management/users/{factor.user_id}"),
        other.client.delete(f"/user_management/users/{factor.user_id}"),
        other.client.get(f"/user_management/users/{factor.user_id}/auth_factors"),
        other.post(f"/user_management/users/{factor.user_id}/auth_factors", {"type": "totp"}),
    ]
    assert [response.status_code for response in responses] == [404] * len(responses)
    assert app.verify(factor.challenge_id, factor.code())["valid"]


def test_an_idempotency_key_is_bound_to_body_and_caller(app: "Application", other: "Application") -> None:
    factor, key = app.enroll(), str(uuid.uuid4())
    path = f"/auth/challenges/{factor.challenge_id}/verify"
    headers = {"idempotency-key": key}
    wrong = app.post(path, {"code": factor.wrong()}, **headers)
    reused = app.post(path, {"code": factor.code()}, **headers)
    assert fields(reused, 422)["code"] == "idempotency_key_reused"
    assert app.post(path, {"code": factor.wrong()}, **headers).content == wrong.content
    assert other.post(path, {"code": factor.wrong()}, **headers).status_code == 404


def test_guesses_under_one_idempotency_key_each_count(app: "Application") -> None:
    factor = app.enroll()
    for _ in range(10):
        body = {"code": factor.wrong()}
        app.post(f"/auth/challenges/{app.challenge(factor)}/verify", body, **{"idempotency-key": "retry-1"})
    assert app.answer(factor, factor.code())["code"] == "one_time_code_too_many_attempts"
