"""Requests that wait share statements and commits; each gets what it would get alone (decision 0040)."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from authfactor import errors
from authfactor.models import Enrollment
from authfactor.store.postgres.array_statements import derive_chain
from authfactor.store.postgres.store import PostgresStore
from authfactor.store.tables.challenges import CLOSE
from authfactor.store.tables.factors import ADVANCE_STEP
from authfactor.store.tables.failures import CLEAR, WRITE
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.installation import Installation, Opener

USERS = 12


async def enrolled_users(installation: Installation, count: int = USERS) -> list[Enrollment]:
    """Return factors of as many users, active and with an unspent code."""
    users = [await installation.user() for _ in range(count)]
    enrolled = list(await asyncio.gather(*map(installation.enroll, users)))
    for each in enrolled:
        assert (await installation.verify(each.challenge, installation.code(each))).valid
    installation.clock.now += 60_000
    return enrolled


def shared(installation: Installation) -> tuple[int, int]:
    """Return how many units shared a commit, and how many shared transactions were undone."""
    stats = installation.af.store.stats()
    return stats.units, stats.undone


def is_postgres(installation: Installation) -> bool:
    return isinstance(installation.af.store, PostgresStore)


async def test_right_codes_of_different_users_share_a_commit(installation: Installation) -> None:
    enrolled = await enrolled_users(installation)
    challenges = await asyncio.gather(*map(installation.challenge, enrolled))
    before = shared(installation)
    outcomes = await asyncio.gather(
        *(
            installation.verify(challenge, installation.code(each))
            for each, challenge in zip(enrolled, challenges, strict=True)
        )
    )
    assert all(outcome.valid for outcome in outcomes)
    assert [outcome.challenge.id for outcome in outcomes] == [challenge.id for challenge in challenges]
    assert {outcome.challenge.attempts for outcome in outcomes} == {1}
    assert shared(installation) == (before[0] + USERS, 0)
    for each in enrolled:
        assert (await installation.failures(each.factor.user_id or "")).times == ()
        assert not (await installation.answer(each, installation.code(each))).valid


async def test_codes_in_one_commit_each_teach_their_own_factor(installation: Installation) -> None:
    enrolled = await enrolled_users(installation)
    offsets = [at % 3 - 1 for at in range(USERS)]
    for _ in range(2):
        before = shared(installation)
        challenges = await asyncio.gather(*map(installation.challenge, enrolled))
        outcomes = await asyncio.gather(
            *(
                installation.verify(challenge, installation.code(each, offset))
                for each, challenge, offset in zip(enrolled, challenges, offsets, strict=True)
            )
        )
        assert all(outcome.valid for outcome in outcomes)
        assert shared(installation)[0] >= before[0] + USERS
        installation.clock.now += 120_000
    found = {row[0]: row[1] for row in installation.sql("SELECT id, drift FROM factors")}
    assert [found[each.factor.id] for each in enrolled] == offsets


@pytest.mark.parametrize("failures", [WRITE, CLEAR])
def test_statements_that_spend_a_code_have_an_array_form(failures: str) -> None:
    """Without one, each unit of a shared transaction would run its own."""
    chain = ((ADVANCE_STEP, 7), (CLOSE, 4), (failures, 5 if failures == WRITE else 2))
    parameters = sum(count for _, count in chain)
    assert derive_chain(chain, ("int8",) * parameters) is not None


async def test_every_outcome_in_one_commit_is_that_of_its_own_code(installation: Installation) -> None:
    enrolled = await enrolled_users(installation)
    challenges = await asyncio.gather(*map(installation.challenge, enrolled))
    right, wrong, late, spent, malformed, unknown = (enrolled[number::6] for number in range(6))
    for each in spent:
        assert (await installation.answer(each, installation.code(each))).valid

    def code(each: Enrollment) -> str:
        if each in wrong:
            return installation.wrong(each)
        return installation.code(each, -4 if each in late else 0)[: 5 if each in malformed else 6]

    def challenge_of(number: int, each: Enrollment) -> Any:  # noqa: ANN401 - a challenge, or one like it
        found = challenges[number]
        return type(found)("auth_challenge_none", *_rest(found)) if each in unknown else found

    outcomes: list[Any] = await asyncio.gather(
        *(installation.verify(challenge_of(at, each), code(each)) for at, each in enumerate(enrolled)),
        return_exceptions=True,
    )

    def of(group: list[Enrollment]) -> list[Any]:
        return [getattr(outcomes[enrolled.index(each)], "reason", outcomes) for each in group]

    assert (of(right), of(wrong)) == ([None] * 2, ["code_mismatch"] * 2)
    assert (of(late), of(spent)) == (["clock_drift"] * 2, ["code_already_used"] * 2)
    assert of(malformed) == ["code_malformed"] * 2
    assert all(isinstance(outcomes[enrolled.index(each)], errors.NotFound) for each in unknown)
    counts = [len((await installation.failures(each.factor.user_id or "")).times) for each in enrolled]
    assert counts == [int(each in wrong or each in late or each in spent) for each in enrolled]


async def test_codes_of_one_user_in_one_commit_are_all_counted(installation: Installation) -> None:
    enrolled = (await enrolled_users(installation, 1))[0]
    challenges = [await installation.challenge(enrolled) for _ in range(4)]
    wrong = installation.wrong(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(each, wrong) for each in challenges))
    assert sorted(outcome.reason or "" for outcome in outcomes) == ["code_mismatch"] * 4
    record = await installation.failures(enrolled.factor.user_id or "")
    assert (len(record.times), record.in_a_row) == (4, 4)


async def test_guesses_at_once_are_not_compared_beyond_the_limit(open_installation: Opener) -> None:
    installation: Installation = await open_installation(lock_after=3)
    enrolled = (await enrolled_users(installation, 1))[0]
    challenges = [await installation.challenge(enrolled) for _ in range(9)]
    codes = [installation.wrong(enrolled)] * 8 + [installation.code(enrolled)]
    outcomes: list[Any] = await asyncio.gather(
        *(installation.verify(each, code) for each, code in zip(challenges, codes, strict=True)),
        return_exceptions=True,
    )
    compared = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert all(isinstance(each, errors.TooManyAttempts) for each in outcomes if each not in compared)
    # A right code among the first three does not count as a failure.
    assert len(compared) == 3 + any(each.valid for each in compared)


async def test_one_code_on_many_challenges_in_one_commit_is_valid_once(installation: Installation) -> None:
    enrolled = (await enrolled_users(installation, 1))[0]
    challenges = [await installation.challenge(enrolled) for _ in range(8)]
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(each, code) for each in challenges))
    assert Counter(outcome.reason for outcome in outcomes) == {None: 1, "code_already_used": 7}


@pytest.mark.parametrize("seed", range(6))
async def test_schedules_of_two_processes_accept_each_code_once_and_count_every_guess(
    open_installation: Opener, database_url: str, seed: int
) -> None:
    if not database_url:
        pytest.skip("SQLite has one writer")
    chance = random.Random(seed)
    limits = {"lock_after": 100, "doubling_after": 100}
    processes = await open_installation(**limits), await open_installation(**limits)
    enrolled = await enrolled_users(processes[0], 5)
    attempts, wrong = [], Counter[str]()
    for _ in range(60):
        each, process = chance.choice(enrolled), chance.choice(processes)
        code = (
            process.code(each, chance.choice((-1, 0, 0, 1))) if chance.random() < 0.6 else process.wrong(each)
        )
        attempts.append((each, process, await process.challenge(each), code))
    outcomes: list[Any] = await asyncio.gather(
        *(process.verify(challenge, code) for _, process, challenge, code in attempts)
    )
    accepted = Counter(
        (each.factor.id, code)
        for (each, _, _, code), outcome in zip(attempts, outcomes, strict=True)
        if outcome.valid
    )
    assert set(accepted.values()) == {1}
    for (each, *_), outcome in zip(attempts, outcomes, strict=True):
        wrong[each.factor.user_id or ""] += not outcome.valid
    counted = {user: len((await processes[0].failures(user)).times) for user in wrong}
    assert counted == dict(wrong)


async def test_deliveries_of_one_commit_belong_to_their_own_events(installation: Installation) -> None:
    af, environment = installation.af, installation.environment
    await af.run(
        af.webhooks.create(
            environment, CreateWebhookEndpoint(endpoint_url="https://example.com/", events=["user.created"])
        )
    )
    users = await asyncio.gather(*(installation.user(f"kim{number}@example.com") for number in range(USERS)))
    rows = installation.sql(
        "SELECT e.user_id, e.data FROM deliveries d JOIN events e ON e.environment = d.environment"
        " AND e.id = d.event_id ORDER BY e.user_id"
    )
    assert [row[0] for row in rows] == sorted(user.id for user in users)
    assert all(str(user_id) in str(data) for user_id, data in rows)


async def test_one_email_at_once_makes_one_user_and_no_other_request_fails(
    installation: Installation,
) -> None:
    emails = [
        "kim@example.com",
        "KIM@example.com",
        "kim@example.com",
        *(f"u{at}@example.com" for at in range(5)),
    ]
    outcomes = await asyncio.gather(*map(installation.user, emails), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(each) for each in refused] == [errors.UserCreationFailed] * 2
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[3:])


def _rest(challenge: Any) -> list[Any]:  # noqa: ANN401 - a challenge
    return [getattr(challenge, name) for name in challenge.__struct_fields__[1:]]
