"""Which codes are good, once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from authfactor import errors
from authfactor.models import PageQuery, Verification
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


async def test_a_right_code_is_valid_and_closes_the_challenge(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    desk.clock.advance(1.234)
    verification = await desk.verify(enrolled.challenge, desk.code(enrolled))
    assert outcome(verification) == RIGHT
    assert (verification.attempts_remaining, verification.locked_until) == (None, None)
    assert verification.challenge.verified_at == desk.clock.now
    assert verification.challenge.attempts == 1
    stored = await desk.af.read(lambda tx: tx.challenges.by_id(1, verification.challenge.id))
    assert stored == verification.challenge
    for code in (desk.code(enrolled), desk.code(enrolled, 1), desk.wrong(enrolled)):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await desk.verify(enrolled.challenge, code)
    assert (await desk.failures(enrolled.factor.user_id or "")).times == ()


async def test_a_wrong_code_is_an_answer_that_counts(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    verification = await desk.verify(enrolled.challenge, desk.wrong(enrolled))
    assert outcome(verification) == MISMATCH
    assert verification.attempts_remaining == 4
    assert verification.challenge.verified_at is None
    record = await desk.failures(user.id)
    assert record.times == (desk.clock.now // 1000,)
    assert record.in_a_row == 1
    assert outcome(await desk.verify(enrolled.challenge, desk.code(enrolled))) == RIGHT
    assert (await desk.failures(user.id)).in_a_row == 0


@pytest.mark.parametrize("early", [1, 0.001])
async def test_a_challenge_is_good_until_ten_minutes_have_passed(desk: "Installation", early: float) -> None:
    enrolled = await desk.enroll(await desk.user())
    assert enrolled.challenge is not None
    assert enrolled.challenge.expires_at - enrolled.challenge.created_at == 600_000
    second = await desk.challenge(enrolled)
    desk.clock.advance(TEN_MINUTES - early)
    assert outcome(await desk.verify(enrolled.challenge, desk.code(enrolled))) == RIGHT
    desk.clock.advance(early)
    with pytest.raises(errors.ChallengeExpired) as refused:
        await desk.verify(second, desk.code(enrolled, 1))
    assert refused.value.expired_at == second.expires_at == desk.clock.now
    assert (await desk.failures(enrolled.factor.user_id or "")).times == ()


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
async def test_the_window_is_one_step_either_way_and_only_the_past_is_named(
    desk: "Installation", step: int, expected: tuple[bool, str | None]
) -> None:
    enrolled = await desk.enroll(await desk.user())
    assert outcome(await desk.verify(enrolled.challenge, desk.code(enrolled, step))) == expected


@pytest.mark.parametrize(("window", "good"), [(0, [0]), (2, [-2, -1, 0, 1, 2])])
async def test_the_window_is_a_setting(open_desk: "Opener", window: int, good: list[int]) -> None:
    desk: Installation = await open_desk(window=window, attempts_per_challenge=50, lock_after=50)
    for step in range(-4, 5):
        enrolled = await desk.enroll(await desk.user())
        assert (await desk.verify(enrolled.challenge, desk.code(enrolled, step))).valid == (step in good)


async def test_the_enrolment_code_counts_as_spent(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    code = desk.code(enrolled)
    assert outcome(await desk.verify(enrolled.challenge, code)) == RIGHT
    assert outcome(await desk.answer(enrolled, code)) == USED
    assert "authfactor.replay_refused" in await desk.events()


async def test_a_replayed_code_is_counted_and_named_for_as_long_as_it_is_in_the_window(
    desk: "Installation",
) -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    code = desk.code(enrolled)
    assert outcome(await desk.verify(enrolled.challenge, code)) == RIGHT
    desk.clock.advance(59.999)
    verification = await desk.answer(enrolled, code)
    assert outcome(verification) == USED
    assert verification.attempts_remaining == 4
    assert (await desk.failures(user.id)).in_a_row == 1
    desk.clock.advance(0.001)
    assert not (await desk.answer(enrolled, code)).valid
    assert (await desk.failures(user.id)).in_a_row == 2


async def test_the_previous_code_is_spent_by_a_newer_one(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 0))) == RIGHT
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, -1))) == USED


async def test_two_codes_in_turn_are_not_accepted_again(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    first, second = desk.code(enrolled, 0), desk.code(enrolled, 1)
    outcomes = [outcome(await desk.answer(enrolled, code)) for code in (first, second, first, second)]
    assert outcomes == [RIGHT, RIGHT, USED, USED]


async def test_a_code_of_the_next_step_spends_all_before_it(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 1))) == RIGHT
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 0))) == USED
    desk.clock.advance(30)
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 0))) == USED
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 1))) == RIGHT


async def test_one_code_on_two_challenges_at_once_is_good_on_one(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    challenges = [await desk.challenge(enrolled) for _ in range(8)]
    code = desk.code(enrolled)
    outcomes = await asyncio.gather(*(desk.verify(challenge, code) for challenge in challenges))
    assert Counter(map(outcome, outcomes)) == {RIGHT: 1, USED: 7}


async def test_one_code_sent_twice_to_one_challenge_is_good_once(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    code = desk.code(enrolled)
    outcomes = await asyncio.gather(
        *(desk.verify(enrolled.challenge, code) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(each, Verification) and each.valid for each in outcomes) == 1
    assert sum(isinstance(each, errors.ChallengeAlreadyVerified) for each in outcomes) == 19


async def test_a_clock_set_back_reopens_no_step(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    desk.clock.advance(300)
    earlier = desk.code(enrolled, -10)
    assert outcome(await desk.answer(enrolled, desk.code(enrolled))) == RIGHT
    desk.clock.advance(-300)
    assert desk.code(enrolled) == earlier
    assert outcome(await desk.answer(enrolled, earlier)) == USED
    assert outcome(await desk.answer(enrolled, desk.code(enrolled, 1))) == USED
    desk.clock.advance(330)
    assert outcome(await desk.answer(enrolled, desk.code(enrolled))) == RIGHT


@pytest.mark.parametrize("form", ["{0}", " {0} ", "{1} {2}", "{1}  {2}", "{3}"])
async def test_spaces_in_a_code_do_not_matter(desk: "Installation", form: str) -> None:
    enrolled = await desk.enroll(await desk.user())
    code = desk.code(enrolled)
    typed = form.format(code, code[:3], code[3:], " ".join(code))
    assert outcome(await desk.verify(enrolled.challenge, typed)) == RIGHT


def _full_width(code: str) -> str:
    return "".join(chr(ord(digit) + 0xFEE0) for digit in code)


def _arabic(code: str) -> str:
    return "".join(chr(ord(digit) - 0x30 + 0x660) for digit in code)


@pytest.mark.parametrize(
    "spoil",
    [
        _full_width,
        _arabic,
        lambda code: code[:5],
        lambda code: code + "00",
        lambda code: code + "\n",
        lambda code: code[:3] + "-" + code[3:],
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
async def test_what_is_not_six_digits_is_a_wrong_code_and_counts(
    desk: "Installation", spoil: Callable[[str], str]
) -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    assert outcome(await desk.verify(enrolled.challenge, spoil(desk.code(enrolled)))) == MISMATCH
    assert (await desk.failures(user.id)).in_a_row == 1


async def test_another_factors_code_is_wrong(desk: "Installation") -> None:
    user = await desk.user()
    phone, tablet = await desk.enroll(user), await desk.enroll(user)
    assert outcome(await desk.verify(phone.challenge, desk.code(tablet))) == MISMATCH
    assert outcome(await desk.verify(tablet.challenge, desk.code(tablet))) == RIGHT
    assert outcome(await desk.verify(phone.challenge, desk.code(phone))) == RIGHT


async def test_the_ids_of_another_environment_are_unknown_everywhere(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user("kim@example.com", external_id="crm-1"))
    challenge, factor = enrolled.challenge, enrolled.factor
    assert challenge is not None
    assert factor.user_id is not None
    af, there = desk.af, desk.other
    key, _ = await af.run(af.environments.new_key(desk.environment, "key"))
    units: list[Unit[Any]] = [
        af.challenges.create(there, factor.id),
        af.challenges.verify(there, challenge.id, desk.code(enrolled)),
        af.factors.get(there, factor.id),
        af.factors.delete(there, factor.id),
        af.factors.page(there, factor.user_id, PageQuery()),
        af.users.get(there, factor.user_id),
        af.users.by_external_id(there, "crm-1"),
        af.users.delete(there, factor.user_id),
        await af.users.prepare_update(there, factor.user_id, UpdateUser(name="x")),
        af.factors.enroll_standalone(
            there, EnrollFactor(type="totp", totp_issuer="i", totp_user="u", user_id=factor.user_id)
        ),
        af.factors.enroll(there, factor.user_id, EnrollUserFactor(type="totp")),
        af.environments.revoke_key(there, key.id),
    ]
    for unit in units:
        with pytest.raises(errors.NotFound):
            await af.run(unit)
    page = await af.read(af.users.page(there, PageQuery(), "kim@example.com"))
    assert page.items == []
    with pytest.raises(errors.InvalidRequest):
        await af.read(af.users.page(there, PageQuery(after=factor.user_id), None))
    assert outcome(await desk.verify(challenge, desk.code(enrolled))) == RIGHT


async def test_a_refused_sign_of_life_is_the_same_for_unknown_and_foreign_ids(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    assert enrolled.challenge is not None
    texts = []
    for challenge_id in (enrolled.challenge.id, "auth_challenge_x"):
        with pytest.raises(errors.NotFound) as refused:
            await desk.af.run(desk.af.challenges.verify(desk.other, challenge_id, "000000"))
        texts.append(str(refused.value).replace(challenge_id, "ID"))
    assert texts[0] == texts[1]
