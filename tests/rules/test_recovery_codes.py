"""A recovery code is accepted once, for its user only, whatever locks them; wrong ones lock no user."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.models import (
    Enrollment,
    EnvironmentOptions,
    FailureRecord,
    MfaOptions,
    MfaRule,
    PageQuery,
    UserRecord,
)
from authfactor.rules.factors.recovery_codes import BURST
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.rules.maintenance.key_rotation import KeyInUse
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.store.postgres.store import PostgresStore
from tests.rules.test_links import challenge_link, enrollment_link, open_link

if TYPE_CHECKING:
    from tests.support.installation import Installation

RACERS: Final = 50
WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
UNKNOWN: Final = "zzzz-zzzz-zzzz-zzzz"


async def enrolled_user(installation: "Installation") -> tuple[UserRecord, Enrollment]:
    """Return a user with one active factor."""
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).valid
    installation.clock.advance(60)
    return user, enrolled


async def make(installation: "Installation", user: UserRecord) -> tuple[str, ...]:
    made = await installation.af.run(installation.af.recovery_codes.create(installation.environment, user.id))
    return made.codes


async def remaining(installation: "Installation", user: UserRecord) -> tuple[int, int]:
    af = installation.af
    count = await af.read(af.recovery_codes.count(installation.environment, user.id))
    return count.total, count.remaining


async def lock(installation: "Installation", user: UserRecord, enrolled: Enrollment) -> None:
    """Lock the user by wrong TOTP codes."""
    for _ in range(2):
        challenge = await installation.challenge(enrolled)
        for _ in range(5):
            await installation.verify(challenge, installation.wrong(enrolled))
    assert (await installation.failures(user.id)).locked_until


async def test_each_code_of_a_set_works_once(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    assert len(set(codes)) == 10
    for used, code in enumerate(codes, 1):
        result = await installation.answer(enrolled, code.upper().replace("-", " "))
        assert (result.valid, result.recovery_codes_remaining) == (True, 10 - used)
        assert result.challenge.verified_at == installation.clock.now
        again = await installation.answer(enrolled, code)
        assert (again.valid, again.reason) == (False, "code_already_used")
        installation.clock.advance(600)
    assert await remaining(installation, user) == (10, 0)
    names = Counter(await installation.events())
    assert names["authfactor.recovery_codes_created"] == 1
    assert names["authfactor.recovery_codes_used"] == 10
    assert names["authfactor.recovery_codes_low"] == 4


async def test_totp_codes_go_on_working(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    await make(installation, user)
    result = await installation.answer(enrolled, installation.code(enrolled))
    assert (result.valid, result.recovery_codes_remaining) == (True, None)
    assert await remaining(installation, user) == (10, 10)


@pytest.mark.parametrize("challenges", [1, RACERS])
async def test_one_code_fifty_times_at_once_is_accepted_once(
    installation: "Installation", challenges: int
) -> None:
    user, enrolled = await enrolled_user(installation)
    code = (await make(installation, user))[0]
    opened = [await installation.challenge(enrolled) for _ in range(challenges)]
    found = await asyncio.gather(
        *[installation.verify(opened[at % challenges], code) for at in range(RACERS)], return_exceptions=True
    )
    results = [each for each in found if not isinstance(each, BaseException)]
    assert sum(each.valid and not each.repeated for each in results) == 1
    assert {each.challenge.verified_at for each in results if each.valid} == {installation.clock.now}
    if challenges > 1:
        assert not any(each.repeated for each in results)
    refusals = [each for each in found if isinstance(each, BaseException)]
    assert all(isinstance(each, errors.ChallengeRefused) for each in refusals)
    assert await remaining(installation, user) == (10, 9)
    assert (await installation.events()).count("authfactor.recovery_codes_used") == 1


async def test_fifty_codes_of_one_challenge_close_it_once(installation: "Installation") -> None:
    """The losers' codes stay unused."""
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    challenge = await installation.challenge(enrolled)
    found = await asyncio.gather(
        *[installation.verify(challenge, code) for code in codes], return_exceptions=True
    )
    results = [each for each in found if not isinstance(each, BaseException)]
    assert [each.valid for each in results] == [True]
    assert await remaining(installation, user) == (10, 9)


