"""A passkey as a second factor: what answers its challenge, what does not, and why."""

import asyncio
import json
import random
from typing import Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.models import UserRecord, Verification
from authfactor.rules.factors.passkeys import RegisteredPasskey
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.store.sqlite.store import SqliteStore
from authfactor.testing.software_authenticator import Behavior, SoftwareAuthenticator
from authfactor.webauthn import base64url
from tests.support.installation import Installation, Opener
from tests.support.passkey_users import ORIGIN, answer, authenticator, challenge, register

RACERS: Final = 50


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN)
    return opened


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return authenticator()


@pytest.fixture
async def user(site: Installation) -> UserRecord:
    return await site.user()


@pytest.fixture
async def made(site: Installation, user: UserRecord, device: SoftwareAuthenticator) -> RegisteredPasskey:
    return await register(site, user, device)


async def test_an_assertion_answers_its_challenge_once(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    sent = answer(device, opened)
    site.clock.advance(7)
    outcome = await site.verify(opened, f"  {sent}\n")
    assert (outcome.valid, outcome.amr, outcome.challenge.verified_at) == (
        True,
        "pop user mfa",
        site.clock.now,
    )
    for _ in range(2):
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await site.verify(opened, sent)
    (listed,) = await site.af.read(site.af.factors.of_user(site.environment, made.factor.user_id))
    assert listed.last_used_at == site.clock.now
    assert site.sql("SELECT sign_count FROM passkeys") == [(2,)]
    assert (await site.failures(made.factor.user_id)).times == ()


async def test_of_fifty_requests_with_one_assertion_one_is_right(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    sent = answer(device, opened)
    done = await asyncio.gather(*(site.verify(opened, sent) for _ in range(RACERS)), return_exceptions=True)
    assert sum(isinstance(each, Verification) and each.valid for each in done) == 1
    assert not [each for each in done if isinstance(each, Verification) and not each.valid]
    refused = [each for each in done if not isinstance(each, Verification)]
    assert {type(each) for each in refused} == {errors.ChallengeAlreadyVerified}


async def test_an_assertion_is_refused_after_a_restart_with_another_key(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, open_installation: Opener
) -> None:
    opened = await challenge(site, made)
    sent = answer(device, opened)
    await site.verify(opened, sent)
    again: Installation = await open_installation(base_url=ORIGIN)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await again.verify(opened, sent)


async def test_a_challenge_outlives_a_restart(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, open_installation: Opener
) -> None:
    opened = await challenge(site, made)
    again: Installation = await open_installation(base_url=ORIGIN)
    assert (await again.verify(opened, answer(device, opened))).valid


async def test_a_restore_ends_open_challenges(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    await AfterRestore(site.af.clock, site.af.settings, site.af.audit).mark(site.af.store, "test")
    with pytest.raises(errors.ChallengeExpired):
        await site.verify(opened, answer(device, opened))


async def test_an_expired_challenge_is_refused(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    site.clock.advance(site.af.settings.challenge_life)
    with pytest.raises(errors.ChallengeExpired):
        await site.verify(opened, answer(device, opened))


REFUSALS: Final = {
    "webauthn_origin_mismatch": Behavior(origin="https://evil.auth.example.org"),
    "webauthn_cross_origin": Behavior(cross_origin=True),
    "webauthn_type_mismatch": Behavior(type="webauthn.create"),
    "webauthn_challenge_mismatch": Behavior(challenge=bytes(32)),
    "webauthn_rp_id_mismatch": Behavior(rp_id="example.org"),
    "webauthn_user_not_present": Behavior(user_present=False),
    "webauthn_backup_flag_changed": Behavior(backup_eligible=True),
    "webauthn_backup_state_invalid": Behavior(backed_up=True),
    "webauthn_user_handle_mismatch": Behavior(user_handle=b"another"),
    "webauthn_counter_not_growing": Behavior(counter=1),
}


@pytest.mark.parametrize("reason", REFUSALS)
async def test_each_check_has_its_reason(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, reason: str
) -> None:
    opened = await challenge(site, made)
    outcome = await site.verify(opened, answer(device, opened, REFUSALS[reason]))
    assert (outcome.valid, outcome.reason, outcome.attempts_remaining) == (False, reason, 4)
    assert site.sql("SELECT sign_count FROM passkeys") == [(1,)]
    assert (await site.failures(made.factor.user_id)).times == ()


async def test_junk_uses_up_the_challenge_but_locks_no_user(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, user: UserRecord
) -> None:
    for _ in range(10):
        opened = await challenge(site, made)
        for left in range(4, -1, -1):
            outcome = await site.verify(opened, "{}")
            assert (outcome.reason, outcome.attempts_remaining) == ("webauthn_response_malformed", left)
        with pytest.raises(errors.TooManyAttempts):
            await site.verify(opened, answer(device, opened))
    assert (await site.failures(user.id)).times == ()
    opened = await challenge(site, made)
    assert (await site.verify(opened, answer(device, opened))).valid


async def test_more_than_8_kib_is_refused(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    sent = answer(device, opened)
    padded = sent[:-1] + " " * (8192 - len(sent)) + "}"
    assert (await site.verify(opened, padded + " ")).valid
    opened = await challenge(site, made)
    sent = answer(device, opened)
    padded = sent[:-1] + " " * (8193 - len(sent)) + "}"
    assert (await site.verify(opened, padded)).reason == "webauthn_response_malformed"


async def test_a_lock_by_wrong_codes_keeps_no_passkey_out(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, user: UserRecord
) -> None:
    enrolled = await site.enroll(user)
    await site.answer(enrolled, site.code(enrolled))
    for _ in range(10):
        await site.answer(enrolled, site.wrong(enrolled))
    before = await site.failures(user.id)
    opened = await challenge(site, made)
    assert (await site.verify(opened, answer(device, opened))).valid
    # Nor does a passkey give a new budget of guesses.
    assert await site.failures(user.id) == before


async def test_another_users_passkey_does_not_answer(site: Installation, made: RegisteredPasskey) -> None:
    theirs = authenticator(2)
    other = await site.user()
    foreign = await register(site, other, theirs)
    opened, own = await challenge(site, made), await challenge(site, foreign)
    assert opened.public_key is not None
    assert own.public_key is not None
    asked = {**own.public_key, "challenge": opened.public_key["challenge"]}
    outcome = await site.verify(opened, json.dumps(theirs.get(asked, ORIGIN)))
    assert outcome.reason == "webauthn_credential_not_allowed"


async def test_each_passkey_of_the_user_may_answer(site: Installation, made: RegisteredPasskey) -> None:
    second = authenticator(2, backup_eligible=True, backed_up=True)
    await register(site, await site_user(site, made), second)
    opened = await challenge(site, made)
    outcome = await site.verify(opened, answer(second, opened))
    assert (outcome.valid, outcome.amr) == (True, "pop user mfa swk")


async def site_user(site: Installation, made: RegisteredPasskey) -> UserRecord:
    found = await site.af.read(lambda tx: tx.users.by_id(site.environment.number, made.factor.user_id))
    assert found is not None
    return found


async def test_another_environments_challenge_is_unknown(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    with pytest.raises(errors.NotFound):
        await site.af.run(site.af.challenges.verify(site.other, opened.id, answer(device, opened)))
    with pytest.raises(errors.NotFound):
        await site.af.run(site.af.challenges.create(site.other, made.factor.id))
    with pytest.raises(errors.NotFound):
        await site.af.read(site.af.passkey_challenges.get(site.other, opened.id))


async def test_an_assertion_to_another_challenge_is_refused(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    first, second = await challenge(site, made), await challenge(site, made)
    assert (await site.verify(second, answer(device, first))).reason == "webauthn_challenge_mismatch"


async def test_a_registration_is_no_assertion(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, user: UserRecord
) -> None:
    begun = await site.af.run(site.af.passkeys.begin(site.environment, user.id))
    created = authenticator(3).create(begun.public_key, ORIGIN)
    opened = await challenge(site, made)
    outcome = await site.verify(opened, json.dumps(created))
    assert outcome.reason == "webauthn_response_malformed"
    # And the other way round: the challenge of a registration, signed as an assertion.
    assert opened.public_key is not None
    asked = {**opened.public_key, "challenge": begun.public_key["challenge"]}
    signed = json.dumps(device.get(asked, ORIGIN))
    assert (await site.verify(opened, signed)).reason == "webauthn_challenge_mismatch"
    with pytest.raises(errors.InvalidRequest):
        await site.af.run(site.af.passkeys.finish(site.environment, user.id, begun.id, signed.encode()))


async def test_an_assertion_at_a_totp_challenge_is_not_counted(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, user: UserRecord
) -> None:
    enrolled = await site.enroll(user)
    sent = answer(device, await challenge(site, made))
    outcome = await site.verify(enrolled.challenge, sent)
    assert (outcome.valid, outcome.reason) == (False, "code_malformed")
    assert (await site.failures(user.id)).times == ()


async def test_a_row_moved_to_another_user_is_refused(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    victim = await site.user()
    theirs = await register(site, victim, authenticator(2))
    # Who writes the database gives the victim the attacker's credential: first the row, then the factor too.
    site.sql("UPDATE passkeys SET user_id = ? WHERE factor_id = ?", victim.id, made.factor.id)
    opened = await challenge(site, theirs)
    assert opened.public_key is not None
    sent = json.dumps(device.get(opened.public_key, ORIGIN))
    assert (await site.verify(opened, sent)).reason == "webauthn_credential_not_allowed"
    site.sql("UPDATE factors SET user_id = ? WHERE id = ?", victim.id, made.factor.id)
    sent = json.dumps(device.get(opened.public_key, ORIGIN))
    assert (await site.verify(opened, sent)).reason == "webauthn_credential_not_allowed"


async def test_a_key_written_to_another_row_opens_nothing(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    theirs = await register(site, await site.user(), authenticator(2))
    (other,) = site.sql("SELECT secret FROM factors WHERE id = ?", theirs.factor.id)
    site.sql("UPDATE factors SET secret = ? WHERE id = ?", *other, made.factor.id)
    opened = await challenge(site, made)
    with pytest.raises(Exception, match="seal"):
        await site.verify(opened, answer(device, opened))


@pytest.mark.parametrize("count", [0, 1])
async def test_a_count_that_does_not_grow_makes_a_passkey_suspect_for_good(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, count: int
) -> None:
    for _ in range(2):
        opened = await challenge(site, made)
        sent = answer(device, opened, Behavior(counter=count))
        assert (await site.verify(opened, sent)).reason == "webauthn_counter_not_growing"
    opened = await challenge(site, made)
    sent = answer(device, opened, Behavior(counter=99))
    assert (await site.verify(opened, sent)).reason == "webauthn_counter_not_growing"
    assert (await site.events()).count("authfactor.passkey_suspect") == 1


async def test_a_synced_passkey_whose_count_goes_back_is_accepted_with_one_event(site: Installation) -> None:
    device = authenticator(5, backup_eligible=True, backed_up=True)
    made = await register(site, await site.user(), device)
    for _ in range(3):
        opened = await challenge(site, made)
        assert (await site.verify(opened, answer(device, opened, Behavior(counter=0)))).valid
    assert site.sql("SELECT sign_count FROM passkeys") == [(1,)]
    assert (await site.events()).count("authfactor.passkey_suspect") == 1


async def test_of_fifty_assertions_with_one_count_one_is_right(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = [await challenge(site, made) for _ in range(RACERS)]
    sent = [answer(device, each, Behavior(counter=7)) for each in opened]
    calls = (site.verify(*each) for each in zip(opened, sent, strict=True))
    done = await asyncio.gather(*calls)
    assert sum(each.valid for each in done) == 1
    assert {each.reason for each in done if not each.valid} == {"webauthn_counter_not_growing"}
    assert (await site.events()).count("authfactor.passkey_suspect") == 1


async def test_fifty_assertions_that_grow_are_right_in_any_order(
    site: Installation, user: UserRecord
) -> None:
    device = authenticator(6, backup_eligible=True, counts=False)
    made = await register(site, user, device)
    opened = [await challenge(site, made) for _ in range(RACERS)]
    sent = [answer(device, each) for each in opened]
    random.Random(1).shuffle(opened)
    by_challenge = {json.loads(json.dumps(each.public_key))["challenge"]: each for each in opened}
    pairs = [(by_challenge[_asked(text)], text) for text in sent]
    done = await asyncio.gather(*(site.verify(*each) for each in pairs))
    assert all(each.valid for each in done)


def _asked(text: str) -> str:
    client_data = base64url.decode(json.loads(text)["response"]["clientDataJSON"], "clientDataJSON", 4096)
    return str(json.loads(client_data)["challenge"])


async def test_a_removed_passkey_answers_nothing(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator, user: UserRecord
) -> None:
    second = authenticator(2)
    other = await register(site, user, second)
    opened = await challenge(site, made)
    sent = answer(second, opened)
    await site.af.run(site.af.factors.delete(site.environment, other.factor.id))
    assert (await site.verify(opened, sent)).reason == "webauthn_credential_unknown"
    await site.af.run(site.af.factors.delete(site.environment, made.factor.id))
    with pytest.raises(errors.NotFound):
        await site.verify(opened, answer(device, opened))


async def test_options_are_the_same_until_the_challenge_is_over(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    opened = await challenge(site, made)
    again = await site.af.read(site.af.passkey_challenges.get(site.environment, opened.id))
    assert again == opened
    await site.verify(opened, answer(device, opened))
    over = await site.af.read(site.af.passkey_challenges.get(site.environment, opened.id))
    assert over.public_key is None
    with pytest.raises(errors.NotFound):
        await site.af.read(site.af.passkey_challenges.get(site.environment, "auth_challenge_unknown"))


async def test_a_recovery_code_answers_a_passkeys_challenge(
    site: Installation, made: RegisteredPasskey, user: UserRecord
) -> None:
    codes = await site.af.run(site.af.recovery_codes.create(site.environment, user.id))
    outcome = await site.verify(await challenge(site, made), codes.codes[0])
    assert (outcome.valid, outcome.recovery_codes_remaining) == (True, 9)


SHORT: Final = ["k7x9q2m4", "k7x9q2m5"]
LONG: Final = ["f47ac10b-58cc-4372-a567-0e02b2c3d479"]


@pytest.mark.parametrize(("codes", "accepted"), [(SHORT, False), (LONG, True)], ids=["short", "long"])
async def test_imported_codes_that_could_be_guessed_do_not_answer_a_passkeys_challenge(
    site: Installation, user: UserRecord, made: RegisteredPasskey, codes: list[str], accepted: bool
) -> None:
    await site.af.run(site.af.recovery_codes.import_set(site.environment, user.id, codes))
    opened = await challenge(site, made)
    outcome = await site.verify(opened, codes[0])
    assert (outcome.valid, outcome.reason) == (accepted, None if accepted else "code_malformed")
    left = await site.af.run(site.af.recovery_codes.count(site.environment, user.id))
    assert left.remaining == len(codes) - accepted, "an unaccepted one is not used up"


async def test_tokens_are_signed_for_no_answer_that_cannot_be_an_assertion(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    rules, where = site.af.passkey_challenges, (site.af.store, site.environment)
    sent = answer(device, await challenge(site, made))
    assert await rules.amr_of(*where, sent) == "pwd pop user mfa"
    for unreadable in ("{}", "{", sent + " " * 8 + "x" * 8192):
        assert await rules.amr_of(*where, unreadable) is None


async def test_methods_of_a_passkey_removed_meanwhile_are_those_of_an_unknown_one(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    sent = answer(device, await challenge(site, made))
    await site.af.run(site.af.factors.delete(site.environment, made.factor.id))
    found = await site.af.passkey_challenges.amr_of(site.af.store, site.environment, sent)
    assert found == "pwd pop user mfa"


async def test_tokens_are_signed_as_for_an_unknown_passkey_when_its_row_was_moved(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    sent = answer(device, await challenge(site, made))
    site.sql("UPDATE passkeys SET user_id = ?", (await site.user()).id)
    found = await site.af.passkey_challenges.amr_of(site.af.store, site.environment, sent)
    assert found == "pwd pop user mfa"


async def test_a_passkey_is_sealed_with_the_newest_key_when_it_is_used(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    site.af.vault.extend([key_of(bytes(range(32)))])
    for fresh in (True, False):
        (before,) = site.sql("SELECT secret FROM factors")
        opened = await challenge(site, made)
        assert (await site.verify(opened, answer(device, opened))).valid
        assert (site.sql("SELECT secret FROM factors") != [before]) is fresh


# What another process does between two statements, on a table whose next change does nothing.
MEANWHILE: Final = "CREATE TRIGGER meanwhile BEFORE UPDATE OF {} BEGIN SELECT RAISE(IGNORE); END"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("verified_at ON challenges", errors.ChallengeAlreadyVerified),
        ("sign_count ON passkeys", errors.Unavailable),
    ],
)
async def test_what_another_process_changes_meanwhile_ends_the_answer_without_a_trace(
    site: Installation,
    made: RegisteredPasskey,
    device: SoftwareAuthenticator,
    change: str,
    error: type[errors.AuthfactorError],
) -> None:
    if not isinstance(site.af.store, SqliteStore):
        pytest.skip("the trigger that stands for the other process is written for SQLite")
    opened = await challenge(site, made)
    sent = answer(device, opened)
    site.sql(MEANWHILE.format(change))
    with pytest.raises(error):
        await site.verify(opened, sent)
    site.sql("DROP TRIGGER meanwhile")
    assert site.sql("SELECT sign_count FROM passkeys") == [(1,)]
    assert (await site.verify(opened, sent)).valid


async def test_a_factor_that_is_removed_meanwhile_is_unknown(
    site: Installation, made: RegisteredPasskey, device: SoftwareAuthenticator
) -> None:
    if not isinstance(site.af.store, SqliteStore):
        pytest.skip("the trigger that stands for the other process is written for SQLite")
    opened = await challenge(site, made)
    site.sql(MEANWHILE.format("last_used_at ON factors"))
    assert (await site.verify(opened, answer(device, opened))).reason == "webauthn_credential_unknown"
