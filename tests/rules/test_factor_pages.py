"""The page on which users manage their factors: whose they are, what needs a code, and what happens once."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import pytest

from authfactor import errors
from authfactor.models import (
    Enrollment,
    Environment,
    NewRecoveryCodes,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, totp
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired, LastFactor, RecoveryCodesMade
from authfactor.rules.links.factor_pages import CONFIRMATION_LIFE, FactorsPage
from authfactor.rules.links.page_sessions import FACTORS_PAGE_LIFE
from authfactor.store import Unit
from authfactor.store.tables.links import LinksTable
from authfactor.wire.links import CreateFactorsLink
from authfactor.wire.requests import CreateUser
from tests.support.clock import MINUTE
from tests.support.installation import Installation, Opener

AT_ONCE: Final = 50
CHROME: Final = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


@dataclass
class Visit:
    """A browser on the factors page of a user."""

    installation: Installation
    user: UserRecord
    link_id: str
    secret: str

    async def do(self, unit_name: str, *given: object, **named: object) -> Any:  # noqa: ANN401 - any unit's
        return await self.installation.af.run(self.unit(unit_name, *given, **named))

    def unit(self, unit_name: str, *given: object, **named: object) -> Unit[Any]:
        prepare = getattr(self.installation.af.factor_pages, unit_name)
        unit: Unit[Any] = prepare(self.link_id, self.secret, *given, **named)
        return unit

    async def view(self) -> FactorsPage:
        page: FactorsPage = await self.installation.af.read(self.unit("view"))
        return page

    async def confirm(self, enrolled: Enrollment, step: int = 0) -> Verification | None:
        outcome = await self.do("confirm", "", self.installation.code(enrolled, step))
        verification: Verification | None = outcome.verification
        return verification

    async def remove(self, factor_id: str, *, knows_last: bool = False) -> None:
        await self.do("remove", factor_id, knows_last=knows_last)

    async def pending_code(self) -> str:
        """Return the code of the factor that is being added, as an app shows it."""
        shown = await self.installation.af.read(self.unit("view_adding"))
        text = self.installation.af.page_sessions.secret_of(shown).text
        now = totp.step_at(self.installation.clock.now // 1000)
        return totp.code_at(base32.decode(text, min_bytes=1), now)


async def issue(
    installation: Installation, user: UserRecord, environment: Environment | None = None, **more: str
) -> str:
    """Create a link and return its token."""
    request = CreateFactorsLink(user_id=user.id, **more)
    unit = installation.af.links.create_factors(environment or installation.environment, request)
    return (await installation.af.run(unit)).url.rpartition("/")[2]


async def visit(installation: Installation, user: UserRecord, **more: Any) -> Visit:  # noqa: ANN401 - as `issue`
    token = await issue(installation, user, **more)
    unit = await installation.af.page_sessions.prepare_open(installation.af.store, token)
    link, secret = await installation.af.run(unit)
    return Visit(installation, user, link.id, secret)


async def active(installation: Installation, user: UserRecord) -> Enrollment:
    """Enroll a factor, activate it, and wait for its next code."""
    made = await installation.enroll(user)
    assert (await installation.answer(made, installation.code(made))).valid
    installation.clock.advance(30)
    return made


async def sign_in(installation: Installation, user: UserRecord, user_agent: str | None = None) -> str:
    """Start a session and return its id."""
    af, environment = installation.af, installation.environment
    now = installation.clock.now
    prepared = await af.sessions.prepare(
        af.store, environment, user.id, amr="pwd", now=now, ip_address="192.0.2.7", user_agent=user_agent
    )

    async def start(tx: Any) -> None:  # noqa: ANN401 - a transaction
        from authfactor.rules.unit import Scope  # noqa: PLC0415 - here only

        await af.sessions.start(Scope(tx, environment, now), user, prepared)

    await af.run(start)
    installation.clock.advance(1)
    return prepared.session.id


async def test_page_shows_factors_codes_and_sign_ins_of_its_user_alone(installation: Installation) -> None:
    user, stranger = await installation.user(), await installation.user()
    first, _ = await active(installation, user), await active(installation, stranger)
    pending = await installation.enroll(user)
    await installation.af.run(installation.af.recovery_codes.create(installation.environment, user.id))
    sessions = [await sign_in(installation, user, CHROME) for _ in range(12)]
    await sign_in(installation, stranger)
    await installation.af.run(installation.af.sessions.revoke(installation.environment, sessions[-1]))

    page = await (await visit(installation, user, session_id=sessions[0])).view()

    assert [factor.id for factor in page.factors] == [first.factor.id, pending.factor.id]
    assert [factor.id for factor in page.active] == [first.factor.id]
    assert page.recovery_codes.remaining == 10
    assert [each.session.id for each in page.sign_ins] == sessions[:1:-1]
    assert [each.is_active for each in page.sign_ins] == [False] + [True] * 9
    assert page.other_sessions == 10
    assert not page.is_confirmed
    assert not page.is_full


async def test_page_session_lasts_half_an_hour(installation: Installation) -> None:
    page = await visit(installation, await installation.user())
    installation.clock.now += FACTORS_PAGE_LIFE - 1
    await page.view()
    installation.clock.now += 1
    for unit in (
        page.unit("view"),
        page.unit("confirm", "", "123456"),
        page.unit("rename", "auth_factor_1", "x"),
        page.unit("start_adding"),
        page.unit("view_adding"),
        page.unit("finish_adding", "123456"),
        page.unit("remove", "auth_factor_1", knows_last=True),
        page.unit("make_recovery_codes", 0),
        page.unit("end_other_sessions"),
        page.unit("leave"),
    ):
        with pytest.raises(errors.LinkExpired):
            await installation.af.run(unit)


async def test_link_opens_once_and_only_that_session_has_the_page(installation: Installation) -> None:
    user = await installation.user()
    token = await issue(installation, user)
    af = installation.af
    units = [await af.page_sessions.prepare_open(af.store, token) for _ in range(20)]
    results = await asyncio.gather(*(af.run(unit) for unit in units), return_exceptions=True)
    opened = [result for result in results if isinstance(result, tuple)]
    assert len(opened) == 1
    assert sum(isinstance(result, errors.LinkUsed) for result in results) == 19
    other = await visit(installation, user)
    for secret in (other.secret, "", "x", "\0"):
        thief = Visit(installation, user, opened[0][0].id, secret)
        with pytest.raises(errors.LinkUnknown):
            await thief.view()
        with pytest.raises(errors.LinkUnknown):
            await thief.do("start_adding")


async def test_page_sessions_of_other_links_have_no_factors_page(installation: Installation) -> None:
    from authfactor.wire.links import CreateEnrollmentLink  # noqa: PLC0415 - here only

    user, af = await installation.user(), installation.af
    request = CreateEnrollmentLink(user_id=user.id)
    issued = await af.run(af.links.create_enrollment(installation.environment, request))
    link, secret = await af.run(await af.page_sessions.prepare_open(af.store, issued.url.rpartition("/")[2]))
    with pytest.raises(errors.LinkUnknown):
        await Visit(installation, user, link.id, secret).view()


async def test_factors_page_is_no_enrollment_page(installation: Installation) -> None:
    """Else its pending factor would become active there without what this page asks for."""
    user, af = await installation.user(), installation.af
    page = await visit(installation, user)
    await page.do("start_adding")
    with pytest.raises(errors.LinkUnknown):
        await af.read(af.page_sessions.view(page.link_id, page.secret))
    with pytest.raises(errors.LinkUnknown):
        await af.run(af.page_sessions.verify(page.link_id, page.secret, await page.pending_code()))
    with pytest.raises(errors.LinkUnknown):
        await af.run(af.page_sessions.make_recovery_codes(page.link_id, page.secret))


async def test_changes_need_a_code_of_an_existing_factor(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    await sign_in(installation, user)
    page = await visit(installation, user)
    before = await installation.events()
    for unit in (
        page.unit("start_adding"),
        page.unit("view_adding"),
        page.unit("remove", enrolled.factor.id, knows_last=True),
        page.unit("make_recovery_codes", 0),
        page.unit("end_other_sessions"),
    ):
        with pytest.raises(ConfirmationRequired):
            await installation.af.run(unit)
    assert await installation.events() == before
    verification = await page.confirm(enrolled)
    assert verification is not None
    assert verification.valid
    assert (await page.view()).is_confirmed
    await page.do("make_recovery_codes", 0)
    await page.do("end_other_sessions")
    await page.do("start_adding")


async def test_confirmation_lasts_ten_minutes_and_no_longer_when_the_clock_goes_back(
    installation: Installation,
) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    await page.confirm(enrolled)
    installation.clock.now += CONFIRMATION_LIFE - 1
    await page.do("end_other_sessions")
    installation.clock.now += 1
    with pytest.raises(ConfirmationRequired):
        await page.do("end_other_sessions")
    await page.confirm(enrolled)
    installation.clock.now -= MINUTE * 1000
    with pytest.raises(ConfirmationRequired):
        await page.do("end_other_sessions")


async def test_confirmation_is_of_one_page_session(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    mine, other = await visit(installation, user), await visit(installation, user)
    await mine.confirm(enrolled)
    with pytest.raises(ConfirmationRequired):
        await other.remove(enrolled.factor.id, knows_last=True)


async def test_code_of_a_pending_or_foreign_factor_confirms_nothing(installation: Installation) -> None:
    user, stranger = await installation.user(), await installation.user()
    await active(installation, user)
    pending = await installation.enroll(user)
    foreign = await active(installation, stranger)
    page = await visit(installation, user)
    for made in (pending, foreign):
        with pytest.raises(errors.NotFound):
            await page.do("confirm", made.factor.id, installation.code(made))
        outcome = await page.do("confirm", "", installation.code(made))
        assert not outcome.verification.valid
    assert not (await page.view()).is_confirmed


async def test_factor_used_last_is_asked_unless_another_is_chosen(installation: Installation) -> None:
    user = await installation.user()
    older, newer = await active(installation, user), await active(installation, user)
    page = await visit(installation, user)
    assert not (await page.do("confirm", "", installation.code(older))).verification.valid
    assert (await page.do("confirm", older.factor.id, installation.code(older))).verification.valid
    assert (await page.view()).active[0].id == older.factor.id
    assert newer.factor.id in {factor.id for factor in (await page.view()).active}


async def test_wrong_codes_lock_the_user_and_a_recovery_code_still_confirms(
    installation: Installation,
) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    made: NewRecoveryCodes = await installation.af.run(
        installation.af.recovery_codes.create(installation.environment, user.id)
    )
    page = await visit(installation, user)
    limit = installation.af.settings.lock_after
    for _ in range(limit):
        outcome = await page.do("confirm", "", installation.wrong(enrolled))
        assert not outcome.verification.valid
    with pytest.raises(errors.TooManyAttempts):
        await page.confirm(enrolled)
    assert "authfactor.user_locked" in await installation.events()
    challenges = installation.sql("SELECT count(*) FROM challenges")
    for _ in range(5):
        with pytest.raises(errors.TooManyAttempts):
            await page.confirm(enrolled)
    # What a locked user tries fills no table.
    assert installation.sql("SELECT count(*) FROM challenges") == challenges
    assert (await page.do("confirm", "", made.codes[0])).verification.valid
    assert (await page.view()).recovery_codes.remaining == 9
    await page.do("end_other_sessions")


async def test_code_confirms_once_and_a_second_click_goes_on(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page, other = await visit(installation, user), await visit(installation, user)
    code = installation.code(enrolled)
    assert (await page.do("confirm", "", code)).verification.valid
    assert (await page.do("confirm", "", code)).verification is None
    assert (await other.do("confirm", "", code)).verification.reason == "code_already_used"


async def test_first_factor_needs_no_code_and_then_confirms(installation: Installation) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await page.do("start_adding")
    wrong = await page.do("finish_adding", "000000")
    assert not wrong.verification.valid
    assert (await page.do("finish_adding", await page.pending_code())).verification.valid
    shown = await page.view()
    assert len(shown.active) == 1
    assert shown.is_confirmed
    assert shown.page_session.link.factor_id is None
    assert (await page.do("finish_adding", "000000")).verification is None
    _, made = await page.do("make_recovery_codes", 0)
    assert len(made.codes) == 10
    names = await installation.events()
    assert names.count("authfactor.factor_activated") == 1
    assert names.count("authfactor.recovery_codes_created") == 1


async def test_fifty_clicks_on_add_enroll_one_factor(installation: Installation) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await asyncio.gather(*(page.do("start_adding") for _ in range(AT_ONCE)))
    assert len((await page.view()).factors) == 1
    assert (await installation.events()).count("authfactor.factor_enrolled") == 1


async def test_factor_that_became_active_meanwhile_must_confirm_the_one_being_added(
    installation: Installation,
) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await page.do("start_adding")
    code = await page.pending_code()
    await active(installation, user)
    with pytest.raises(ConfirmationRequired):
        await page.do("finish_adding", code)
    with pytest.raises(ConfirmationRequired):
        await page.do("view_adding")


async def test_many_wrong_first_codes_lock_but_do_not_end_the_adding(installation: Installation) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await page.do("start_adding")
    for _ in range(installation.af.settings.attempts_per_challenge):
        assert not (await page.do("finish_adding", "000000")).verification.valid
    assert (await page.do("finish_adding", await page.pending_code())).verification.valid


async def test_full_account_gets_no_further_factor(open_installation: Opener) -> None:
    installation: Installation = await open_installation(max_factors_per_user=1)
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    await page.confirm(enrolled)
    assert (await page.view()).is_full
    with pytest.raises(errors.InvalidRequest) as refused:
        await page.do("start_adding")
    assert [item.code for item in refused.value.items] == ["factor_limit_reached"]


async def test_another_users_factor_is_neither_renamed_nor_removed(installation: Installation) -> None:
    user, stranger = await installation.user(), await installation.user()
    enrolled, foreign = await active(installation, user), await active(installation, stranger)
    page = await visit(installation, user)
    await page.confirm(enrolled)
    for factor_id in (foreign.factor.id, "auth_factor_x", ""):
        with pytest.raises(errors.NotFound):
            await page.do("rename", factor_id, "mine")
        with pytest.raises(errors.NotFound):
            await page.remove(factor_id, knows_last=True)
    assert len((await (await visit(installation, stranger)).view()).factors) == 1


async def test_factor_of_another_environment_is_not_found(installation: Installation) -> None:
    af, other = installation.af, installation.other
    user = await installation.user()
    enrolled = await active(installation, user)
    twin = await af.run(await af.users.prepare_create(other, CreateUser(email=user.email)))
    page = await visit(installation, twin, environment=other)
    with pytest.raises(errors.NotFound):
        await page.do("rename", enrolled.factor.id, "mine")
    with pytest.raises(errors.NotFound):
        await page.remove(enrolled.factor.id, knows_last=True)
    shown = await page.view()
    assert shown.factors == []
    assert shown.page_session.environment.number == other.number
    with pytest.raises(errors.NotFound):
        await af.read(af.links.get(installation.environment, "factors", page.link_id))


async def test_renaming_writes_its_event_and_an_empty_name_removes_it(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    await page.do("rename", enrolled.factor.id, "  Work phone ")
    assert (await page.view()).factors[0].name == "Work phone"
    await page.do("rename", enrolled.factor.id, " ")
    assert (await page.view()).factors[0].name is None
    for name in ("x" * 65, "a\nb", "\u202eevil"):
        with pytest.raises(errors.InvalidRequest):
            await page.do("rename", enrolled.factor.id, name)
    assert (await installation.events()).count("authfactor.factor_renamed") == 2


async def test_fifty_clicks_on_remove_delete_once(installation: Installation) -> None:
    user = await installation.user()
    keep, gone = await active(installation, user), await active(installation, user)
    page = await visit(installation, user)
    await page.do("confirm", keep.factor.id, installation.code(keep))
    clicks = (page.remove(gone.factor.id) for _ in range(AT_ONCE))
    results = await asyncio.gather(*clicks, return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, errors.NotFound) for result in results) == AT_ONCE - 1
    assert (await installation.events()).count("authfactor.factor_deleted") == 1


async def test_last_factor_goes_only_after_its_warning_and_takes_the_recovery_codes(
    installation: Installation,
) -> None:
    user = await installation.user()
    one, two = await active(installation, user), await active(installation, user)
    await installation.af.run(installation.af.recovery_codes.create(installation.environment, user.id))
    page = await visit(installation, user)
    await page.do("confirm", one.factor.id, installation.code(one))
    # Both pages were opened while there were two.
    both = [page.remove(made.factor.id) for made in (one, two)]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LastFactor", "NoneType"]
    shown = await page.view()
    assert shown.recovery_codes.remaining == 10
    with pytest.raises(LastFactor):
        await page.remove(shown.active[0].id)
    await page.remove(shown.active[0].id, knows_last=True)
    shown = await page.view()
    assert shown.factors == []
    assert shown.recovery_codes.total == 0
    with pytest.raises(errors.Conflict):
        await page.do("make_recovery_codes", 0)


async def test_fifty_clicks_make_one_set_of_recovery_codes(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    await page.confirm(enrolled)
    replaces = 0
    for sets in (1, 2):
        clicks = (page.do("make_recovery_codes", replaces) for _ in range(AT_ONCE))
        results = await asyncio.gather(*clicks, return_exceptions=True)
        assert sum(isinstance(result, tuple) for result in results) == 1
        assert sum(isinstance(result, RecoveryCodesMade) for result in results) == AT_ONCE - 1
        assert (await installation.events()).count("authfactor.recovery_codes_created") == sets
        replaces = (await page.view()).recovery_codes.created_at or 0
        installation.clock.advance(1)


def still_active(installation: Installation) -> set[object]:
    return {row[0] for row in installation.sql("SELECT id FROM sessions WHERE ended_at IS NULL")}


async def test_all_sessions_but_the_browsers_own_end(installation: Installation) -> None:
    user, stranger = await installation.user(), await installation.user()
    mine, *others = [await sign_in(installation, user) for _ in range(3)]
    foreign = await sign_in(installation, stranger)
    page = await visit(installation, user, session_id=mine)
    await page.do("end_other_sessions")
    assert still_active(installation) == {mine, foreign}
    assert (await page.view()).other_sessions == 0
    assert (await installation.events()).count("session.revoked") == len(others)
    without = await visit(installation, user)
    await without.do("end_other_sessions")
    assert still_active(installation) == {foreign}


async def test_link_names_only_an_open_session_of_its_user(installation: Installation) -> None:
    user, stranger = await installation.user(), await installation.user()
    foreign, ended = await sign_in(installation, stranger), await sign_in(installation, user)
    await installation.af.run(installation.af.sessions.revoke(installation.environment, ended))
    for session_id in (foreign, "session_x", "\0"):
        with pytest.raises(errors.NotFound):
            await issue(installation, user, session_id=session_id)
    with pytest.raises(errors.SessionEnded):
        await issue(installation, user, session_id=ended)


async def test_link_names_no_session_that_was_idle_for_too_long(open_installation: Opener) -> None:
    installation = await open_installation(session_inactivity=60)
    user = await installation.user()
    idle = await sign_in(installation, user)
    installation.clock.advance(60)
    with pytest.raises(errors.SessionEnded):
        await issue(installation, user, session_id=idle)


async def test_leaving_ends_the_page_session_and_what_was_not_finished(installation: Installation) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await page.do("start_adding")
    await page.do("leave")
    with pytest.raises(errors.LinkUnknown):
        await page.view()
    assert installation.sql("SELECT count(*) FROM factors") == [(0,)]
    link = await installation.af.read(
        installation.af.links.get(installation.environment, "factors", page.link_id)
    )
    assert link.completed_at == installation.clock.now
    assert (await installation.events())[-1] == "authfactor.link_completed"


async def test_factor_added_while_the_user_leaves_is_not_left_behind(installation: Installation) -> None:
    user = await installation.user()
    pages = [await visit(installation, user) for _ in range(5)]
    for page in pages:
        clicks = [page.do("leave" if at == AT_ONCE // 2 else "start_adding") for at in range(AT_ONCE)]
        results = await asyncio.gather(*clicks, return_exceptions=True)
        assert {type(result) for result in results if isinstance(result, Exception)} <= {errors.LinkUnknown}
        assert installation.sql("SELECT count(*) FROM factors") == [(0,)]


async def test_next_link_removes_what_an_expired_page_left_behind(installation: Installation) -> None:
    user = await installation.user()
    page = await visit(installation, user)
    await page.do("start_adding")
    installation.clock.now += FACTORS_PAGE_LIFE
    assert (await (await visit(installation, user)).view()).factors == []


async def test_page_that_is_left_twice_at_once_writes_no_second_event(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await visit(installation, await installation.user())
    leave = LinksTable.leave

    async def late(table: LinksTable, environment: int, link_id: str, now: int) -> bool:
        assert await leave(table, environment, link_id, now - 1)
        return await leave(table, environment, link_id, now)

    monkeypatch.setattr(LinksTable, "leave", late)
    left = await page.do("leave")
    assert left.link.id == page.link_id
    assert "authfactor.link_completed" not in await installation.events()
    assert installation.sql("SELECT completed_at FROM links") == [(installation.clock.now - 1,)]
    with pytest.raises(errors.LinkUnknown):
        await page.do("leave")


async def test_code_stays_unspent_when_the_page_is_left_before_it_confirms(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await installation.user()
    enrolled = await active(installation, user)
    page = await visit(installation, user)
    confirm = LinksTable.confirm

    async def late(table: LinksTable, environment: int, link_id: str, session_hash: bytes, now: int) -> bool:
        assert await table.leave(environment, link_id, now)
        return await confirm(table, environment, link_id, session_hash, now)

    with monkeypatch.context() as patch:
        patch.setattr(LinksTable, "confirm", late)
        with pytest.raises(errors.LinkUnknown):
            await page.confirm(enrolled)
    assert not (await page.view()).is_confirmed
    verification = await page.confirm(enrolled)
    assert verification is not None
    assert verification.valid