async def test_code_stays_unused_when_its_challenge_was_closed_meanwhile(
    installation: "Installation",
) -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    stale = await installation.challenge(enrolled)
    assert (await installation.verify(stale, codes[0])).valid
    af, now = installation.af, installation.clock.now

    async def judge_stale(tx: Tx) -> None:
        scope = Scope(tx, installation.environment, now)
        code = codes[1].replace("-", "")
        await af.recovery_codes.judge(scope, stale, enrolled.factor, code, emit=True, repeated_since=None)

    with pytest.raises(errors.ChallengeAlreadyVerified):
        await af.run(judge_stale)
    assert await remaining(installation, user) == (10, 9)


async def test_page_of_an_enrollment_makes_one_set_however_often_it_is_asked(
    installation: "Installation",
) -> None:
    user = await installation.user()
    page = await open_link(installation, await enrollment_link(installation, user))
    pages, link_id, secret = installation.af.page_sessions, page.link.id, page.session
    with pytest.raises(errors.LinkUnknown):
        await installation.af.run(pages.make_recovery_codes(link_id, secret))
    installation.sql("UPDATE factors SET activated_at = 1")
    found = await asyncio.gather(
        *[installation.af.run(pages.make_recovery_codes(link_id, secret)) for _ in range(RACERS)],
        return_exceptions=True,
    )
    assert Counter(type(each) for each in found) == {tuple: 1, errors.LinkUsed: RACERS - 1}
    assert await remaining(installation, user) == (10, 10)


async def test_page_makes_no_codes_for_a_factor_that_is_deleted_meanwhile(
    installation: "Installation",
) -> None:
    if not isinstance(installation.af.store, PostgresStore):
        return  # SQLite runs one unit at a time
    user = await installation.user()
    page = await open_link(installation, await enrollment_link(installation, user))
    assert (await page.answer(await page.code())) is not None
    af, factor = installation.af, (await page.view()).factor
    assert factor is not None
    deleting = af.factors.delete(installation.environment, factor.id)
    codes = af.page_sessions.make_recovery_codes(page.link.id, page.session)

    async def delete_while_the_page_waits(tx: Tx) -> "asyncio.Task[object]":
        await deleting(tx)
        making: asyncio.Task[object] = asyncio.ensure_future(af.run(codes))
        while not (making.done() or installation.sql(WAITING)[0][0]):  # noqa: ASYNC110 - the database's state
            await asyncio.sleep(0.01)
        return making

    with pytest.raises(errors.InvalidRequest):
        await (await af.run(delete_while_the_page_waits))
    assert installation.sql("SELECT count(*) FROM recovery_codes")[0][0] == 0


async def test_page_offers_codes_only_to_a_user_who_has_enrolled_and_has_none(
    installation: "Installation",
) -> None:
    user = await installation.user()
    page = await open_link(installation, await enrollment_link(installation, user))
    assert not (await page.view()).offers_codes
    await page.answer(await page.code())
    assert (await page.view()).offers_codes
    await make(installation, user)
    assert not (await page.view()).offers_codes
    installation.clock.advance(60)
    other = await open_link(installation, await challenge_link(installation, user))
    assert not (await other.view()).offers_codes


