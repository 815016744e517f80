"""Recovery codes of another system: accepted once; those that could be guessed are counted and locked."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.models import Enrollment, FailureRecord, UserRecord, Verification
from authfactor.rules.factors import imported_recovery_codes
from authfactor.rules.factors import recovery_codes as rules
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.store.tables.challenges import ChallengesTable
from tests.rules.test_recovery_codes import RACERS, enrolled_user, lock, make, remaining

if TYPE_CHECKING:
    from tests.support.installation import Installation

# As other products make them: 41 bits (8 letters and digits), 128 bits (UUIDs).
SHORT: Final = tuple(f"k7x9q2{at:02}" for at in range(10))
LONG: Final = tuple(f"f47ac10b-58cc-4372-a567-0e02b2c3d4{at:02}" for at in range(10))
WRONG: Final = "zzzz9999"
SETS: Final = pytest.mark.parametrize("codes", [SHORT, LONG], ids=["guessable", "long"])


async def load(installation: "Installation", user: UserRecord, codes: tuple[str, ...]) -> None:
    af = installation.af
    found = await af.run(af.recovery_codes.import_set(installation.environment, user.id, codes))
    assert found.total == len(codes)


async def imported(installation: "Installation", codes: tuple[str, ...]) -> tuple[UserRecord, Enrollment]:
    user, enrolled = await enrolled_user(installation)
    await load(installation, user, codes)
    return user, enrolled


@SETS
async def test_each_imported_code_works_once(installation: "Installation", codes: tuple[str, ...]) -> None:
    user, enrolled = await imported(installation, codes)
    for used, code in enumerate(codes, 1):
        result = await installation.answer(enrolled, f" {code.upper()} ")
        assert (result.valid, result.recovery_codes_remaining) == (True, 10 - used)
        assert result.challenge.verified_at == installation.clock.now
        again = await installation.answer(enrolled, code)
        assert (again.valid, again.reason) == (False, "code_already_used")
        installation.clock.advance(24 * 3600)
    assert await remaining(installation, user) == (10, 0)
    names = Counter(await installation.events())
    assert names["authfactor.recovery_codes_created"] == 1
    assert names["authfactor.recovery_codes_used"] == 10
    assert names["authfactor.recovery_codes_low"] == 4


@SETS
@pytest.mark.parametrize("challenges", [1, RACERS])
async def test_one_imported_code_fifty_times_at_once_is_accepted_once(
    installation: "Installation", codes: tuple[str, ...], challenges: int
) -> None:
    user, enrolled = await imported(installation, codes)
    opened = [await installation.challenge(enrolled) for _ in range(challenges)]
    found = await asyncio.gather(
        *[installation.verify(opened[at % challenges], codes[0]) for at in range(RACERS)],
        return_exceptions=True,
    )
    results = [each for each in found if isinstance(each, Verification)]
    assert sum(each.valid and not each.repeated for each in results) == 1
    refusals = [each for each in found if not isinstance(each, Verification)]
    assert all(isinstance(each, errors.ChallengeRefused) for each in refusals)
    assert await remaining(installation, user) == (10, 9)
    assert (await installation.events()).count("authfactor.recovery_codes_used") == 1


async def test_guessable_code_is_refused_under_a_lock_and_stays_unused(installation: "Installation") -> None:
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)
    await lock(installation, user, enrolled)
    before = await installation.failures(user.id)
    with pytest.raises(errors.TooManyAttempts):
        await installation.verify(challenge, SHORT[0])
    assert await installation.failures(user.id) == before
    assert await remaining(installation, user) == (10, 10)
    assert "authfactor.user_unlocked" not in await installation.events()


async def test_long_code_lifts_a_lock(installation: "Installation") -> None:
    user, enrolled = await imported(installation, LONG)
    challenge = await installation.challenge(enrolled)
    await lock(installation, user, enrolled)
    assert (await installation.verify(challenge, LONG[0])).valid
    assert await installation.failures(user.id) == FailureRecord((), 0, None)


async def test_wrong_guesses_at_short_codes_count_and_lock_as_six_digits_do(
    installation: "Installation",
) -> None:
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)
    left = []
    for _ in range(5):
        result = await installation.verify(challenge, WRONG)
        assert (result.valid, result.reason) == (False, "code_mismatch")
        left.append(result.attempts_remaining)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(errors.TooManyAttempts):
        await installation.verify(challenge, SHORT[0])
    assert len((await installation.failures(user.id)).times) == 5
    other = await installation.challenge(enrolled)
    for _ in range(5):
        await installation.verify(other, WRONG)
    assert (await installation.failures(user.id)).locked_until
    assert "authfactor.user_locked" in await installation.events()
    with pytest.raises(errors.TooManyAttempts):
        await installation.answer(enrolled, installation.code(enrolled))


async def test_right_short_code_ends_the_run_of_failures_and_refunds_its_attempt(
    installation: "Installation",
) -> None:
    user, enrolled = await imported(installation, SHORT)
    await installation.answer(enrolled, WRONG)
    await installation.answer(enrolled, installation.wrong(enrolled))
    assert (await installation.failures(user.id)).in_a_row == 2
    assert (await installation.answer(enrolled, SHORT[0])).valid
    record = await installation.failures(user.id)
    assert (len(record.times), record.in_a_row) == (2, 0)


async def test_short_code_is_not_looked_up_before_its_attempt_is_counted(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty guesses at once are at most as many as a challenge allows."""
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)
    looked_up = 0
    spend = rules.RecoveryCodeSets.spend_guessable

    async def counted(self: rules.RecoveryCodeSets, *given: Any) -> Any:  # noqa: ANN401 - passed on
        nonlocal looked_up
        looked_up += 1
        return await spend(self, *given)

    monkeypatch.setattr(rules.RecoveryCodeSets, "spend_guessable", counted)
    found = await asyncio.gather(
        *[installation.verify(challenge, f"zzzz99{at:02}") for at in range(RACERS)], return_exceptions=True
    )
    wrong = [each for each in found if isinstance(each, Verification)]
    assert len(wrong) == 5
    assert all(isinstance(each, errors.TooManyAttempts | Verification) for each in found)
    assert len((await installation.failures(user.id)).times) == 5
    assert looked_up >= 5


