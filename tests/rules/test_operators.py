"""Operators set themselves up by a link that works once, and sign in with password and code at once."""

from dataclasses import dataclass

import pytest

from authfactor import errors
from authfactor.models import Enrollment, Operator, OperatorContext, PageQuery
from authfactor.otp import totp
from authfactor.rules.console.operator_sign_in import SignInForm, StartedSession
from authfactor.rules.console.operators import CONSOLE, SetUpLinkRefused
from tests.support.clock import DAY, HOUR, MINUTE
from tests.support.installation import Installation, Opener

EMAIL = "kim@example.org"
PASSWORD = "seven green bottles"


@dataclass(frozen=True)
class OperatorAccount:
    """An operator who is set up, and what they know and hold."""

    operator: Operator
    enrolled: Enrollment


async def begin(
    installation: Installation, token: str, email: str = EMAIL, password: str = PASSWORD
) -> Enrollment:
    return await installation.af.run(
        await installation.af.operators.prepare_set_up(installation.af.store, token, email, password)
    )


async def set_up(installation: Installation, token: str, email: str = EMAIL) -> OperatorAccount:
    enrolled = await begin(installation, token, email)
    operator, outcome = await installation.af.run(
        installation.af.operators.finish_set_up(token, installation.code(enrolled))
    )
    assert outcome.valid
    installation.clock.advance(totp.PERIOD_SECONDS)
    return OperatorAccount(operator, enrolled)


async def first_token(installation: Installation) -> str:
    token = await installation.af.run(installation.af.operators.first_link())
    assert token is not None
    return token


@pytest.fixture
async def kim(installation: Installation) -> OperatorAccount:
    return await set_up(installation, await first_token(installation))


async def sign_in(
    installation: Installation,
    account: OperatorAccount,
    *,
    password: str = PASSWORD,
    code: str | None = None,
    email: str = "",
    old: str = "",
) -> StartedSession:
    attempt = SignInForm(
        email=email or account.operator.email,
        password=password,
        code=installation.code(account.enrolled) if code is None else code,
        old_token=old or None,
    )
    return await installation.af.run(
        await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, attempt)
    )


async def started(installation: Installation, account: OperatorAccount, old: str = "") -> StartedSession:
    result = await sign_in(installation, account, old=old)
    installation.clock.advance(totp.PERIOD_SECONDS)
    return result


async def refused(
    installation: Installation, account: OperatorAccount, why: str = "invalid_credentials", **attempt: str
) -> None:
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in(installation, account, **attempt)
    assert refusal.value.code == why


async def seat(installation: Installation, token: str, *, active: bool = True) -> OperatorContext | None:
    return await installation.af.operator_sign_in.context_of(installation.af.store, token, active=active)


async def another(
    installation: Installation, email: str = "lee@example.org", role: str = "owner"
) -> OperatorAccount:
    _, token = await installation.af.run(installation.af.operators.invite(email, role))  # type: ignore[arg-type]  # a role's name
    return await set_up(installation, token)


async def test_the_first_link_makes_an_owner_and_then_there_is_none(
    installation: Installation, kim: OperatorAccount
) -> None:
    assert (kim.operator.role, kim.operator.state, kim.operator.email) == ("owner", "active", EMAIL)
    assert await installation.af.run(installation.af.operators.first_link()) is None


@pytest.mark.parametrize("kind", ["first", "invited"])
async def test_a_link_works_once(installation: Installation, kind: str) -> None:
    if kind == "first":
        token = await first_token(installation)
    else:
        _, token = await installation.af.run(installation.af.operators.invite(EMAIL, "owner"))
    await set_up(installation, token)
    with pytest.raises(SetUpLinkRefused):
        await begin(installation, token)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operators.finish_set_up(token, "000000"))


async def test_a_link_ends_after_a_day(installation: Installation) -> None:
    token = await first_token(installation)
    enrolled = await begin(installation, token)
    installation.clock.advance(DAY)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operators.finish_set_up(token, installation.code(enrolled)))


async def test_of_first_links_only_the_last_works_and_none_once_an_owner_is_in(
    installation: Installation,
) -> None:
    old = await first_token(installation)
    new = await first_token(installation)
    with pytest.raises(SetUpLinkRefused):
        await begin(installation, old)
    _, invited = await installation.af.run(installation.af.operators.invite("lee@example.org", "owner"))
    await set_up(installation, invited)
    with pytest.raises(SetUpLinkRefused):
        await begin(installation, new)


@pytest.mark.parametrize("role", ["support", "viewer"])
async def test_the_first_link_waits_for_an_owner_and_not_for_anybody(
    installation: Installation, role: str
) -> None:
    token = await first_token(installation)
    await another(installation, role=role)
    assert (await set_up(installation, token)).operator.role == "owner"


