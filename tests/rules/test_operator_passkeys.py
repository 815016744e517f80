"""Passkeys of operators: registered after a fresh code, accepted once, gone after a reset."""

import asyncio
import json
from typing import Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import UnsealError
from authfactor.models import AuditEntry
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.authentication.passkey_sign_in import LIFE_MS
from authfactor.rules.console.operator_assertions import AskedAssertion
from authfactor.rules.console.operator_passkeys import MAX_PASSKEYS
from authfactor.rules.console.operator_sign_in import ATTEMPTS, SignInPaced, StartedSession
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.console.reauthentication import (
    RECENT_MILLISECONDS,
    ConfirmationRefused,
    ReauthenticationRequired,
)
from authfactor.rules.console.refused_attempts import BURST
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.testing.software_authenticator import HONEST, Behavior, Excluded, SoftwareAuthenticator
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.wire.requests import Authenticate
from tests.support.installation import Installation, Opener
from tests.support.operator_passkeys import (
    BASE_URL,
    own,
    register,
    sign_in_after_password,
    sign_in_alone,
    signed,
)
from tests.support.operators import (
    OperatorAccount,
    add_operator,
    assert_refused,
    context_of,
    first_token,
    set_up,
    start_session,
)
from tests.support.passkey_users import authenticator
from tests.support.passkey_users import register as register_user

AT_ONCE: Final = 50


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=BASE_URL)
    return opened


@pytest.fixture
async def kim(site: Installation) -> OperatorAccount:
    return await set_up(site, await first_token(site))


@pytest.fixture
async def session(site: Installation, kim: OperatorAccount) -> StartedSession:
    return await start_session(site, kim)


@pytest.fixture
def laptop() -> SoftwareAuthenticator:
    return authenticator(7)


async def entries(site: Installation, action: str) -> list[AuditEntry]:
    rows = await site.af.read(
        lambda tx: tx.db.all("SELECT id FROM audit WHERE action = $1 ORDER BY id", action)
    )
    found = [await site.af.read(lambda tx, row=row: tx.audit.by_id(row[0])) for row in rows]  # type: ignore[misc]  # bound per row
    return [entry for entry in found if entry is not None]


async def confirm(
    site: Installation,
    started: StartedSession,
    device: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    asked: AskedAssertion | None = None,
    text: str = "",
) -> str:
    context = started.context
    passkeys = [each.passkey for each in await own(site, context.operator)]
    asked = asked or site.af.operator_assertions.ask("confirmation", context.session.id, passkeys)
    prepare = site.af.reauthentication.prepare_by_passkey
    text = text or signed(device, asked, behavior)
    return await site.af.run(await prepare(context, started.token, asked.id, text))


async def refused_alone(
    site: Installation,
    device: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    asked: AskedAssertion | None = None,
    text: str = "",
) -> errors.SignInRefused:
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in_alone(site, device, behavior, asked, text)
    return refusal.value


async def test_a_registered_passkey_is_listed_and_audited(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop, " Laptop ")
    assert [(each.factor.name, each.passkey.rp_id) for each in await own(site, session.context.operator)] == [
        ("Laptop", "auth.example.org")
    ]
    [entry] = await entries(site, "operator_passkey.create")
    assert (entry.actor, entry.target) == (session.context.operator.email, made.factor.id)


@pytest.mark.parametrize(
    "base_url", ["https://203.0.113.7", "http://console.example.org", "http://[::1]:8080"]
)
async def test_registration_is_refused_where_browsers_refuse_passkeys_and_says_what_to_do(
    open_installation: Opener, base_url: str
) -> None:
    site: Installation = await open_installation(base_url=base_url)
    started = await start_session(site, await set_up(site, await first_token(site)))
    with pytest.raises(errors.InvalidRequest) as refusal:
        site.af.operator_passkeys.begin(started.context, "")
    text = " ".join(item.message for item in refusal.value.items)
    assert "HTTPS" in text
    assert "localhost" in text


