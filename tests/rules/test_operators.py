"""Console operators: single-use set-up links, sign-in with password and code, sessions and roles."""

import pytest

from authfactor import errors
from authfactor.models import PageQuery
from authfactor.rules.console.operator_set_up import SetUpLinkRefused
from authfactor.rules.console.operator_sign_in import StartedSession
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
    await assert_refused(installation, kim, code="")


async def test_code_signs_an_operator_in_once(installation: Installation, kim: OperatorAccount) -> None:
    code = installation.code(kim.enrolled)
    assert isinstance(await sign_in(installation, kim, code=code), StartedSession)
    await assert_refused(installation, kim, "one_time_code_previously_used", code=code)


async def test_a_wrong_password_does_not_spend_the_code(
    installation: Installation, kim: OperatorAccount
) -> None:
    code = installation.code(kim.enrolled)
    await assert_refused(installation, kim, password="wrong", code=code)
    assert isinstance(await sign_in(installation, kim, code=code), StartedSession)


async def test_wrong_passwords_and_wrong_codes_count_together(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(10):
        await assert_refused(
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
        await assert_refused(installation, kim, email="unknown@example.org")
    with pytest.raises(errors.TooManyAttempts):
        await sign_in(installation, kim, email="unknown@example.org")
    await assert_refused(installation, kim, email="other@example.org")


async def test_wrong_passwords_alone_never_lock_an_operator_permanently(
    installation: Installation, kim: OperatorAccount
) -> None:
    for number in range(150):
        if number % 10 == 0:
            installation.clock.advance(DAY / 4)
        await assert_refused(installation, kim, password="wrong")
    installation.clock.advance(DAY)
    assert isinstance(await sign_in(installation, kim), StartedSession)


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
    for _ in range(10):
        await assert_refused(installation, lee, password="wrong")
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
    for _ in range(10):
        await assert_refused(installation, kim, password="wrong")
    listed = (await installation.af.read(installation.af.audit.page(PageQuery(limit=50)))).items
    actions = [item.action for item in listed if item.action != "operator.sign_in_refused"]
    assert actions == ["operator.locked", "operator.signed_in", "operator.set_up"]
    assert {item.actor for item in listed} == {EMAIL}
