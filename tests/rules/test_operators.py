"""Console operators: single-use set-up links, sign-in with password and code, sessions and roles."""

import asyncio
import contextlib

import pytest

from authfactor import errors
from authfactor.models import FailureRecord, PageQuery
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.console.operator_set_up import SetUpLinkRefused
from authfactor.rules.console.operator_sign_in import SignInForm, SignInPaced, StartedSession
from authfactor.rules.console.operators import CONSOLE
from tests.support.clock import DAY, HOUR, MINUTE
from tests.support.installation import Installation, Opener
from tests.support.operators import (
    EMAIL,
    PASSWORD,
    OperatorAccount,
    add_operator,
    assert_refused,
    begin_set_up,
    context_of,
    first_token,
    set_up,
    sign_in,
    start_session,
)


async def test_first_link_creates_an_owner_and_is_not_issued_again(
    installation: Installation, kim: OperatorAccount
) -> None:
    assert (kim.operator.role, kim.operator.state, kim.operator.email) == ("owner", "active", EMAIL)
    assert await installation.af.run(installation.af.operators.first_link()) is None


@pytest.mark.parametrize("kind", ["first", "invited"])
async def test_set_up_link_works_once(installation: Installation, kind: str) -> None:
    if kind == "first":
        token = await first_token(installation)
    else:
        _, token = await installation.af.run(installation.af.operators.invite(EMAIL, "owner"))
    await set_up(installation, token)
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, token)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operator_set_up.finish_set_up(token, "000000"))


async def test_set_up_link_expires_after_a_day(installation: Installation) -> None:
    token = await first_token(installation)
    enrolled = await begin_set_up(installation, token)
    installation.clock.advance(DAY)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(
            installation.af.operator_set_up.finish_set_up(token, installation.code(enrolled))
        )


async def test_only_the_newest_first_link_works_until_an_owner_exists(
    installation: Installation,
) -> None:
    old = await first_token(installation)
    new = await first_token(installation)
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, old)
    _, invited = await installation.af.run(installation.af.operators.invite("lee@example.org", "owner"))
    await set_up(installation, invited)
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, new)


@pytest.mark.parametrize("role", ["support", "viewer"])
async def test_first_link_stays_valid_until_an_owner_exists(installation: Installation, role: str) -> None:
    token = await first_token(installation)
    await add_operator(installation, role=role)
    assert (await set_up(installation, token)).operator.role == "owner"


async def test_repeated_start_of_set_up_replaces_the_earlier_factor(
    installation: Installation,
) -> None:
    token = await first_token(installation)
    replaced = await begin_set_up(installation, token, "typo@example.org")
    current = await begin_set_up(installation, token)
    _, outcome = await installation.af.run(
        installation.af.operator_set_up.finish_set_up(token, installation.code(replaced))
    )
    assert not outcome.valid
    operator, outcome = await installation.af.run(
        installation.af.operator_set_up.finish_set_up(token, installation.code(current))
    )
    assert outcome.valid
    assert operator.email == EMAIL
    assert len(await installation.af.read(lambda tx: tx.operators.all())) == 1


async def test_invited_operator_cannot_choose_email_or_role(
    installation: Installation, kim: OperatorAccount
) -> None:
    _, token = await installation.af.run(installation.af.operators.invite("lee@example.org", "viewer"))
    account = await set_up(installation, token, "someone.else@example.org")
    assert (account.operator.email, account.operator.role) == ("lee@example.org", "viewer")


async def test_a_weak_password_is_refused_at_set_up(installation: Installation) -> None:
    token = await first_token(installation)
    with pytest.raises(errors.PasswordTooWeak):
        await begin_set_up(installation, token, password="password123")


async def test_second_operator_with_the_same_email_is_refused(
    installation: Installation, kim: OperatorAccount
) -> None:
    with pytest.raises(errors.Conflict):
        await installation.af.run(installation.af.operators.invite(EMAIL.upper(), "viewer"))


async def test_password_and_code_start_a_session(installation: Installation, kim: OperatorAccount) -> None:
    session = await start_session(installation, kim)
    found = await context_of(installation, session.token)
    assert found is not None
    assert found.operator.id == kim.operator.id
    assert await context_of(installation, session.token + "x") is None