async def test_the_first_half_may_be_done_again_and_the_earlier_factor_is_gone(
    installation: Installation,
) -> None:
    token = await first_token(installation)
    lost = await begin(installation, token, "typo@example.org")
    kept = await begin(installation, token)
    _, outcome = await installation.af.run(
        installation.af.operators.finish_set_up(token, installation.code(lost))
    )
    assert not outcome.valid
    operator, outcome = await installation.af.run(
        installation.af.operators.finish_set_up(token, installation.code(kept))
    )
    assert outcome.valid
    assert operator.email == EMAIL
    assert len(await installation.af.read(lambda tx: tx.operators.all())) == 1


async def test_an_invited_operator_has_no_choice_of_email_or_role(
    installation: Installation, kim: OperatorAccount
) -> None:
    _, token = await installation.af.run(installation.af.operators.invite("lee@example.org", "viewer"))
    account = await set_up(installation, token, "someone.else@example.org")
    assert (account.operator.email, account.operator.role) == ("lee@example.org", "viewer")


async def test_a_weak_password_is_refused_at_set_up(installation: Installation) -> None:
    token = await first_token(installation)
    with pytest.raises(errors.PasswordTooWeak):
        await begin(installation, token, password="password123")


async def test_two_operators_cannot_have_one_email(installation: Installation, kim: OperatorAccount) -> None:
    with pytest.raises(errors.Conflict):
        await installation.af.run(installation.af.operators.invite(EMAIL.upper(), "viewer"))


async def test_password_and_code_start_a_session(installation: Installation, kim: OperatorAccount) -> None:
    begun = await started(installation, kim)
    found = await seat(installation, begun.token)
    assert found is not None
    assert found.operator.id == kim.operator.id
    assert await seat(installation, begun.token + "x") is None


async def test_a_wrong_password_a_wrong_code_and_an_unknown_email_sound_the_same(
    installation: Installation, kim: OperatorAccount
) -> None:
    await refused(installation, kim, password="wrong")
    await refused(installation, kim, code=installation.wrong(kim.enrolled))
    await refused(installation, kim, email="nobody@example.org")
    await refused(installation, kim, code="")


async def test_a_code_signs_in_once(installation: Installation, kim: OperatorAccount) -> None:
    code = installation.code(kim.enrolled)
    assert isinstance(await sign_in(installation, kim, code=code), StartedSession)
    await refused(installation, kim, "one_time_code_previously_used", code=code)


async def test_a_wrong_password_does_not_spend_the_code(
    installation: Installation, kim: OperatorAccount
) -> None:
    code = installation.code(kim.enrolled)
    await refused(installation, kim, password="wrong", code=code)
    assert isinstance(await sign_in(installation, kim, code=code), StartedSession)


