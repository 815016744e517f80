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
    for code in (installation.code(enrolled), installation.code(enrolled, 1), installation.wrong(enrolled)):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await installation.verify(enrolled.challenge, code)
    assert (await installation.failures(enrolled.factor.user_id or "")).times == ()


async def test_a_wrong_code_is_an_answer_that_counts(installation: "Installation") -> None:
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
async def test_a_challenge_is_good_until_ten_minutes_have_passed(
    installation: "Installation", early: float
) -> None:
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
async def test_the_window_is_one_step_either_way_and_only_the_past_is_named(
    installation: "Installation", step: int, expected: tuple[bool, str | None]
) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert (
        outcome(await installation.verify(enrolled.challenge, installation.code(enrolled, step))) == expected
    )


@pytest.mark.parametrize(("window", "good"), [(0, [0]), (2, [-2, -1, 0, 1, 2])])
async def test_the_window_is_a_setting(open_installation: "Opener", window: int, good: list[int]) -> None:
    installation: Installation = await open_installation(
        window=window, attempts_per_challenge=50, lock_after=50
    )
    for step in range(-4, 5):
        enrolled = await installation.enroll(await installation.user())
        assert (await installation.verify(enrolled.challenge, installation.code(enrolled, step))).valid == (
            step in good
        )


async def test_the_enrolment_code_counts_as_spent(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    assert outcome(await installation.verify(enrolled.challenge, code)) == RIGHT
    assert outcome(await installation.answer(enrolled, code)) == USED
    assert "authfactor.replay_refused" in await installation.events()


async def test_a_replayed_code_is_counted_and_named_for_as_long_as_it_is_in_the_window(
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


async def test_the_previous_code_is_spent_by_a_newer_one(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == RIGHT
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, -1))) == USED


async def test_two_codes_in_turn_are_not_accepted_again(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    first, second = installation.code(enrolled, 0), installation.code(enrolled, 1)
    outcomes = [outcome(await installation.answer(enrolled, code)) for code in (first, second, first, second)]
    assert outcomes == [RIGHT, RIGHT, USED, USED]


async def test_a_code_of_the_next_step_spends_all_before_it(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 1))) == RIGHT
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == USED
    installation.clock.advance(30)
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 0))) == USED
    assert outcome(await installation.answer(enrolled, installation.code(enrolled, 1))) == RIGHT


async def test_one_code_on_two_challenges_at_once_is_good_on_one(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    challenges = [await installation.challenge(enrolled) for _ in range(8)]
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(challenge, code) for challenge in challenges))
    assert Counter(map(outcome, outcomes)) == {RIGHT: 1, USED: 7}


async def test_one_code_sent_twice_to_one_challenge_is_good_once(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(
        *(installation.verify(enrolled.challenge, code) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(each, Verification) and each.valid for each in outcomes) == 1
    assert sum(isinstance(each, errors.ChallengeAlreadyVerified) for each in outcomes) == 19


async def test_a_clock_set_back_reopens_no_step(installation: "Installation") -> None:
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


@pytest.mark.parametrize("form", ["{0}", " {0} ", "{1} {2}", "{1}  {2}", "{3}"])
async def test_spaces_in_a_code_do_not_matter(installation: "Installation", form: str) -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    typed = form.format(code, code[:3], code[3:], " ".join(code))
    assert outcome(await installation.verify(enrolled.challenge, typed)) == RIGHT


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
    installation: "Installation", spoil: Callable[[str], str]
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert (
        outcome(await installation.verify(enrolled.challenge, spoil(installation.code(enrolled)))) == MISMATCH
    )
    assert (await installation.failures(user.id)).in_a_row == 1


async def test_another_factors_code_is_wrong(installation: "Installation") -> None:
    user = await installation.user()
    phone, tablet = await installation.enroll(user), await installation.enroll(user)
    assert outcome(await installation.verify(phone.challenge, installation.code(tablet))) == MISMATCH
    assert outcome(await installation.verify(tablet.challenge, installation.code(tablet))) == RIGHT
    assert outcome(await installation.verify(phone.challenge, installation.code(phone))) == RIGHT


async def test_the_ids_of_another_environment_are_unknown_everywhere(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user("kim@example.com", external_id="crm-1"))
    challenge, factor = enrolled.challenge, enrolled.factor
    assert challenge is not None
    assert factor.user_id is not None
    af, there = installation.af, installation.other
    key, _ = await af.run(af.environments.new_key(installation.environment, "key"))
    units: list[Unit[Any]] = [
        af.challenges.create(there, factor.id),
        af.challenges.verify(there, challenge.id, installation.code(enrolled)),
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
    assert outcome(await installation.verify(challenge, installation.code(enrolled))) == RIGHT


async def test_a_refused_sign_of_life_is_the_same_for_unknown_and_foreign_ids(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert enrolled.challenge is not None
    texts = []
    for challenge_id in (enrolled.challenge.id, "auth_challenge_x"):
        with pytest.raises(errors.NotFound) as refused:
            await installation.af.run(
                installation.af.challenges.verify(installation.other, challenge_id, "000000")
            )
        texts.append(str(refused.value).replace(challenge_id, "ID"))
    assert texts[0] == texts[1]