async def test_result_is_repeated_to_the_same_code_for_thirty_seconds(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    challenge = await installation.challenge(enrolled)
    first = await installation.verify(challenge, codes[0])
    installation.clock.advance(30)
    again = await installation.verify(challenge, codes[0])
    assert (again.valid, again.repeated, again.recovery_codes_remaining) == (True, True, 9)
    assert again.challenge == first.challenge
    for other in (codes[1], UNKNOWN):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await installation.verify(challenge, other)
    assert await remaining(installation, user) == (10, 9)
    installation.clock.advance(0.001)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(challenge, codes[0])


async def test_expired_challenge_takes_no_code(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    challenge = await installation.challenge(enrolled)
    installation.clock.advance(3600)
    with pytest.raises(errors.ChallengeExpired):
        await installation.verify(challenge, codes[0])
    assert await remaining(installation, user) == (10, 10)
    with pytest.raises(errors.NotFound):
        await installation.af.run(
            installation.af.challenges.verify(installation.environment, "auth_challenge_x", codes[0])
        )


async def test_right_code_lifts_a_lock_and_clears_the_counts(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    challenge = await installation.challenge(enrolled)
    await lock(installation, user, enrolled)
    assert (await installation.verify(challenge, codes[0])).valid
    assert await installation.failures(user.id) == FailureRecord((), 0, None)
    assert (await installation.events()).count("authfactor.user_unlocked") == 1
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_used_or_unknown_code_lifts_no_lock(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    assert (await installation.answer(enrolled, codes[0])).valid
    await lock(installation, user, enrolled)
    before = await installation.failures(user.id)
    for code in (codes[0], UNKNOWN):
        assert not (await installation.answer(enrolled, code)).valid
    assert await installation.failures(user.id) == before
    with pytest.raises(errors.TooManyAttempts):
        await installation.answer(enrolled, installation.code(enrolled))


async def test_thousand_guesses_lock_no_user(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    challenge = await installation.challenge(enrolled)
    outcomes: Counter[str] = Counter()
    for guess in range(1000):
        try:
            result = await installation.verify(challenge, f"{guess:016}")
        except errors.TooManyAttempts as refusal:
            outcomes[f"until {refusal.locked_until}"] += 1
        else:
            outcomes[str(result.reason)] += 1
    assert outcomes == {"code_mismatch": BURST, f"until {installation.clock.now + 360_000}": 1000 - BURST}
    assert await installation.failures(user.id) == FailureRecord((), 0, None)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    assert (await installation.answer(enrolled, codes[0])).valid
    # The right code ended the pace too.
    assert (await installation.answer(enrolled, UNKNOWN)).reason == "code_mismatch"
    events = (await installation.events()).count("authfactor.attempt_refused")
    assert events <= BURST + 100 + 1


async def test_pace_allows_one_more_wrong_code_in_six_minutes(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    await make(installation, user)
    for _ in range(BURST):
        assert not (await installation.answer(enrolled, UNKNOWN)).valid
    installation.clock.advance(360)
    assert not (await installation.answer(enrolled, UNKNOWN)).valid
    with pytest.raises(errors.TooManyAttempts):
        await installation.answer(enrolled, UNKNOWN)


async def test_code_of_another_user_is_wrong(installation: "Installation") -> None:
    one, enrolled = await enrolled_user(installation)
    other, _ = await enrolled_user(installation)
    await make(installation, one)
    foreign = (await make(installation, other))[0]
    assert (await installation.answer(enrolled, foreign)).reason == "code_mismatch"
    # Not even for someone who can write the database.
    installation.sql(f"UPDATE recovery_codes SET user_id = '{one.id}' WHERE user_id = '{other.id}'")  # noqa: S608 - ids
    assert (await installation.answer(enrolled, foreign)).reason == "code_mismatch"


async def test_codes_belong_to_their_environment(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    af = installation.af
    for unit in (
        af.recovery_codes.create(installation.other, user.id),
        af.recovery_codes.count(installation.other, user.id),
        af.recovery_codes.delete(installation.other, user.id),
    ):
        with pytest.raises(errors.NotFound):
            await af.run(unit)
    challenge = await installation.challenge(enrolled)
    with pytest.raises(errors.NotFound):
        await af.run(af.challenges.verify(installation.other, challenge.id, codes[0]))
    installation.sql("UPDATE recovery_codes SET environment = 2")
    for table in ("users", "factors", "challenges"):
        installation.sql(f"UPDATE {table} SET environment = 2")  # noqa: S608 - names from above
    result = await af.run(af.challenges.verify(installation.other, challenge.id, codes[0]))
    assert result.reason == "code_mismatch"


async def test_new_set_replaces_the_old_one(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    old = await make(installation, user)
    new = await make(installation, user)
    for code in old:
        assert not (await installation.answer(enrolled, code)).valid
    assert (await installation.answer(enrolled, new[0])).valid
    assert await remaining(installation, user) == (10, 9)


async def test_fifty_sets_made_at_once_leave_one_whole_set(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    sets = await asyncio.gather(*[make(installation, user) for _ in range(RACERS)])
    assert await remaining(installation, user) == (10, 10)
    valid = 0
    for codes in sets:
        installation.clock.advance(3600)
        valid += (await installation.answer(enrolled, codes[0])).valid
    assert valid == 1


@pytest.mark.parametrize("pending", [False, True])
async def test_set_needs_an_active_factor(installation: "Installation", *, pending: bool) -> None:
    user = await installation.user()
    if pending:
        await installation.enroll(user)
    with pytest.raises(errors.InvalidRequest) as refused:
        await make(installation, user)
    assert [item.code for item in refused.value.items] == ["no_active_factor"]
    assert await remaining(installation, user) == (0, 0)


async def test_pending_factor_and_stand_alone_factor_take_no_recovery_code(
    installation: "Installation",
) -> None:
    """It would confirm a factor whose secret was never proven."""
    user, _ = await enrolled_user(installation)
    codes = await make(installation, user)
    for enrolled in (await installation.enroll(user), await installation.enroll_alone()):
        challenge = await installation.challenge(enrolled)
        result = await installation.verify(challenge, codes[0])
        assert (result.valid, result.reason) == (False, "code_malformed")
    assert await remaining(installation, user) == (10, 10)


async def test_set_goes_with_the_last_active_factor(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    second = await installation.enroll(user)
    assert (await installation.verify(second.challenge, installation.code(second))).valid
    await make(installation, user)
    af, environment = installation.af, installation.environment
    await af.run(af.factors.delete(environment, enrolled.factor.id))
    assert await remaining(installation, user) == (10, 10)
    await af.run(af.factors.delete(environment, second.factor.id))
    assert await remaining(installation, user) == (0, 0)


async def test_set_goes_with_a_reset_a_deletion_and_the_user(installation: "Installation") -> None:
    af, environment = installation.af, installation.environment
    for end in ("reset", "delete", "user"):
        user, _ = await enrolled_user(installation)
        await make(installation, user)
        if end == "reset":
            await af.run(af.factors.reset(environment, user.id))
        elif end == "delete":
            assert await af.run(af.recovery_codes.delete(environment, user.id)) == 10
        else:
            await af.run(af.users.delete(environment, user.id))
        assert installation.sql("SELECT count(*) FROM recovery_codes")[0][0] == 0


async def test_restore_voids_the_set(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    af = installation.af
    marks = await AfterRestore(installation.clock, af.settings, af.audit).mark(af.store, "a test")
    assert marks.recovery_codes == 10
    assert not (await installation.answer(enrolled, codes[0])).valid
    assert await remaining(installation, user) == (0, 0)


async def test_set_outlives_a_key_rotation_and_keeps_its_key(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    af = installation.af
    old, new = af.vault.newest, key_of(bytes(range(32)))
    af.vault.extend([new])
    assert (await installation.answer(enrolled, codes[0])).valid
    assert await af.key_rotation.recovery_codes(af.store) == {old: 9}
    await af.key_rotation.reseal(af.store, af.vault, lambda _table, _done: None)
    with pytest.raises(KeyInUse, match="9 unused recovery codes"):
        await af.key_rotation.retire_key(af.store, old)
    await make(installation, user)
    assert await af.key_rotation.recovery_codes(af.store) == {new.id: 10}
    await af.key_rotation.retire_key(af.store, old)


async def test_codes_are_stored_in_no_form_that_gives_them_away(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    assert (await installation.answer(enrolled, codes[0])).valid
    page = await installation.af.read(
        lambda tx: tx.events.recent(installation.environment.number, PageQuery(limit=50))
    )
    stored = installation.files() + repr(page).encode()
    for code in codes:
        for form in (code, code.replace("-", ""), code.upper()):
            assert form.encode() not in stored
    made = await installation.af.run(installation.af.recovery_codes.create(installation.environment, user.id))
    assert not any(code in repr(made) for code in made.codes)


async def test_verifying_a_totp_code_runs_no_further_statement(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of recovery codes is not touched on the way of everyone else."""
    user, enrolled = await enrolled_user(installation)
    await make(installation, user)
    challenge = await installation.challenge(enrolled)

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("authfactor.rules.factors.recovery_codes.RecoveryCodeSets.judge", fail)
    assert (await installation.verify(challenge, installation.code(enrolled))).valid


async def test_policy_of_others_leaves_a_users_recovery_codes_alone(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    rule = MfaRule(policy="required", email_domain="other.example", methods=("totp",))
    options = EnvironmentOptions(mfa=MfaOptions(rules=(rule,)))
    text = msgspec.json.encode(options).decode()
    installation.environment = msgspec.structs.replace(installation.environment, options=text)
    challenge = await installation.challenge(enrolled)
    assert (await installation.verify(challenge, codes[0])).valid