async def test_registration_needs_a_second_factor_of_the_last_five_minutes(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    begun = await site.af.run(site.af.operator_passkeys.begin(session.context, ""))
    site.clock.advance(RECENT_MILLISECONDS // 1000)
    with pytest.raises(ReauthenticationRequired):
        await site.af.run(site.af.operator_passkeys.begin(session.context, ""))
    operator = session.context.operator
    credential = json.dumps(laptop.create(begun.public_key, BASE_URL))
    finish = site.af.operator_passkeys.finish(operator, begun.id, credential)
    act = site.af.console_actions.act
    with pytest.raises(ReauthenticationRequired):
        await site.af.run(act(session.context, "operator_passkey.create", finish, target="passkey"))
    assert await own(site, operator) == []


async def test_registration_cannot_begin_in_a_session_that_has_ended(
    site: Installation, session: StartedSession
) -> None:
    await site.af.run(site.af.operator_sign_in.sign_out(session.token))
    with pytest.raises(errors.Unauthorized):
        await site.af.run(site.af.operator_passkeys.begin(session.context, ""))


async def test_registration_of_another_operator_or_twice_is_not_found(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    lee = await start_session(site, await add_operator(site))
    begun = await site.af.run(site.af.operator_passkeys.begin(session.context, ""))
    credential = json.dumps(laptop.create(begun.public_key, BASE_URL))
    finish = site.af.operator_passkeys.finish
    with pytest.raises(errors.NotFound):
        await site.af.run(finish(lee.context.operator, begun.id, credential))
    kim = session.context.operator
    outcomes = await asyncio.gather(
        *(site.af.run(finish(kim, begun.id, credential)) for _ in range(AT_ONCE)),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert len(await own(site, kim)) == 1


async def test_a_device_holds_one_passkey_of_an_operator_and_an_operator_ten(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    begun = await site.af.run(site.af.operator_passkeys.begin(session.context, ""))
    with pytest.raises(Excluded):
        laptop.create(begun.public_key, BASE_URL)
    for seed in range(MAX_PASSKEYS - 1):
        await register(site, session, authenticator(100 + seed))
    with pytest.raises(errors.InvalidRequest) as refusal:
        await site.af.run(site.af.operator_passkeys.begin(session.context, ""))
    assert refusal.value.items[0].code == "too_many_passkeys"
    # One that was begun before the tenth came does not make it eleven.
    operator = session.context.operator
    credential = json.dumps(authenticator(200).create(begun.public_key, BASE_URL))
    with pytest.raises(errors.InvalidRequest):
        await site.af.run(site.af.operator_passkeys.finish(operator, begun.id, credential))


async def test_sign_in_by_a_passkey_alone_starts_a_confirmed_session_and_is_audited(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    started = await sign_in_alone(site, laptop, old_token=session.token)
    assert started.context.operator.id == session.context.operator.id
    assert started.context.session.authenticated_at == site.clock.now
    assert await context_of(site, session.token) is None
    assert (await entries(site, "operator.signed_in"))[-1].reason == "passkey"
    [listed] = await own(site, session.context.operator)
    assert listed.factor.last_used_at == site.clock.now


async def test_sign_in_with_password_and_passkey_needs_no_verified_user(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    started = await sign_in_after_password(site, kim, laptop, Behavior(user_verified=False))
    assert started.context.operator.id == kim.operator.id
    assert (await entries(site, "operator.signed_in"))[-1].reason == "password and passkey"
    with pytest.raises(errors.SignInRefused):
        await sign_in_after_password(site, kim, laptop, password="wrong")


@pytest.mark.parametrize(
    "behavior",
    [
        Behavior(user_verified=False),
        Behavior(user_present=False),
        Behavior(origin="https://evil.example.org"),
        Behavior(origin="https://sub.auth.example.org"),
        Behavior(origin="http://auth.example.org"),
        Behavior(origin="https://auth.example.org:8443"),
        Behavior(cross_origin=True),
        Behavior(rp_id="example.org"),
        Behavior(type="webauthn.create"),
        Behavior(challenge=bytes(32)),
        Behavior(backup_eligible=True),
        Behavior(user_handle=bytes(32)),
    ],
)
async def test_sign_in_by_passkey_is_refused_alike_for_each_failed_check(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator, behavior: Behavior
) -> None:
    await register(site, session, laptop)
    refusal = await refused_alone(site, laptop, behavior)
    unknown = authenticator(9)
    await register(site, session, unknown)
    site.sql("DELETE FROM passkeys WHERE factor_id = (SELECT max(factor_id) FROM passkeys)")
    stranger = await refused_alone(site, unknown)
    assert (refusal.code, refusal.message) == (stranger.code, stranger.message)
    whys = [entry.reason for entry in await entries(site, "operator.sign_in_refused")]
    assert whys == ["wrong passkey", "no active operator has this passkey"]


async def test_each_assertion_starts_one_session_of_fifty_at_once(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop)
    asked = site.af.operator_assertions.ask("sign_in")
    text = signed(laptop, asked)
    outcomes = await asyncio.gather(
        *(sign_in_alone(site, laptop, asked=asked, text=text) for _ in range(AT_ONCE)), return_exceptions=True
    )
    assert sum(isinstance(outcome, StartedSession) for outcome in outcomes) == 1
    site.clock.advance(600)
    asked = site.af.operator_assertions.ask("second_step")
    text = signed(laptop, asked)
    outcomes = await asyncio.gather(
        *(sign_in_after_password(site, kim, laptop, asked=asked, text=text) for _ in range(AT_ONCE)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, StartedSession) for outcome in outcomes) == 1
    # The same form again is no copy of the passkey.
    [listed] = await own(site, kim.operator)
    assert (listed.factor.id, listed.passkey.suspect_at) == (made.factor.id, None)


async def test_fifty_assertions_of_one_passkey_count_one_after_the_other(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    asked = [site.af.operator_assertions.ask("sign_in") for _ in range(AT_ONCE)]
    texts = [signed(laptop, each) for each in asked]
    for first, second in zip(asked, texts, strict=True):
        await sign_in_alone(site, laptop, asked=first, text=second)
    [listed] = await own(site, session.context.operator)
    assert listed.passkey.sign_count == AT_ONCE + 1


async def test_an_assertion_is_good_for_what_it_was_asked_for_alone(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    ask = site.af.operator_assertions.ask
    passkeys = [each.passkey for each in await own(site, kim.operator)]
    for_sign_in = ask("sign_in")
    for_second = ask("second_step")
    for_this = ask("confirmation", session.context.session.id, passkeys)
    for_other = ask("confirmation", "another session", passkeys)
    for asked in (for_second, for_this):
        await refused_alone(site, laptop, asked=asked)
    for asked in (for_sign_in, for_this):
        with pytest.raises(errors.SignInRefused):
            await sign_in_after_password(site, kim, laptop, asked=asked)
    for asked in (for_sign_in, for_second, for_other):
        with pytest.raises(ConfirmationRefused):
            await confirm(site, session, laptop, asked=asked)
    assert await confirm(site, session, laptop, asked=for_this)


async def test_an_assertion_is_good_for_ten_minutes(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    asked = site.af.operator_assertions.ask("sign_in")
    site.clock.advance(LIFE_MS // 1000)
    refusal = await refused_alone(site, laptop, asked=asked)
    assert "open for too long" in refusal.message
    assert await entries(site, "operator.sign_in_refused") == []
    site.clock.advance(-2 * LIFE_MS // 1000)
    await refused_alone(site, laptop, asked=asked)


async def test_the_passkey_of_another_operator_opens_no_other_session(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    lee_device = authenticator(8)
    lee = await start_session(site, await add_operator(site))
    await register(site, lee, lee_device)
    await register(site, session, laptop)
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in_after_password(site, kim, lee_device)
    assert refusal.value.code == "invalid_credentials"
    assert (await entries(site, "operator.sign_in_refused"))[-1].reason == "right password, wrong passkey"
    passkeys = [each.passkey for each in await own(site, lee.context.operator)]
    asked = site.af.operator_assertions.ask("confirmation", session.context.session.id, passkeys)
    with pytest.raises(ConfirmationRefused):
        await confirm(site, session, lee_device, asked=asked)
    assert (await entries(site, "operator.confirmation_refused"))[-1].reason == "wrong passkey"


async def test_passkeys_of_users_and_of_operators_do_not_stand_for_each_other(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    users_device = authenticator(11)
    await register_user(site, await site.user(), users_device)
    await refused_alone(site, users_device)
    await register(site, session, laptop)
    begun = site.af.passkey_sign_in.begin(site.environment)
    request = Authenticate(
        client_id="", authentication_id=begun.id, credential=laptop.get(begun.public_key, BASE_URL)
    )
    prepare = site.af.passkey_sign_in.prepare
    with pytest.raises(errors.SignInRefused):
        await site.af.run(await prepare(site.af.store, site.environment, request))


async def test_moved_or_exchanged_rows_are_refused(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    lee_device = authenticator(8)
    lee = await start_session(site, await add_operator(site))
    lee_key = await register(site, lee, lee_device)
    kim_key = await register(site, session, laptop)
    # Lee, with the database at hand, gives the passkey to Kim.
    site.sql("UPDATE passkeys SET user_id = $1 WHERE factor_id = $2", kim.operator.id, lee_key.factor.id)
    site.sql("UPDATE factors SET user_id = $1 WHERE id = $2", kim.operator.id, lee_key.factor.id)
    await refused_alone(site, lee_device)
    # And then the sealed key.
    site.sql(
        "UPDATE factors SET secret = (SELECT secret FROM factors WHERE id = $1) WHERE id = $2",
        lee_key.factor.id,
        kim_key.factor.id,
    )
    with pytest.raises(UnsealError):
        await sign_in_alone(site, laptop)


async def test_a_counter_that_goes_back_refuses_the_passkey_until_it_is_removed(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop)
    await sign_in_alone(site, laptop, Behavior(counter=9))
    await refused_alone(site, laptop, Behavior(counter=9))
    await refused_alone(site, laptop, Behavior(counter=50))
    [entry] = await entries(site, "operator.passkey_suspect")
    assert entry.target == made.factor.id
    with pytest.raises(ConfirmationRefused) as refusal:
        await confirm(site, session, laptop, Behavior(counter=60))
    assert "Remove the passkey" in refusal.value.message


async def test_a_synced_passkey_whose_counter_goes_back_is_audited_once_and_accepted(
    site: Installation, session: StartedSession
) -> None:
    phone = authenticator(12, backup_eligible=True, backed_up=True)
    await register(site, session, phone)
    await sign_in_alone(site, phone, Behavior(counter=9))
    await sign_in_alone(site, phone, Behavior(counter=3))
    await sign_in_alone(site, phone, Behavior(counter=3))
    assert len(await entries(site, "operator.passkey_suspect")) == 1
    [listed] = await own(site, session.context.operator)
    assert listed.passkey.sign_count == 9


async def test_failed_sign_ins_by_passkey_are_paced_like_those_by_code(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    here = Origin(None, "203.0.113.7")
    for _ in range(ATTEMPTS):
        with pytest.raises(errors.SignInRefused):
            await sign_in_alone(site, laptop, Behavior(user_verified=False), origin=here)
    with pytest.raises(SignInPaced):
        await sign_in_alone(site, laptop, origin=here)
    with pytest.raises(SignInPaced):
        await sign_in_after_password(site, kim, laptop, address=here.address)
    # Neither elsewhere nor on a device on which the operator has signed in.
    started = await sign_in_alone(site, laptop, origin=here, device=session.device)
    assert started.context.operator.id == kim.operator.id
    assert len(await entries(site, "operator.sign_in_refused")) == BURST


async def test_fifty_junk_assertions_at_once_find_ten_attempts(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    here = Origin(None, "203.0.113.7")
    outcomes = await asyncio.gather(
        *(sign_in_alone(site, laptop, Behavior(user_verified=False), origin=here) for _ in range(AT_ONCE)),
        return_exceptions=True,
    )
    paced = sum(isinstance(outcome, SignInPaced) for outcome in outcomes)
    assert paced == AT_ONCE - ATTEMPTS


async def test_right_passkeys_leave_the_attempts_of_a_network_alone(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    for _ in range(ATTEMPTS + 1):
        await sign_in_alone(site, laptop, origin=Origin(None, "203.0.113.7"))


@pytest.mark.parametrize("text", ["{", "{}", '{"id": 1}', "{" + " " * 9000 + "}"])
async def test_what_can_be_no_assertion_is_refused_before_anything_is_counted(
    site: Installation, kim: OperatorAccount, laptop: SoftwareAuthenticator, text: str
) -> None:
    await refused_alone(site, laptop, text=text)
    for password in ("seven green bottles", "wrong"):
        with pytest.raises(errors.SignInRefused) as refusal:
            await sign_in_after_password(site, kim, laptop, password=password, text=text)
        assert refusal.value.code == "invalid_one_time_code"
    assert await entries(site, "operator.sign_in_refused") == []


async def test_wrong_passkeys_lock_no_codes_and_locked_codes_keep_no_passkey_out(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    for _ in range(12):
        with pytest.raises(ConfirmationRefused):
            await confirm(site, session, laptop, Behavior(challenge=bytes(32)))
    assert await context_of(site, session.token)
    for at in range(12):
        await assert_refused(site, kim, code=site.wrong(kim.enrolled), address=f"203.0.113.{at}")
    await assert_refused(site, kim, address="198.51.100.7")
    await sign_in_after_password(site, kim, laptop, address="198.51.100.8")
    await sign_in_alone(site, laptop)


async def test_a_confirmation_by_passkey_renews_the_token_once_of_fifty(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    site.clock.advance(RECENT_MILLISECONDS // 1000)
    passkeys = [each.passkey for each in await own(site, session.context.operator)]
    asked = site.af.operator_assertions.ask("confirmation", session.context.session.id, passkeys)
    text = signed(laptop, asked)
    outcomes = await asyncio.gather(
        *(confirm(site, session, laptop, asked=asked, text=text) for _ in range(AT_ONCE)),
        return_exceptions=True,
    )
    [token] = [outcome for outcome in outcomes if isinstance(outcome, str)]
    context = await context_of(site, token)
    assert context is not None
    assert context.session.authenticated_at == site.clock.now
    assert await context_of(site, session.token) is None


async def test_a_used_confirmation_confirms_nothing_in_the_renewed_session(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    passkeys = [each.passkey for each in await own(site, session.context.operator)]
    asked = site.af.operator_assertions.ask("confirmation", session.context.session.id, passkeys)
    text = signed(laptop, asked)
    token = await confirm(site, session, laptop, asked=asked, text=text)
    renewed = StartedSession(session.context, token, session.device)
    with pytest.raises(ConfirmationRefused):
        await confirm(site, renewed, laptop, asked=asked, text=text)
    assert await context_of(site, token)


async def test_renaming_and_removing_reach_the_own_passkeys_alone(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop)
    operator, rules = session.context.operator, site.af.operator_passkeys
    lee = (await add_operator(site)).operator
    for unit in (rules.rename(lee.id, made.factor.id, "Mine"), rules.remove(lee.id, made.factor.id)):
        with pytest.raises(errors.NotFound):
            await site.af.run(unit)
    assert operator.factor_id is not None
    with pytest.raises(errors.NotFound):
        await site.af.run(rules.remove(operator.id, operator.factor_id))
    await site.af.run(rules.rename(operator.id, made.factor.id, "Key"))
    assert [each.factor.name for each in await own(site, operator)] == ["Key"]
    await site.af.run(rules.rename(operator.id, made.factor.id, ""))
    assert [each.factor.name for each in await own(site, operator)] == [None]
    with pytest.raises(errors.InvalidRequest):
        rules.rename(operator.id, made.factor.id, "a\nb")
    await site.af.run(rules.remove(operator.id, made.factor.id))
    assert await own(site, operator) == []
    await refused_alone(site, laptop)


async def test_reset_disabling_and_set_up_remove_passkeys(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    lee_device = authenticator(8)
    lee = await start_session(site, await add_operator(site))
    await register(site, lee, lee_device)
    await register(site, session, laptop)
    await site.af.run(site.af.operators.disable(lee.context.operator.id))
    await refused_alone(site, lee_device)
    assert await own(site, lee.context.operator) == []
    # As a release that knows no passkeys resets.
    _, token = await site.af.run(site.af.operators.reset(kim.operator.id, even_last_owner=True))
    assert await own(site, kim.operator) == []
    again = await set_up(site, token)
    assert again.operator.id == kim.operator.id
    left = site.sql("SELECT count(*) FROM passkeys WHERE environment = 0")
    handles = site.sql("SELECT count(*) FROM passkey_handles WHERE environment = 0")
    assert (left, handles) == ([(0,)], [(0,)])
    await refused_alone(site, laptop)


async def test_set_up_removes_passkeys_that_an_older_release_has_left_at_a_reset(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    site.sql("UPDATE passkeys SET user_id = 'kept' WHERE environment = 0")
    _, token = await site.af.run(site.af.operators.reset(kim.operator.id, even_last_owner=True))
    site.sql("UPDATE passkeys SET user_id = $1 WHERE environment = 0", kim.operator.id)
    await set_up(site, token)
    assert site.sql("SELECT count(*) FROM passkeys WHERE environment = 0") == [(0,)]


async def test_a_passkey_registered_while_its_operator_is_reset_does_not_outlive_the_reset(
    site: Installation, kim: OperatorAccount, session: StartedSession
) -> None:
    begun = [await site.af.run(site.af.operator_passkeys.begin(session.context, "")) for _ in range(9)]
    act, finish = site.af.console_actions.act, site.af.operator_passkeys.finish

    def registering(at: int) -> object:
        credential = json.dumps(authenticator(50 + at).create(begun[at].public_key, BASE_URL))
        unit = finish(kim.operator, begun[at].id, credential)
        return site.af.run(act(session.context, "operator_passkey.create", unit, target="passkey"))

    work = [registering(at) for at in range(9)]
    work.insert(4, site.af.run(site.af.operators.reset(kim.operator.id, even_last_owner=True)))
    await asyncio.gather(*work, return_exceptions=True)  # type: ignore[call-overload]  # of different results
    assert site.sql("SELECT count(*) FROM passkeys WHERE environment = 0") == [(0,)]


async def test_nothing_asked_before_a_restore_is_accepted_after_it(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    await register(site, session, laptop)
    before = [site.af.operator_assertions.ask(purpose) for purpose in ("sign_in", "second_step")]
    site.clock.advance(1)
    await AfterRestore(site.clock, site.af.settings, site.af.audit).mark(site.af.store, "restored")
    site.clock.advance(1)
    await refused_alone(site, laptop, asked=before[0])
    with pytest.raises(errors.SignInRefused):
        await sign_in_after_password(site, kim, laptop, asked=before[1])
    await sign_in_alone(site, laptop)


async def test_sealed_keys_of_passkeys_are_resealed_with_a_new_key_of_the_ring(
    site: Installation, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop)
    row = site.sql("SELECT environment, secret FROM factors WHERE id = $1", made.factor.id)
    assert row[0][0] == CONSOLE.number
    assert b"auth.example.org" not in str(row[0][1]).encode()
    with pytest.raises(CeremonyRefused):
        await site.af.operator_assertions.read("sign_in", "passkey_authentication_nonsense", "{}")


async def test_only_the_known_device_of_an_operator_learns_their_passkeys(
    site: Installation, kim: OperatorAccount, session: StartedSession, laptop: SoftwareAuthenticator
) -> None:
    made = await register(site, session, laptop)
    lee = await start_session(site, await add_operator(site))
    of_device = site.af.operator_passkey_sign_in.passkeys_of_device
    assert [each.factor_id for each in await site.af.read(of_device(session.device))] == [made.factor.id]
    for other in (lee.device, f"{session.device[:-1]}0", "junk", "", None):
        assert await site.af.read(of_device(other)) == []
    await site.af.run(site.af.operators.disable(lee.context.operator.id))
    await site.af.run(site.af.operators.reset(kim.operator.id, even_last_owner=True))
    assert await site.af.read(of_device(session.device)) == []
