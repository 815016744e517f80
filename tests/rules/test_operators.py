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
class Person:
    """An operator who is set up, and what they know and hold."""

    operator: Operator
    enrolled: Enrollment


async def begin(desk: Installation, token: str, email: str = EMAIL, password: str = PASSWORD) -> Enrollment:
    return await desk.af.run(await desk.af.operators.prepare_set_up(desk.af.store, token, email, password))


async def set_up(desk: Installation, token: str, email: str = EMAIL) -> Person:
    enrolled = await begin(desk, token, email)
    operator, outcome = await desk.af.run(desk.af.operators.finish_set_up(token, desk.code(enrolled)))
    assert outcome.valid
    desk.clock.advance(totp.PERIOD_SECONDS)
    return Person(operator, enrolled)


async def first_token(desk: Installation) -> str:
    token = await desk.af.run(desk.af.operators.first_link())
    assert token is not None
    return token


@pytest.fixture
async def kim(desk: Installation) -> Person:
    return await set_up(desk, await first_token(desk))


async def sign_in(
    desk: Installation,
    person: Person,
    *,
    password: str = PASSWORD,
    code: str | None = None,
    email: str = "",
    old: str = "",
) -> StartedSession:
    attempt = SignInForm(
        email=email or person.operator.email,
        password=password,
        code=desk.code(person.enrolled) if code is None else code,
        old_token=old or None,
    )
    return await desk.af.run(await desk.af.operator_sign_in.prepare_sign_in(desk.af.store, attempt))


async def started(desk: Installation, person: Person, old: str = "") -> StartedSession:
    result = await sign_in(desk, person, old=old)
    desk.clock.advance(totp.PERIOD_SECONDS)
    return result


async def refused(
    desk: Installation, person: Person, why: str = "invalid_credentials", **attempt: str
) -> None:
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in(desk, person, **attempt)
    assert refusal.value.code == why


async def seat(desk: Installation, token: str, *, active: bool = True) -> OperatorContext | None:
    return await desk.af.operator_sign_in.context_of(desk.af.store, token, active=active)


async def another(desk: Installation, email: str = "lee@example.org", role: str = "owner") -> Person:
    _, token = await desk.af.run(desk.af.operators.invite(email, role))  # type: ignore[arg-type]  # a role's name
    return await set_up(desk, token)


async def test_the_first_link_makes_an_owner_and_then_there_is_none(desk: Installation, kim: Person) -> None:
    assert (kim.operator.role, kim.operator.state, kim.operator.email) == ("owner", "active", EMAIL)
    assert await desk.af.run(desk.af.operators.first_link()) is None


@pytest.mark.parametrize("kind", ["first", "invited"])
async def test_a_link_works_once(desk: Installation, kind: str) -> None:
    if kind == "first":
        token = await first_token(desk)
    else:
        _, token = await desk.af.run(desk.af.operators.invite(EMAIL, "owner"))
    await set_up(desk, token)
    with pytest.raises(SetUpLinkRefused):
        await begin(desk, token)
    with pytest.raises(SetUpLinkRefused):
        await desk.af.run(desk.af.operators.finish_set_up(token, "000000"))


async def test_a_link_ends_after_a_day(desk: Installation) -> None:
    token = await first_token(desk)
    enrolled = await begin(desk, token)
    desk.clock.advance(DAY)
    with pytest.raises(SetUpLinkRefused):
        await desk.af.run(desk.af.operators.finish_set_up(token, desk.code(enrolled)))


async def test_of_first_links_only_the_last_works_and_none_once_an_owner_is_in(desk: Installation) -> None:
    old = await first_token(desk)
    new = await first_token(desk)
    with pytest.raises(SetUpLinkRefused):
        await begin(desk, old)
    _, invited = await desk.af.run(desk.af.operators.invite("lee@example.org", "owner"))
    await set_up(desk, invited)
    with pytest.raises(SetUpLinkRefused):
        await begin(desk, new)


@pytest.mark.parametrize("role", ["support", "viewer"])
async def test_the_first_link_waits_for_an_owner_and_not_for_anybody(desk: Installation, role: str) -> None:
    token = await first_token(desk)
    await another(desk, role=role)
    assert (await set_up(desk, token)).operator.role == "owner"


async def test_the_first_half_may_be_done_again_and_the_earlier_factor_is_gone(desk: Installation) -> None:
    token = await first_token(desk)
    lost = await begin(desk, token, "typo@example.org")
    kept = await begin(desk, token)
    _, outcome = await desk.af.run(desk.af.operators.finish_set_up(token, desk.code(lost)))
    assert not outcome.valid
    operator, outcome = await desk.af.run(desk.af.operators.finish_set_up(token, desk.code(kept)))
    assert outcome.valid
    assert operator.email == EMAIL
    assert len(await desk.af.read(lambda tx: tx.operators.all())) == 1


