"""Links to pages: opened once, bound to a page session, and what an enrolment or a challenge by link does."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions, LinkRecord, UserRecord, Verification
from authfactor.otp import base32, totp
from authfactor.rules.links.links import IssuedLink
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession
from authfactor.wire.links import CreateChallengeLink, CreateEnrollmentLink, status_of
from tests.support.clock import DAY, MINUTE
from tests.support.installation import Installation

if TYPE_CHECKING:
    from tests.support.installation import Opener

APP: Final = "https://app.example.org/welcome"
BROWSERS: Final = 20


@dataclass
class Browser:
    """One browser that opened a link."""

    installation: Installation
    link: LinkRecord
    session: str

    async def view(self) -> PageSession:
        return await self.installation.af.read(
            self.installation.af.page_sessions.view(self.link.id, self.session)
        )

    async def secret(self) -> str:
        return self.installation.af.page_sessions.secret_of(await self.view()).text

    async def answer(self, code: str) -> Verification | None:
        done: CodeOutcome = await self.installation.af.run(
            self.installation.af.page_sessions.verify(self.link.id, self.session, code)
        )
        return done.verification

    async def code(self, step: int = 0) -> str:
        return self.code_of(await self.secret(), step)

    def code_of(self, secret: str, step: int = 0) -> str:
        now = totp.step_at(self.installation.clock.now // 1000)
        return totp.code_at(base32.decode(secret, min_bytes=1), now + step)


def token_of(issued: IssuedLink) -> str:
    return issued.url.rpartition("/")[2]


async def enrollment(installation: Installation, user: UserRecord, **fields: str) -> IssuedLink:
    request = CreateEnrollmentLink(user_id=user.id, **fields)
    return await installation.af.run(
        installation.af.links.create_enrollment(installation.environment, request)
    )


async def challenge(installation: Installation, user: UserRecord, **fields: str) -> IssuedLink:
    request = CreateChallengeLink(user_id=user.id, **fields)
    return await installation.af.run(
        installation.af.links.create_challenge(installation.environment, request)
    )


async def opened(installation: Installation, issued: IssuedLink) -> Browser:
    unit = await installation.af.page_sessions.prepare_open(installation.af.store, token_of(issued))
    return Browser(installation, *await installation.af.run(unit))


async def allow(installation: Installation, *urls: str) -> None:
    options = EnvironmentOptions(page_redirects=urls)
    installation.environment = await installation.af.run(
        installation.af.environments.update(installation.environment, options=options)
    )


async def state(installation: Installation, link: LinkRecord) -> str:
    found = await installation.af.read(
        installation.af.links.get(installation.environment, link.purpose, link.id)
    )
    return status_of(found, installation.clock.now)


async def test_a_link_is_good_for_ten_minutes_and_its_token_is_not_stored(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    token = token_of(issued)
    assert issued.url == f"http://127.0.0.1:8080/link/{token}"
    assert len(token) == 43
    assert issued.link.expires_at - issued.link.created_at == 10 * MINUTE * 1000
    browser = await opened(installation, issued)
    assert token.encode() not in installation.files()
    assert browser.session.encode() not in installation.files()


async def test_looking_at_a_link_changes_nothing(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    before = await installation.events()
    for _ in range(5):
        seen = await installation.af.read(installation.af.page_sessions.find(token_of(issued)))
        assert seen.link == issued.link
        assert seen.factor is None
    assert await installation.events() == before
    assert await state(installation, issued.link) == "pending"


async def test_of_many_browsers_one_opens_a_link_and_one_factor_is_made(installation: Installation) -> None:
    user = await installation.user()
    issued = await enrollment(installation, user)
    units = [
        await installation.af.page_sessions.prepare_open(installation.af.store, token_of(issued))
        for _ in range(BROWSERS)
    ]
    results = await asyncio.gather(*(installation.af.run(unit) for unit in units), return_exceptions=True)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, errors.LinkUsed) for result in results) == BROWSERS - 1
    factors = await installation.af.read(
        lambda tx: tx.factors.of_user(installation.environment.number, user.id)
    )
    assert len(factors) == 1


async def test_a_link_that_was_opened_is_refused_from_then_on(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    await opened(installation, issued)
    with pytest.raises(errors.LinkUsed):
        await opened(installation, issued)


async def test_a_link_that_nobody_opened_in_time_is_refused(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    late = await installation.af.page_sessions.prepare_open(installation.af.store, token_of(issued))
    installation.clock.advance(10 * MINUTE)
    assert await state(installation, issued.link) == "expired"
    with pytest.raises(errors.LinkExpired):
        await opened(installation, issued)
    # Prepared in time by a clock that stood still until then: the database decides by the time it is told.
    await installation.af.run(late)


async def test_a_link_opened_at_the_last_moment_still_gives_ten_minutes(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    installation.clock.advance(10 * MINUTE - 1)
    browser = await opened(installation, issued)
    installation.clock.advance(10 * MINUTE - 1)
    assert (await browser.answer(await browser.code())) is not None
    installation.clock.advance(1)
    with pytest.raises(errors.LinkExpired):
        await browser.view()


@pytest.mark.parametrize("token", ["", "x", "\0", "é", "A" * 43, "A" * 5000])
async def test_a_made_up_token_leads_nowhere(installation: Installation, token: str) -> None:
    await enrollment(installation, await installation.user())
    with pytest.raises(errors.LinkUnknown):
        await installation.af.read(installation.af.page_sessions.find(token))
    with pytest.raises(errors.LinkUnknown):
        await installation.af.page_sessions.prepare_open(installation.af.store, token)


async def test_only_the_session_that_opened_a_link_sees_it(installation: Installation) -> None:
    mine = await opened(installation, await enrollment(installation, await installation.user()))
    other = await opened(installation, await enrollment(installation, await installation.user()))
    for session in (other.session, "", "x", "\0"):
        thief = Browser(installation, mine.link, session)
        with pytest.raises(errors.LinkUnknown):
            await thief.view()
        with pytest.raises(errors.LinkUnknown):
            await thief.answer("000000")


async def test_the_right_code_confirms_the_factor_and_ends_the_link(installation: Installation) -> None:
    user = await installation.user()
    await allow(installation, APP)
    issued = await enrollment(
        installation, user, return_to=APP, state="a b&c", totp_issuer="Shop", totp_user="me"
    )
    assert issued.link.return_to == f"{APP}?state=a%20b%26c"
    browser = await opened(installation, issued)
    followed = await browser.view()
    assert followed.factor is not None
    assert (followed.factor.issuer, followed.factor.account) == ("Shop", "me")
    assert followed.factor.activated_at is None
    assert await state(installation, issued.link) == "opened"
    verification = await browser.answer(await browser.code())
    assert verification is not None
    assert verification.valid
    followed = await browser.view()
    assert followed.is_done
    assert followed.factor is not None
    assert followed.factor.activated_at == installation.clock.now
    assert await state(installation, issued.link) == "completed"
    assert (await installation.events())[-2:] == ["authfactor.factor_activated", "authfactor.link_completed"]


async def test_the_secret_is_shown_until_the_factor_is_confirmed_and_never_again(
    installation: Installation,
) -> None:
    browser = await opened(installation, await enrollment(installation, await installation.user()))
    assert await browser.secret() == await browser.secret()
    code = await browser.code()
    await browser.answer(code)
    with pytest.raises(errors.LinkUsed):
        await browser.secret()
    assert await browser.answer(code) is None


async def test_a_factor_confirmed_elsewhere_is_not_shown_either(installation: Installation) -> None:
    browser = await opened(installation, await enrollment(installation, await installation.user()))
    code = await browser.code()
    factor = (await browser.view()).factor
    assert factor is not None
    asked = await installation.af.run(installation.af.challenges.create(installation.environment, factor.id))
    assert (await installation.verify(asked, code)).valid
    assert (await browser.view()).is_done
    with pytest.raises(errors.LinkUsed):
        await browser.secret()


async def test_wrong_codes_are_counted_against_the_user_and_lock(installation: Installation) -> None:
    user = await installation.user()
    browser = await opened(installation, await enrollment(installation, user))
    right = await browser.code()
    wrong = "000000" if right != "000000" else "000001"
    for number in range(9):
        verification = await browser.answer(wrong)
        assert verification is not None
        assert verification.locked_until is None, number
    verification = await browser.answer(wrong)
    assert verification is not None
    assert verification.locked_until == installation.clock.now + 15 * MINUTE * 1000
    with pytest.raises(errors.TooManyAttempts) as refused:
        await browser.answer(right)
    assert refused.value.locked_until == verification.locked_until
    assert len((await installation.failures(user.id)).times) == 10


async def test_a_spent_and_a_late_code_are_named(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    browser = await opened(installation, await challenge(installation, user))
    spent = await browser.answer(browser.code_of(enrolled.secret))
    late = await browser.answer(browser.code_of(enrolled.secret, -5))
    assert spent is not None
    assert late is not None
    assert (spent.reason, late.reason) == ("code_already_used", "clock_drift")


async def test_a_challenge_link_takes_a_code_of_the_active_factor_once(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    await installation.answer(enrolled, installation.code(enrolled))
    installation.clock.advance(30)
    issued = await challenge(installation, user)
    assert issued.link.factor_id == enrolled.factor.id
    browser = await opened(installation, issued)
    verification = await browser.answer(installation.code(enrolled))
    assert verification is not None
    assert verification.valid
    assert await state(installation, issued.link) == "completed"
    with pytest.raises(errors.LinkUsed):
        await browser.secret()
    assert await browser.answer(installation.code(enrolled, 1)) is None


async def test_a_challenge_link_ends_with_its_tries(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    await installation.answer(enrolled, installation.code(enrolled))
    installation.clock.advance(30)
    browser = await opened(installation, await challenge(installation, user))
    for left in (4, 3, 2, 1, 0):
        verification = await browser.answer(installation.wrong(enrolled))
        assert verification is not None
        assert verification.attempts_remaining == left
    with pytest.raises(errors.TooManyAttempts):
        await browser.answer(installation.code(enrolled))


async def test_a_challenge_link_needs_an_active_factor_and_says_when_it_is_unclear(
    installation: Installation,
) -> None:
    user = await installation.user()
    with pytest.raises(errors.Conflict) as none_yet:
        await challenge(installation, user)
    assert none_yet.value.code == "no_active_factor"
    pending = await installation.enroll(user)
    with pytest.raises(errors.InvalidRequest) as not_active:
        await challenge(installation, user, factor_id=pending.factor.id)
    assert not_active.value.items[0].code == "factor_not_active"
    first, second = await installation.enroll(user), await installation.enroll(user)
    for enrolled in (first, second):
        assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    with pytest.raises(errors.InvalidRequest) as unclear:
        await challenge(installation, user)
    assert unclear.value.items[0].code == "factor_id_required"
    assert (
        await challenge(installation, user, factor_id=second.factor.id)
    ).link.factor_id == second.factor.id
    somebody = await installation.user()
    with pytest.raises(errors.NotFound):
        await challenge(installation, somebody, factor_id=second.factor.id)


async def test_a_link_leads_only_where_the_environment_allows(installation: Installation) -> None:
    user = await installation.user()
    await allow(installation, APP)
    for url in (f"{APP}/", "https://app.example.org.evil.example", "javascript:alert(1)", APP.upper()):
        with pytest.raises(errors.InvalidRequest) as refused:
            await enrollment(installation, user, return_to=url)
        assert [item.code for item in refused.value.items] == ["return_to_not_allowed"]
    assert (await enrollment(installation, user, return_to=APP)).link.return_to == APP


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example.org/",
        "https://user@app.example.org/",
        "https://app.example.org/#part",
        "https://app.example.org/\r\nset-cookie: x=1",
        "https:///nowhere",
        "myapp://done",
        "",
    ],
)
async def test_a_place_that_is_not_safe_is_not_put_on_the_list(installation: Installation, url: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await allow(installation, url)
    assert refused.value.items[0].code == "page_redirect_invalid"


@pytest.mark.parametrize("url", [APP, "http://127.0.0.1:3000/done?x=1", "org.example.app:/done"])
async def test_a_place_that_is_safe_is(installation: Installation, url: str) -> None:
    await allow(installation, url)
    assert (await enrollment(installation, await installation.user(), return_to=url)).link.return_to == url


async def test_what_is_wrong_with_a_request_is_said_all_at_once(installation: Installation) -> None:
    request = CreateEnrollmentLink(return_to="x", state="s" * 513, totp_issuer="a\nb", totp_user="\u202ec")
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.links.create_enrollment(installation.environment, request)
    assert {item.field for item in refused.value.items} == {
        "user_id",
        "return_to",
        "state",
        "totp_issuer",
        "totp_user",
    }


async def test_an_unknown_user_or_one_of_another_environment_gets_no_link(installation: Installation) -> None:
    user = await installation.user()
    request = CreateEnrollmentLink(user_id=user.id)
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.links.create_enrollment(installation.other, request))


async def test_a_link_of_another_environment_or_purpose_is_an_unknown_one(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    for environment, purpose in ((installation.other, "enrollment"), (installation.environment, "challenge")):
        with pytest.raises(errors.NotFound):
            await installation.af.read(installation.af.links.get(environment, purpose, issued.link.id))  # type: ignore[arg-type]  # one of the two names


async def test_links_of_a_deleted_user_lead_nowhere(installation: Installation) -> None:
    user = await installation.user()
    waiting, browser = (
        await enrollment(installation, user),
        await opened(installation, await enrollment(installation, user)),
    )
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    with pytest.raises(errors.LinkUnknown):
        await opened(installation, waiting)
    with pytest.raises(errors.LinkUnknown):
        await browser.view()


async def test_a_factor_deleted_meanwhile_ends_its_page(installation: Installation) -> None:
    browser = await opened(installation, await enrollment(installation, await installation.user()))
    factor = (await browser.view()).factor
    assert factor is not None
    await installation.af.run(installation.af.factors.delete(installation.environment, factor.id))
    with pytest.raises(errors.LinkUnknown):
        await browser.view()


async def test_enrolments_that_were_given_up_make_room_for_the_next(installation: Installation) -> None:
    user = await installation.user()
    await installation.enroll(user)
    for _ in range(installation.af.settings.max_factors_per_user + 2):
        await opened(installation, await enrollment(installation, user))
        installation.clock.advance(10 * MINUTE)
    factors = await installation.af.read(
        lambda tx: tx.factors.of_user(installation.environment.number, user.id)
    )
    assert len(factors) == 2


async def test_a_factor_too_many_is_refused_and_the_link_stays_good(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(max_factors_per_user=1)
    user = await installation.user()
    enrolled = await installation.enroll(user)
    issued = await enrollment(installation, user)
    with pytest.raises(errors.InvalidRequest):
        await opened(installation, issued)
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled.factor.id))
    assert (await opened(installation, issued)).link.opened_at == installation.clock.now


@pytest.mark.parametrize("base", ["http://mfa.example.org", "http://10.0.0.1:8080", "ftp://127.0.0.1"])
async def test_no_link_is_made_to_pages_that_could_be_listened_to(
    open_installation: "Opener", base: str
) -> None:
    installation: Installation = await open_installation(base_url=base)
    with pytest.raises(errors.Conflict) as refused:
        await enrollment(installation, await installation.user())
    assert refused.value.code == "base_url_not_safe"


async def test_old_links_are_removed(installation: Installation) -> None:
    issued = await enrollment(installation, await installation.user())
    installation.clock.advance(DAY)
    await installation.af.retention.run(installation.af.store)
    assert await state(installation, issued.link) == "expired"
    installation.clock.advance(30 * MINUTE)
    await installation.af.retention.run(installation.af.store)
    with pytest.raises(errors.NotFound):
        await state(installation, issued.link)