async def test_short_code_stays_unused_when_its_challenge_was_closed_meanwhile(
    installation: "Installation",
) -> None:
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)
    found = await asyncio.gather(
        *[installation.verify(challenge, code) for code in SHORT], return_exceptions=True
    )
    assert [each.valid for each in found if isinstance(each, Verification)] == [True]
    assert await remaining(installation, user) == (10, 9)


async def test_result_of_a_short_code_is_not_repeated(installation: "Installation") -> None:
    """Guesses at a closed challenge would be counted nowhere."""
    _, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)
    assert (await installation.verify(challenge, SHORT[0])).valid
    for code in (SHORT[0], WRONG):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await installation.verify(challenge, code)


async def test_result_of_a_long_code_is_repeated(installation: "Installation") -> None:
    _, enrolled = await imported(installation, LONG)
    challenge = await installation.challenge(enrolled)
    assert not (await installation.verify(challenge, LONG[0])).repeated
    assert (await installation.verify(challenge, LONG[0])).repeated


@pytest.mark.parametrize("text", [*SHORT[:1], *LONG[:1], "12345678", "a password, 8"])
async def test_foreign_shape_is_no_code_of_a_user_without_an_imported_set(
    installation: "Installation", text: str
) -> None:
    user, enrolled = await enrolled_user(installation)
    await make(installation, user)
    result = await installation.answer(enrolled, text)
    assert (result.valid, result.reason) == (False, "code_malformed")
    assert await installation.failures(user.id) == FailureRecord((), 0, None)


async def test_set_made_here_replaces_an_imported_one(installation: "Installation") -> None:
    user, enrolled = await imported(installation, SHORT)
    codes = await make(installation, user)
    assert (await installation.answer(enrolled, SHORT[0])).reason == "code_malformed"
    assert (await installation.answer(enrolled, codes[0])).valid
    assert await remaining(installation, user) == (10, 9)


@SETS
async def test_used_code_stays_used_when_the_set_is_imported_again(
    installation: "Installation", codes: tuple[str, ...]
) -> None:
    user, enrolled = await imported(installation, codes)
    assert (await installation.answer(enrolled, codes[0])).valid
    assert (await installation.answer(enrolled, codes[1])).valid
    installation.af.vault.extend([key_of(bytes(range(32)))])
    await load(installation, user, codes[1:])
    assert await remaining(installation, user) == (9, 8)
    assert (await installation.answer(enrolled, codes[1])).reason == "code_already_used"
    assert (await installation.answer(enrolled, codes[0])).reason == "code_mismatch"
    assert (await installation.answer(enrolled, codes[2])).valid