async def test_an_invited_operator_has_no_choice_of_email_or_role(desk: Installation, kim: Person) -> None:
    _, token = await desk.af.run(desk.af.operators.invite("lee@example.org", "viewer"))
    person = await set_up(desk, token, "someone.else@example.org")
    assert (person.operator.email, person.operator.role) == ("lee@example.org", "viewer")


async def test_a_weak_password_is_refused_at_set_up(desk: Installation) -> None:
    token = await first_token(desk)
    with pytest.raises(errors.PasswordTooWeak):
        await begin(desk, token, password="password123")


async def test_two_operators_cannot_have_one_email(desk: Installation, kim: Person) -> None:
    with pytest.raises(errors.Conflict):
        await desk.af.run(desk.af.operators.invite(EMAIL.upper(), "viewer"))


async def test_password_and_code_start_a_session(desk: Installation, kim: Person) -> None:
    begun = await started(desk, kim)
    found = await seat(desk, begun.token)
    assert found is not None
    assert found.operator.id == kim.operator.id
    assert await seat(desk, begun.token + "x") is None


async def test_a_wrong_password_a_wrong_code_and_an_unknown_email_sound_the_same(
    desk: Installation, kim: Person
) -> None:
    await refused(desk, kim, password="wrong")
    await refused(desk, kim, code=desk.wrong(kim.enrolled))
    await refused(desk, kim, email="nobody@example.org")
    await refused(desk, kim, code="")


async def test_a_code_signs_in_once(desk: Installation, kim: Person) -> None:
    code = desk.code(kim.enrolled)
    assert isinstance(await sign_in(desk, kim, code=code), StartedSession)
    await refused(desk, kim, "one_time_code_previously_used", code=code)


async def test_a_wrong_password_does_not_spend_the_code(desk: Installation, kim: Person) -> None:
    code = desk.code(kim.enrolled)
    await refused(desk, kim, password="wrong", code=code)
    assert isinstance(await sign_in(desk, kim, code=code), StartedSession)


async def test_wrong_passwords_and_wrong_codes_count_together(desk: Installation, kim: Person) -> None:
    for number in range(10):
        await refused(
            desk, kim, **({"password": "wrong"} if number % 2 else {"code": desk.wrong(kim.enrolled)})
        )
    with pytest.raises(errors.TooManyAttempts) as locked:
        await sign_in(desk, kim)
    assert locked.value.locked_until == desk.clock.now + 15 * MINUTE * 1000
    desk.clock.advance(15 * MINUTE)
    assert isinstance(await sign_in(desk, kim), StartedSession)


async def test_an_unknown_email_locks_like_a_known_one(desk: Installation, kim: Person) -> None:
    for _ in range(10):
        await refused(desk, kim, email="nobody@example.org")
    with pytest.raises(errors.TooManyAttempts):
        await sign_in(desk, kim, email="nobody@example.org")
    await refused(desk, kim, email="somebody@example.org")


async def test_wrong_passwords_alone_never_stop_an_operator_for_good(desk: Installation, kim: Person) -> None:
    for number in range(150):
        if number % 10 == 0:
            desk.clock.advance(DAY / 4)
        await refused(desk, kim, password="wrong")
    desk.clock.advance(DAY)
    assert isinstance(await sign_in(desk, kim), StartedSession)


async def test_signing_in_makes_a_new_token_and_ends_the_session_the_browser_had(
    desk: Installation, kim: Person
) -> None:
    old = (await started(desk, kim)).token
    new = (await started(desk, kim, old)).token
    assert old != new
    assert await seat(desk, old) is None
    assert await seat(desk, new) is not None


async def test_a_token_that_the_server_did_not_make_is_never_a_session(
    desk: Installation, kim: Person
) -> None:
    planted = "A" * 43
    begun = await started(desk, kim, planted)
    assert begun.token != planted
    assert await seat(desk, planted) is None


async def test_a_session_ends_when_idle_and_what_the_browser_does_by_itself_is_idle(
    desk: Installation, kim: Person
) -> None:
    token = (await started(desk, kim)).token
    desk.clock.advance(29 * MINUTE)
    assert await seat(desk, token) is not None
    desk.clock.advance(29 * MINUTE)
    assert await seat(desk, token, active=False) is not None
    desk.clock.advance(2 * MINUTE)
    assert await seat(desk, token) is None


async def test_a_session_ends_after_its_life_however_busy(desk: Installation, kim: Person) -> None:
    token = (await started(desk, kim)).token
    for _ in range(12 * 3 - 1):
        desk.clock.advance(20 * MINUTE)
        assert await seat(desk, token) is not None
    desk.clock.advance(HOUR)
    assert await seat(desk, token) is None


