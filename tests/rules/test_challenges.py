"""Verification of codes: the window, single use, and expiry."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from authfactor import errors
from authfactor.models import FailureRecord, PageQuery, Verification
from authfactor.store import Unit
from authfactor.wire.requests import EnrollFactor, EnrollUserFactor, UpdateUser

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

TEN_MINUTES = 600


def outcome(verification: Verification) -> tuple[bool, str | None]:
    return verification.valid, verification.reason


RIGHT = (True, None)
MISMATCH = (False, "code_mismatch")
USED = (False, "code_already_used")
LATE = (False, "clock_drift")
MALFORMED = (False, "code_malformed")


async def test_a_right_code_is_valid_and_closes_the_challenge(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    installation.clock.advance(1.234)
    verification = await installation.verify(enrolled.challenge, installation.code(enrolled))
    assert outcome(verification) == RIGHT
    assert (verification.attempts_remaining, verification.locked_until) == (None, None)
    assert verification.challenge.verified_at == installation.clock.now
    assert verification.challenge.attempts == 1
    stored = await installation.af.read(lambda tx: tx.challenges.by_id(1, verification.challenge.id))
    assert stored == verification.challenge
    for code in (installation.code(enrolled, 1), installation.wrong(enrolled), installation.code(enrolled)):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await installation.verify(enrolled.challenge, code)
    assert (await installation.failures(enrolled.factor.user_id or "")).times == ()


async def test_wrong_code_is_refused_and_counted(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    verification = await installation.verify(enrolled.challenge, installation.wrong(enrolled))
    assert outcome(verification) == MISMATCH
    assert verification.attempts_remaining == 4
    assert verification.challenge.verified_at is None
    record = await installation.failures(user.id)
    assert record.times == (installation.clock.now // 1000,)
    assert record.in_a_row == 1
    assert outcome(await installation.verify(enrolled.challenge, installation.code(enrolled))) == RIGHT
    assert (await installation.failures(user.id)).in_a_row == 0


@pytest.mark.parametrize("early", [1, 0.001])
async def test_challenge_expires_after_ten_minutes(installation: "Installation", early: float) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert enrolled.challenge is not None
    assert enrolled.challenge.expires_at - enrolled.challenge.created_at == 600_000
    second = await installation.challenge(enrolled)
    installation.clock.advance(TEN_MINUTES - early)
    assert outcome(await installation.verify(enrolled.challenge, installation.code(enrolled))) == RIGHT
    installation.clock.advance(early)
    with pytest.raises(errors.ChallengeExpired) as refused:
        await installation.verify(second, installation.code(enrolled, 1))
    assert refused.value.expired_at == second.expires_at == installation.clock.now
    assert (await installation.failures(enrolled.factor.user_id or "")).times == ()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (-2, LATE),
        (-1, RIGHT),
        (0, RIGHT),
        (1, RIGHT),
        (2, MISMATCH),
        (3, MISMATCH),
        (-11, LATE),
        (-20, MISMATCH),
    ],
)
async def test_window_is_one_step_and_only_late_codes_report_clock_drift(
    installation: "Installation", step: int, expected: tuple[bool, str | None]
) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert (
        outcome(await installation.verify(enrolled.challenge, installation.code(enrolled, step))) == expected
    )


@pytest.mark.parametrize(("window", "accepted"), [(0, [0]), (2, [-2, -1, 0, 1, 2])])
async def test_window_follows_its_setting(
    open_installation: "Opener", window: int, accepted: list[int]
) -> None:
    installation: Installation = await open_installation(
        window=window, attempts_per_challenge=50, lock_after=50
    )
    for step in range(-4, 5):
        enrolled = await installation.enroll(await installation.user())
        assert (await installation.verify(enrolled.challenge, installation.code(enrolled, step))).valid == (
            step in accepted
        )


async def test_code_used_for_enrollment_cannot_be_reused(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    assert outcome(await installation.verify(enrolled.challenge, code)) == RIGHT
    assert outcome(await installation.answer(enrolled, code)) == USED
    assert "authfactor.replay_refused" in await installation.events()


async def test_replayed_code_is_counted_and_reported_within_the_window(
    installation: "Installation",
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    code = installation.code(enrolled)
    assert outcome(await installation.verify(enrolled.challenge, code)) == RIGHT
    installation.clock.advance(59.999)
    verification = await installation.answer(enrolled, code)
    assert outcome(verification) == USED
    assert verification.attempts_remaining == 4
    assert (await installation.failures(user.id)).in_a_row == 1
    installation.clock.advance(0.001)
    assert not (await installation.answer(enrolled, code)).valid
    assert (await installation.failures(user.id)).in_a_row == 2


async def test_newer_code_invalidates_the_previous_one(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == RIGHT
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, -1))) == USED


async def test_two_alternating_codes_are_each_accepted_once(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    first, second = installation.code(enrolled, 0), installation.code(enrolled, 1)
    outcomes = [outcome(await installation.answer(enrolled, code)) for code in (first, second, first, second)]
    assert outcomes == [RIGHT, RIGHT, USED, USED]


async def test_code_of_the_next_step_invalidates_earlier_ones(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 1))) == RIGHT
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == USED
    installation.clock.advance(30)
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == USED
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 1))) == RIGHT


async def test_code_sent_to_many_challenges_concurrently_is_accepted_once(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll(await installation.user())
    challenges = [await installation.challenge(enrolled) for _ in range(8)]
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(challenge, code) for challenge in challenges))
    assert Counter(map(outcome, outcomes)) == {RIGHT: 1, USED: 7}


async def test_code_sent_to_one_challenge_concurrently_is_accepted_once_and_repeated(
    installation: "Installation",
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(enrolled.challenge, code) for _ in range(50)))
    assert Counter((each.valid, each.repeated) for each in outcomes) == {(True, False): 1, (True, True): 49}
    assert len({each.challenge for each in outcomes}) == 1
    assert (await installation.failures(user.id)).times == ()
    assert (await installation.events()).count("authfactor.factor_activated") == 1


async def test_clock_set_back_does_not_make_used_codes_valid(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    installation.clock.advance(300)
    earlier = installation.code(enrolled, -10)
    assert outcome(await installation.answer(enrolled, installation.code(enrolled))) == RIGHT
    installation.clock.advance(-300)
    assert installation.code(enrolled) == earlier
    assert outcome(await installation.answer(enrolled, earlier)) == USED
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 1))) == USED
    installation.clock.advance(330)
    assert outcome(await installation.answer(enrolled, installation.code(enrolled))) == RIGHT


@pytest.mark.parametrize("form", ["{0}", " {0} ", "{1} {2}", "{1}  {2}", "{3}", "{1}-{2}", "{1} - {2}"])
async def test_spaces_and_hyphens_in_a_code_are_ignored(installation: "Installation", form: str) -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    typed = form.format(code, code[:3], code[3:], " ".join(code))
    assert outcome(await installation.verify(enrolled.challenge, typed)) == RIGHT


def _full_width(code: str) -> str:
    return "".join(chr(ord(digit) + 0xFEE0) for digit in code)


def _arabic(code: str) -> str:
    return "".join(chr(ord(digit) - 0x30 + 0x660) for digit in code)


@pytest.mark.parametrize(
    "change",
    [
        _full_width,
        _arabic,
        lambda code: code[:5],
        lambda code: code + "00",
        lambda code: code + "\n",
        lambda code: "-" + code[1:],
        lambda code: "+" + code[1:],
        lambda _: "",
        lambda _: "\ud800" * 6,
        lambda _: "9" * 10_000,
    ],
    ids=[
        "full width",
        "Arabic",
        "five",
        "eight",
        "line break",
        "hyphen",
        "sign",
        "empty",
        "surrogates",
        "long",
    ],
)
async def test_code_that_is_not_six_digits_is_malformed_and_not_counted(
    installation: "Installation", change: Callable[[str], str]
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    before = await installation.events()
    malformed = change(installation.code(enrolled))
    for _ in range(20):
        verification = await installation.verify(enrolled.challenge, malformed)
        assert outcome(verification) == MALFORMED
        assert (verification.challenge, verification.attempts_remaining) == (enrolled.challenge, 5)
    assert await installation.failures(user.id) == FailureRecord((), 0, None)
    assert await installation.events() == before
    assert outcome(await installation.verify(enrolled.challenge, installation.code(enrolled))) == RIGHT


async def test_code_of_another_factor_is_wrong(installation: "Installation") -> None:
    user = await installation.user()
    phone, tablet = await installation.enroll(user), await installation.enroll(user)
    assert outcome(await installation.verify(phone.challenge, installation.code(tablet))) == MISMATCH
    assert outcome(await installation.verify(tablet.challenge, installation.code(tablet))) == RIGHT
    assert outcome(await installation.verify(phone.challenge, installation.code(phone))) == RIGHT


async def test_ids_of_another_environment_are_not_found(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user("kim@example.com", external_id="crm-1"))
    challenge, factor = enrolled.challenge, enrolled.factor
    assert challenge is not None
    assert factor.user_id is not None
    af, other = installation.af, installation.other
    key, _ = await af.run(af.environments.new_key(installation.environment, "key"))
    units: list[Unit[Any]] = [
        af.challenges.create(other, factor.id),
        af.challenges.verify(other, challenge.id, installation.code(enrolled)),
        af.factors.get(other, factor.id),
        af.factors.delete(other, factor.id),
        af.factors.page(other, factor.user_id, PageQuery()),
        af.users.get(other, factor.user_id),
        af.users.by_external_id(other, "crm-1"),
        af.users.delete(other, factor.user_id),
        await af.users.prepare_update(other, factor.user_id, UpdateUser(name="x")),
        af.factors.enroll_standalone(
            other, EnrollFactor(type="totp", totp_issuer="i", totp_user="u", user_id=factor.user_id)
        ),
        af.factors.enroll(other, factor.user_id, EnrollUserFactor(type="totp")),
        af.environments.revoke_key(other, key.id),
    ]
    for unit in units:
        with pytest.raises(errors.NotFound):
            await af.run(unit)
    page = await af.read(af.users.page(other, PageQuery(), "kim@example.com"))
    assert page.items == []
    with pytest.raises(errors.InvalidRequest):
        await af.read(af.users.page(other, PageQuery(after=factor.user_id), None))
    assert outcome(await installation.verify(challenge, installation.code(enrolled))) == RIGHT


async def test_unknown_and_foreign_challenge_ids_get_the_same_error(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert enrolled.challenge is not None
    messages = []
    for challenge_id in (enrolled.challenge.id, "auth_challenge_x"):
        with pytest.raises(errors.NotFound) as refused:
            await installation.af.run(
                installation.af.challenges.verify(installation.other, challenge_id, "000000")
            )
        messages.append(str(refused.value).replace(challenge_id, "ID"))
    assert messages[0] == messages[1]