async def test_imports_at_once_leave_one_whole_set(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    sets = [tuple(f"{at:02}{each}" for each in LONG) for at in range(RACERS)]
    await asyncio.gather(*[load(installation, user, codes) for codes in sets])
    assert await remaining(installation, user) == (10, 10)
    valid = 0
    for codes in sets:
        installation.clock.advance(24 * 3600)
        valid += (await installation.answer(enrolled, codes[0])).valid
    assert valid == 1


@pytest.mark.parametrize(
    ("codes", "refused"),
    [
        (None, ("codes", "codes_required")),
        ((), ("codes", "codes_required")),
        (tuple(f"k7x9q2{at:03}" for at in range(51)), ("codes", "codes_too_many")),
        (("123456",), ("codes.0", "recovery_code_malformed")),
        (("k7x9q2m4", "123 456"), ("codes.1", "recovery_code_malformed")),
        (("k7x9q2m",), ("codes.0", "recovery_code_malformed")),
        (("x" * 41,), ("codes.0", "recovery_code_malformed")),
        (("k7x9_q2m4",), ("codes.0", "recovery_code_malformed")),
        (("k7x9q2m4", "K7X9-Q2M4"), ("codes.1", "recovery_code_repeated")),
        (("1234567890123456",), ("codes.0", "recovery_code_guessable")),
        (("k7x9q2m4", "abcdefgh12345678"), ("codes.1", "recovery_code_guessable")),
    ],
)
async def test_unusable_set_is_refused_and_the_old_one_stays(
    installation: "Installation", codes: tuple[str, ...] | None, refused: tuple[str, str]
) -> None:
    user, _ = await imported(installation, LONG)
    af = installation.af
    with pytest.raises(errors.InvalidRequest) as caught:
        await af.run(af.recovery_codes.import_set(installation.environment, user.id, codes))
    assert [(item.field, item.code) for item in caught.value.items] == [refused]
    assert not any(code in str(caught.value.items) for code in codes or ())
    assert await remaining(installation, user) == (10, 10)


async def test_imported_codes_of_our_own_form_are_looked_up_as_ours(installation: "Installation") -> None:
    _, enrolled = await imported(installation, ("f47ac10b58cc4372", "a5670e02b2c3d479"))
    assert (await installation.answer(enrolled, "F47A-CLOB-58CC-4372")).valid
    assert (await installation.answer(enrolled, "a567-0e02-b2c3-d479")).valid


async def test_no_way_around_the_count_spends_a_guessable_code(installation: "Installation") -> None:
    """Not even if a row had such a code in our own form: the statement refuses it."""
    _, enrolled = await imported(installation, ("f47ac10b58cc4372", "a5670e02b2c3d479"))
    installation.sql("UPDATE recovery_codes SET bits = 63")
    assert not (await installation.answer(enrolled, "f47ac10b58cc4372")).valid
    installation.sql("UPDATE recovery_codes SET bits = 64")
    assert (await installation.answer(enrolled, "f47ac10b58cc4372")).valid


async def test_import_needs_an_active_factor_and_the_users_environment(installation: "Installation") -> None:
    user = await installation.user()
    af = installation.af
    with pytest.raises(errors.InvalidRequest) as caught:
        await load(installation, user, SHORT)
    assert [item.code for item in caught.value.items] == ["no_active_factor"]
    with pytest.raises(errors.NotFound):
        await af.run(af.recovery_codes.import_set(installation.other, user.id, SHORT))


@SETS
async def test_codes_of_another_user_are_wrong(installation: "Installation", codes: tuple[str, ...]) -> None:
    _, enrolled = await imported(installation, codes)
    other, _ = await imported(installation, tuple(f"z9{code}" for code in SHORT))
    foreign = f"z9{SHORT[0]}"
    assert not (await installation.answer(enrolled, foreign)).valid
    installation.sql(f"UPDATE recovery_codes SET environment = 2 WHERE user_id = '{other.id}'")  # noqa: S608 - an id
    assert not (await installation.answer(enrolled, foreign)).valid


@SETS
async def test_restore_voids_an_imported_set(installation: "Installation", codes: tuple[str, ...]) -> None:
    user, enrolled = await imported(installation, codes)
    af = installation.af
    marks = await AfterRestore(installation.clock, af.settings, af.audit).mark(af.store, "a test")
    assert marks.recovery_codes == 10
    assert (await installation.answer(enrolled, codes[0])).reason == "code_malformed"
    assert await remaining(installation, user) == (0, 0)


async def test_imported_codes_are_stored_in_no_form_that_gives_them_away(
    installation: "Installation",
) -> None:
    _, enrolled = await imported(installation, LONG)
    assert (await installation.answer(enrolled, LONG[0])).valid
    stored = installation.files()
    for code in LONG:
        for form in (code, code.replace("-", ""), code.upper()):
            assert form.encode() not in stored


async def test_only_a_foreign_shape_on_a_users_active_challenge_asks_for_an_imported_set(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six digits, our own codes and other texts run the statements that they ran before."""
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    asked = 0

    async def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr("authfactor.store.tables.recovery_codes.RecoveryCodesTable.imported_bits", count)
    alone = await installation.enroll_alone()
    for text in (installation.code(enrolled), installation.wrong(enrolled), codes[0], "", "hello!", "x" * 41):
        await installation.answer(enrolled, text)
    await installation.answer(alone, SHORT[0])
    assert asked == 0
    await installation.answer(enrolled, SHORT[0])
    assert asked == 1


def test_imported_set_shows_no_code_in_logs() -> None:
    shown = repr(imported_recovery_codes.read(SHORT))
    assert "10 codes" in shown
    assert SHORT[0] not in shown


async def test_guessable_code_stays_unused_if_its_challenge_cannot_be_closed(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)

    async def lost(*_: object) -> bool:
        return False

    monkeypatch.setattr(ChallengesTable, "close", lost)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(challenge, SHORT[0])
    assert await remaining(installation, user) == (10, 10)