async def test_wrong_password_or_code_and_unknown_email_get_the_same_error(
    installation: Installation, kim: OperatorAccount
) -> None:
    await assert_refused(installation, kim, password="wrong")
    await assert_refused(installation, kim, code=installation.wrong(kim.enrolled))
    await assert_refused(installation, kim, email="unknown@example.org")


@pytest.mark.parametrize("code", ["", "12345", "abcdef"])
async def test_what_cannot_be_a_code_tells_nothing_about_email_or_password(
    installation: Installation, kim: OperatorAccount, code: str
) -> None:
    refusals = []
    for changes in ({}, {"password": "wrong"}, {"email": "unknown@example.org"}):
        with pytest.raises(errors.SignInRefused) as refused:
            await sign_in(installation, kim, **{"code": code, **changes})
        refusals.append((refused.value.code, refused.value.message, refused.value.reason))
    assert refusals == [("invalid_one_time_code", refusals[0][1], "code_malformed")] * 3
    assert installation.sql("SELECT count(*) FROM failures") == [(0,)]
    assert isinstance(await sign_in(installation, kim), StartedSession)


async def test_code_signs_an_operator_in_once(installation: Installation, kim: OperatorAccount) -> None:
    code = installation.code(kim.enrolled)
    device = (await sign_in(installation, kim, code=code)).device
    await assert_refused(installation, kim, "one_time_code_previously_used", code=code, device=device)
    await assert_refused(installation, kim, code=code)


async def test_a_wrong_password_does_not_spend_the_code(
    installation: Installation, kim: OperatorAccount
) -> None:
    code = installation.code(kim.enrolled)
    await assert_refused(installation, kim, password="wrong", code=code)
    assert isinstance(await sign_in(installation, kim, code=code), StartedSession)


async def test_ten_wrong_codes_lock_the_codes_of_an_operator(
    installation: Installation, kim: OperatorAccount
) -> None:
    device = (await start_session(installation, kim)).device
    for number in range(10):
        await assert_refused(installation, kim, code=installation.wrong(kim.enrolled), address=home(number))
    # Only a known device learns of the lock.
    await assert_refused(installation, kim, address=home(99))
    with pytest.raises(errors.TooManyAttempts) as locked:
        await sign_in(installation, kim, device=device)
    assert locked.value.locked_until == installation.clock.now + 15 * MINUTE * 1000
    installation.clock.advance(15 * MINUTE)
    assert isinstance(await sign_in(installation, kim, address=home(99)), StartedSession)


def home(number: int) -> str:
    return f"203.0.113.{number}"


async def assert_paced(installation: Installation, account: OperatorAccount, **attempt: str) -> int:
    """Check that an attempt is not judged; return in how many seconds the next one will be."""
    with pytest.raises(SignInPaced) as paced:
        await sign_in(installation, account, **attempt)
    assert paced.value.locked_until is not None
    return (paced.value.locked_until - installation.clock.now) // 1000


@pytest.mark.parametrize("email", ["", "unknown@example.org"])
async def test_failed_sign_ins_are_paced_by_their_network(
    installation: Installation, kim: OperatorAccount, email: str
) -> None:
    for number in range(10):
        wrong = {"password": "wrong"} if number % 2 else {"code": installation.wrong(kim.enrolled)}
        await assert_refused(installation, kim, email=email, address="198.51.100.7", **wrong)
    for _ in range(3):
        assert await assert_paced(installation, kim, email=email, address="198.51.100.7") == 30
    installation.clock.advance(30)
    await assert_refused(installation, kim, email=email, password="wrong", address="198.51.100.7")
    await assert_paced(installation, kim, email=email, address="198.51.100.7")
    # Any other network, and the next one of the same provider.
    assert isinstance(await sign_in(installation, kim, address="198.51.100.8"), StartedSession)