async def test_wrong_passwords_and_wrong_codes_count_together(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(10):
        await refused(
            installation,
            kim,
            **({"password": "wrong"} if number % 2 else {"code": installation.wrong(kim.enrolled)}),
        )
    with pytest.raises(errors.TooManyAttempts) as locked:
        await sign_in(installation, kim)
    assert locked.value.locked_until == installation.clock.now + 15 * MINUTE * 1000
    installation.clock.advance(15 * MINUTE)
    assert isinstance(await sign_in(installation, kim), StartedSession)


async def test_an_unknown_email_locks_like_a_known_one(
    installation: Installation, kim: OperatorAccount
) -> None:
    for _ in range(10):
        await refused(installation, kim, email="nobody@example.org")
    with pytest.raises(errors.TooManyAttempts):
        await sign_in(installation, kim, email="nobody@example.org")
    await refused(installation, kim, email="somebody@example.org")


async def test_wrong_passwords_alone_never_stop_an_operator_for_good(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(150):
        if number % 10 == 0:
            installation.clock.advance(DAY / 4)
        await refused(installation, kim, password="wrong")
    installation.clock.advance(DAY)
    assert isinstance(await sign_in(installation, kim), StartedSession)


async def test_signing_in_makes_a_new_token_and_ends_the_session_the_browser_had(
    installation: Installation, kim: OperatorAccount
) -> None:
    old = (await started(installation, kim)).token
    new = (await started(installation, kim, old)).token
    assert old != new
    assert await seat(installation, old) is None
    assert await seat(installation, new) is not None


async def test_a_token_that_the_server_did_not_make_is_never_a_session(
    installation: Installation, kim: OperatorAccount
) -> None:
    planted = "A" * 43
    begun = await started(installation, kim, planted)
    assert begun.token != planted
    assert await seat(installation, planted) is None


async def test_a_session_ends_when_idle_and_what_the_browser_does_by_itself_is_idle(
    installation: Installation, kim: OperatorAccount
) -> None:
    token = (await started(installation, kim)).token
    installation.clock.advance(29 * MINUTE)
    assert await seat(installation, token) is not None
    installation.clock.advance(29 * MINUTE)
    assert await seat(installation, token, active=False) is not None
    installation.clock.advance(2 * MINUTE)
    assert await seat(installation, token) is None


async def test_a_session_ends_after_its_life_however_busy(
    installation: Installation, kim: OperatorAccount
) -> None:
    token = (await started(installation, kim)).token
    for _ in range(12 * 3 - 1):
        installation.clock.advance(20 * MINUTE)
        assert await seat(installation, token) is not None
    installation.clock.advance(HOUR)
    assert await seat(installation, token) is None


async def test_signing_out_ends_the_session(installation: Installation, kim: OperatorAccount) -> None:
    token = (await started(installation, kim)).token
    assert await installation.af.run(installation.af.operator_sign_in.sign_out(token))
    assert await seat(installation, token) is None
    assert not await installation.af.run(installation.af.operator_sign_in.sign_out(token))


async def test_one_of_several_sessions_can_be_ended_but_not_another_operators(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await another(installation)
    one, two = await started(installation, kim), await started(installation, kim)
    with pytest.raises(errors.NotFound):
        await installation.af.run(
            installation.af.operator_sign_in.revoke(lee.operator, one.context.session.id)
        )
    await installation.af.run(installation.af.operator_sign_in.revoke(kim.operator, one.context.session.id))
    assert await seat(installation, one.token) is None
    live = await installation.af.read(installation.af.operator_sign_in.live(kim.operator))
    assert [session.id for session in live] == [two.context.session.id]


async def test_disabling_ends_sessions_and_signing_in(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await another(installation)
    token = (await started(installation, lee)).token
    await installation.af.run(installation.af.operators.disable(lee.operator.id))
    assert await seat(installation, token) is None
    await refused(installation, lee)


async def test_the_last_owner_can_neither_be_disabled_nor_demoted(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await another(installation, role="support")
    for unit in (
        installation.af.operators.disable(kim.operator.id),
        installation.af.operators.change_role(kim.operator.id, "viewer"),
    ):
        with pytest.raises(errors.Conflict) as refusal:
            await installation.af.run(unit)
        assert refusal.value.code == "last_owner"
    await installation.af.run(installation.af.operators.change_role(lee.operator.id, "owner"))
    await installation.af.run(installation.af.operators.disable(kim.operator.id))


async def test_a_reset_takes_everything_and_a_new_link_gives_it_back(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await another(installation)
    session = (await started(installation, lee)).token
    for _ in range(10):
        await refused(installation, lee, password="wrong")
    _, token = await installation.af.run(installation.af.operators.reset(lee.operator.id))
    assert await seat(installation, session) is None
    await refused(installation, lee)
    again = await set_up(installation, token)
    assert again.operator.id == lee.operator.id
    assert (await started(installation, again)).context.operator.state == "active"


async def test_what_is_stored_gives_nobody_a_way_in(installation: Installation, kim: OperatorAccount) -> None:
    link = (await installation.af.run(installation.af.operators.invite("lee@example.org", "viewer")))[1]
    session = (await started(installation, kim)).token
    everything = installation.files()
    for secret in (link, session, PASSWORD, kim.enrolled.secret):
        assert secret.encode() not in everything


async def test_operators_factors_belong_to_no_environment_that_an_api_key_reaches(
    installation: Installation, kim: OperatorAccount
) -> None:
    known = await installation.af.read(lambda tx: tx.environments.all())
    assert CONSOLE.number not in [environment.number for environment in known]
    for environment in known:
        with pytest.raises(errors.NotFound):
            await installation.af.read(installation.af.factors.get(environment, kim.enrolled.factor.id))


async def test_what_has_had_its_time_is_cleaned_away(
    installation: Installation, kim: OperatorAccount
) -> None:
    await started(installation, kim)
    await first_link_of_nobody(installation)
    installation.clock.advance(3 * DAY)
    await installation.af.retention.run(installation.af.store)
    for table in ("operator_sessions", "operator_links"):
        assert installation.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from above
    assert installation.sql("SELECT count(*) FROM challenges WHERE environment = 0") == [(0,)]


async def first_link_of_nobody(installation: Installation) -> None:
    await installation.af.run(installation.af.operators.invite("gone@example.org", "viewer"))


async def test_an_operators_session_does_not_outlive_other_settings(open_installation: Opener) -> None:
    installation: Installation = await open_installation(console_session_inactivity=60)
    account = await set_up(installation, await first_token(installation))
    token = (await started(installation, account)).token
    installation.clock.advance(61)
    assert await seat(installation, token) is None


async def test_setting_up_signing_in_and_a_lock_are_written_down(
    installation: Installation, kim: OperatorAccount
) -> None:
    await started(installation, kim)
    for _ in range(10):
        await refused(installation, kim, password="wrong")
    listed = (await installation.af.read(installation.af.audit.page(PageQuery()))).items
    assert [item.action for item in listed] == ["operator.locked", "operator.signed_in", "operator.set_up"]
    assert {item.actor for item in listed} == {EMAIL}