async def test_signing_out_ends_the_session(desk: Installation, kim: Person) -> None:
    token = (await started(desk, kim)).token
    assert await desk.af.run(desk.af.operator_sign_in.sign_out(token))
    assert await seat(desk, token) is None
    assert not await desk.af.run(desk.af.operator_sign_in.sign_out(token))


async def test_one_of_several_sessions_can_be_ended_but_not_another_operators(
    desk: Installation, kim: Person
) -> None:
    lee = await another(desk)
    one, two = await started(desk, kim), await started(desk, kim)
    with pytest.raises(errors.NotFound):
        await desk.af.run(desk.af.operator_sign_in.revoke(lee.operator, one.context.session.id))
    await desk.af.run(desk.af.operator_sign_in.revoke(kim.operator, one.context.session.id))
    assert await seat(desk, one.token) is None
    live = await desk.af.read(desk.af.operator_sign_in.live(kim.operator))
    assert [session.id for session in live] == [two.context.session.id]


async def test_disabling_ends_sessions_and_signing_in(desk: Installation, kim: Person) -> None:
    lee = await another(desk)
    token = (await started(desk, lee)).token
    await desk.af.run(desk.af.operators.disable(lee.operator.id))
    assert await seat(desk, token) is None
    await refused(desk, lee)


async def test_the_last_owner_can_neither_be_disabled_nor_demoted(desk: Installation, kim: Person) -> None:
    lee = await another(desk, role="support")
    for unit in (
        desk.af.operators.disable(kim.operator.id),
        desk.af.operators.change_role(kim.operator.id, "viewer"),
    ):
        with pytest.raises(errors.Conflict) as refusal:
            await desk.af.run(unit)
        assert refusal.value.code == "last_owner"
    await desk.af.run(desk.af.operators.change_role(lee.operator.id, "owner"))
    await desk.af.run(desk.af.operators.disable(kim.operator.id))


async def test_a_reset_takes_everything_and_a_new_link_gives_it_back(desk: Installation, kim: Person) -> None:
    lee = await another(desk)
    session = (await started(desk, lee)).token
    for _ in range(10):
        await refused(desk, lee, password="wrong")
    _, token = await desk.af.run(desk.af.operators.reset(lee.operator.id))
    assert await seat(desk, session) is None
    await refused(desk, lee)
    again = await set_up(desk, token)
    assert again.operator.id == lee.operator.id
    assert (await started(desk, again)).context.operator.state == "active"


async def test_what_is_stored_gives_nobody_a_way_in(desk: Installation, kim: Person) -> None:
    link = (await desk.af.run(desk.af.operators.invite("lee@example.org", "viewer")))[1]
    session = (await started(desk, kim)).token
    everything = desk.files()
    for secret in (link, session, PASSWORD, kim.enrolled.secret):
        assert secret.encode() not in everything


async def test_operators_factors_belong_to_no_environment_that_an_api_key_reaches(
    desk: Installation, kim: Person
) -> None:
    known = await desk.af.read(lambda tx: tx.environments.all())
    assert CONSOLE.number not in [environment.number for environment in known]
    for environment in known:
        with pytest.raises(errors.NotFound):
            await desk.af.read(desk.af.factors.get(environment, kim.enrolled.factor.id))


async def test_what_has_had_its_time_is_cleaned_away(desk: Installation, kim: Person) -> None:
    await started(desk, kim)
    await first_link_of_nobody(desk)
    desk.clock.advance(3 * DAY)
    await desk.af.retention.run(desk.af.store)
    for table in ("operator_sessions", "operator_links"):
        assert desk.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from above
    assert desk.sql("SELECT count(*) FROM challenges WHERE environment = 0") == [(0,)]


async def first_link_of_nobody(desk: Installation) -> None:
    await desk.af.run(desk.af.operators.invite("gone@example.org", "viewer"))


async def test_an_operators_session_does_not_outlive_other_settings(open_desk: Opener) -> None:
    desk: Installation = await open_desk(console_session_inactivity=60)
    person = await set_up(desk, await first_token(desk))
    token = (await started(desk, person)).token
    desk.clock.advance(61)
    assert await seat(desk, token) is None


async def test_setting_up_signing_in_and_a_lock_are_written_down(desk: Installation, kim: Person) -> None:
    await started(desk, kim)
    for _ in range(10):
        await refused(desk, kim, password="wrong")
    listed = (await desk.af.read(desk.af.audit.page(PageQuery()))).items
    assert [item.action for item in listed] == ["operator.locked", "operator.signed_in", "operator.set_up"]
    assert {item.actor for item in listed} == {EMAIL}