async def test_ipv6_clients_are_paced_by_their_64_network(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(10):
        await assert_refused(installation, kim, password="wrong", address=f"2001:db8::{number:x}")
    await assert_paced(installation, kim, address="2001:db8::ffff")
    assert isinstance(await sign_in(installation, kim, address="2001:db8:0:1::1"), StartedSession)


async def test_right_sign_ins_do_not_count_against_their_network(
    installation: Installation, kim: OperatorAccount
) -> None:
    for _ in range(15):
        await start_session(installation, kim)
    for _ in range(10):
        await assert_refused(installation, kim, password="wrong")
    await assert_paced(installation, kim)


async def test_wrong_passwords_do_not_touch_the_budget_of_codes(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(150):
        await assert_refused(installation, kim, password="wrong", address=home(number))
    assert await failures_of(installation, kim) == FailureRecord((), 0, None)
    assert isinstance(await sign_in(installation, kim, address=home(200)), StartedSession)


async def failures_of(installation: Installation, account: OperatorAccount) -> FailureRecord:
    return await installation.af.read(lambda tx: tx.failures.of(CONSOLE.number, account.enrolled.factor.id))


async def test_each_code_compared_counts_in_the_budget(
    installation: Installation, kim: OperatorAccount
) -> None:
    device = (await start_session(installation, kim)).device
    for number in range(33):
        await assert_refused(installation, kim, code=installation.wrong(kim.enrolled), address=home(number))
        record = await failures_of(installation, kim)
        assert len(record.times) == number + 1
        if number < 32:
            installation.clock.now = max(installation.clock.now, record.locked_until or 0)
    # Right or wrong, no further code is compared until the first is 30 days old.
    with pytest.raises(errors.TooManyAttempts):
        await sign_in(installation, kim, device=device)


async def test_locked_codes_do_not_tell_right_from_wrong_passwords(
    installation: Installation, kim: OperatorAccount
) -> None:
    """Neither after ten wrong codes in 15 minutes nor after fifteen in a month."""
    for number in range(10):
        await assert_refused(installation, kim, code=installation.wrong(kim.enrolled), address=home(number))

    async def answer(number: int, **attempt: str) -> tuple[str, str]:
        with pytest.raises(errors.SignInRefused) as refusal:
            await sign_in(installation, kim, address=home(number), **attempt)
        return refusal.value.code, refusal.value.message

    answers = {
        await answer(100),
        await answer(101, code=installation.wrong(kim.enrolled)),
        await answer(102, password="wrong"),
        await answer(103, password="wrong", code=installation.wrong(kim.enrolled)),
        await answer(104, email="unknown@example.org"),
    }
    assert len(answers) == 1


async def test_known_device_has_attempts_that_strangers_in_its_network_cannot_use_up(
    installation: Installation, kim: OperatorAccount
) -> None:
    device = (await start_session(installation, kim)).device
    for _ in range(10):
        await assert_refused(installation, kim, password="wrong", address="203.0.113.1")
    await assert_paced(installation, kim, address="203.0.113.1")
    for _ in range(9):
        await assert_refused(installation, kim, password="wrong", address="203.0.113.1", device=device)
    assert isinstance(await sign_in(installation, kim, address="203.0.113.1", device=device), StartedSession)
    await assert_refused(installation, kim, password="wrong", address="203.0.113.1", device=device)
    assert await assert_paced(installation, kim, address="203.0.113.1", device=device) == 30


async def test_token_of_a_device_is_recognized_for_its_operator_only_and_for_180_days(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    device = (await start_session(installation, kim)).device

    assert await is_known_device(installation, kim, device)
    name, expires_at, digest = device.split(".")
    for forged in (
        "",
        "x",
        name,
        f"{name}.{expires_at}",
        f"{name}.{expires_at}.",
        f"{name}.{expires_at}.{'0' * 64}",
        f"{'0' * 32}.{expires_at}.{digest}",
        f"{name}.{int(expires_at) + 1}.{digest}",
        f"{name}.{expires_at}.{digest}x",
        f"{name}..{digest}",
        "é.é.é",
    ):
        assert not await is_known_device(installation, kim, forged), forged
    assert not await is_known_device(installation, lee, device)
    await installation.af.run(installation.af.operators.reset(lee.operator.id))
    installation.clock.now = int(expires_at) - 1
    assert await is_known_device(installation, kim, device)
    installation.clock.now = int(expires_at)
    assert not await is_known_device(installation, kim, device)


async def test_reset_operator_has_no_known_devices(installation: Installation, kim: OperatorAccount) -> None:
    lee = await add_operator(installation)
    device = (await start_session(installation, lee)).device
    assert await is_known_device(installation, lee, device)
    _, token = await installation.af.run(installation.af.operators.reset(lee.operator.id))
    account = await set_up(installation, token)
    assert not await is_known_device(installation, account, device)
    assert await is_known_device(installation, account, (await start_session(installation, account)).device)


async def is_known_device(installation: Installation, account: OperatorAccount, token: str) -> bool:
    """Return whether the attempts of a network that has none left are another matter for this device."""
    network = "198.51.100.9"
    with contextlib.suppress(SignInPaced):
        for _ in range(11):
            await refused_code(installation, account, address=network)
    with contextlib.suppress(SignInPaced):
        await refused_code(installation, account, address=network, device=token)
        return True
    return False


async def refused_code(installation: Installation, account: OperatorAccount, **attempt: str) -> str:
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in(installation, account, password="wrong", **attempt)
    return refusal.value.code


async def test_concurrent_failed_sign_ins_do_not_exceed_their_pace(
    installation: Installation, kim: OperatorAccount
) -> None:
    """Of fifty at once from one network, ten are judged, whatever their passwords."""
    forms = [
        SignInForm(
            email=kim.operator.email,
            password=PASSWORD if number % 2 else "wrong",
            code=installation.wrong(kim.enrolled),
            origin=Origin(None, "198.51.100.7"),
        )
        for number in range(50)
    ]
    prepare = installation.af.operator_sign_in.prepare_sign_in
    units = []
    for start in range(0, 50, 10):
        batch = (prepare(installation.af.store, form) for form in forms[start : start + 10])
        units += await asyncio.gather(*batch)
    outcomes = await asyncio.gather(*(installation.af.run(unit) for unit in units), return_exceptions=True)
    assert sum(type(each) is errors.SignInRefused for each in outcomes) == 10
    assert sum(isinstance(each, SignInPaced) for each in outcomes) == 40


async def test_signing_in_replaces_the_previous_session_of_the_browser(
    installation: Installation, kim: OperatorAccount
) -> None:
    old = (await start_session(installation, kim)).token
    new = (await start_session(installation, kim, old)).token
    assert old != new
    assert await context_of(installation, old) is None
    assert await context_of(installation, new) is not None


async def test_planted_session_token_is_never_accepted(
    installation: Installation, kim: OperatorAccount
) -> None:
    planted = "A" * 43
    session = await start_session(installation, kim, planted)
    assert session.token != planted
    assert await context_of(installation, planted) is None


async def test_session_ends_when_idle_despite_automatic_requests(
    installation: Installation, kim: OperatorAccount
) -> None:
    token = (await start_session(installation, kim)).token
    installation.clock.advance(29 * MINUTE)
    assert await context_of(installation, token) is not None
    installation.clock.advance(29 * MINUTE)
    assert await context_of(installation, token, active=False) is not None
    installation.clock.advance(2 * MINUTE)
    assert await context_of(installation, token) is None


async def test_session_ends_after_its_lifetime_despite_activity(
    installation: Installation, kim: OperatorAccount
) -> None:
    token = (await start_session(installation, kim)).token
    for _ in range(12 * 3 - 1):
        installation.clock.advance(20 * MINUTE)
        assert await context_of(installation, token) is not None
    installation.clock.advance(HOUR)
    assert await context_of(installation, token) is None


async def test_signing_out_ends_the_session(installation: Installation, kim: OperatorAccount) -> None:
    token = (await start_session(installation, kim)).token
    assert await installation.af.run(installation.af.operator_sign_in.sign_out(token))
    assert await context_of(installation, token) is None
    assert not await installation.af.run(installation.af.operator_sign_in.sign_out(token))


async def test_operator_can_revoke_only_their_own_sessions(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    one, two = await start_session(installation, kim), await start_session(installation, kim)
    with pytest.raises(errors.NotFound):
        await installation.af.run(
            installation.af.operator_sign_in.revoke(lee.operator, one.context.session.id)
        )
    await installation.af.run(installation.af.operator_sign_in.revoke(kim.operator, one.context.session.id))
    assert await context_of(installation, one.token) is None
    live = await installation.af.read(installation.af.operator_sign_in.live(kim.operator))
    assert [session.id for session in live] == [two.context.session.id]


async def test_disabled_operator_loses_sessions_and_cannot_sign_in(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    token = (await start_session(installation, lee)).token
    await installation.af.run(installation.af.operators.disable(lee.operator.id))
    assert await context_of(installation, token) is None
    await assert_refused(installation, lee)


async def test_last_owner_cannot_be_disabled_or_demoted(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation, role="support")
    for unit in (
        installation.af.operators.disable(kim.operator.id),
        installation.af.operators.change_role(kim.operator.id, "viewer"),
    ):
        with pytest.raises(errors.Conflict) as refusal:
            await installation.af.run(unit)
        assert refusal.value.code == "last_owner"
    await installation.af.run(installation.af.operators.change_role(lee.operator.id, "owner"))
    await installation.af.run(installation.af.operators.disable(kim.operator.id))


async def test_reset_revokes_access_until_the_new_link_is_used(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    session = (await start_session(installation, lee)).token
    for number in range(10):
        await assert_refused(installation, lee, code=installation.wrong(lee.enrolled), address=home(number))
    _, token = await installation.af.run(installation.af.operators.reset(lee.operator.id))
    assert await context_of(installation, session) is None
    await assert_refused(installation, lee)
    account = await set_up(installation, token)
    assert account.operator.id == lee.operator.id
    assert (await start_session(installation, account)).context.operator.state == "active"


async def test_no_operator_secret_is_stored_in_plaintext(
    installation: Installation, kim: OperatorAccount
) -> None:
    link = (await installation.af.run(installation.af.operators.invite("lee@example.org", "viewer")))[1]
    session = (await start_session(installation, kim)).token
    files = installation.files()
    for secret in (link, session, PASSWORD, kim.enrolled.secret):
        assert secret.encode() not in files


async def test_operator_factors_are_not_found_in_any_environment(
    installation: Installation, kim: OperatorAccount
) -> None:
    known = await installation.af.read(lambda tx: tx.environments.all())
    assert CONSOLE.number not in [environment.number for environment in known]
    for environment in known:
        with pytest.raises(errors.NotFound):
            await installation.af.read(installation.af.factors.get(environment, kim.enrolled.factor.id))


async def test_expired_operator_rows_are_deleted(installation: Installation, kim: OperatorAccount) -> None:
    await start_session(installation, kim)
    await invite_without_set_up(installation)
    installation.clock.advance(3 * DAY)
    await installation.af.retention.run(installation.af.store)
    for table in ("operator_sessions", "operator_links"):
        assert installation.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from above
    assert installation.sql("SELECT count(*) FROM challenges WHERE environment = 0") == [(0,)]


async def invite_without_set_up(installation: Installation) -> None:
    await installation.af.run(installation.af.operators.invite("unused@example.org", "viewer"))


async def test_operator_session_follows_the_inactivity_setting(open_installation: Opener) -> None:
    installation: Installation = await open_installation(console_session_inactivity=60)
    account = await set_up(installation, await first_token(installation))
    token = (await start_session(installation, account)).token
    installation.clock.advance(61)
    assert await context_of(installation, token) is None


async def test_set_up_sign_in_and_lock_are_audited(installation: Installation, kim: OperatorAccount) -> None:
    await start_session(installation, kim)
    for number in range(10):
        await assert_refused(installation, kim, code=installation.wrong(kim.enrolled), address=home(number))
    listed = (await installation.af.read(installation.af.audit.page(PageQuery(limit=50)))).items
    actions = [item.action for item in listed if item.action != "operator.sign_in_refused"]
    assert actions == ["operator.locked", "operator.signed_in", "operator.set_up"]
    assert {item.actor for item in listed} == {EMAIL}
