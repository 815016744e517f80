"""Links to hosted pages: opened once, bound to a page session, for enrollments and challenges."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions, LinkRecord, UserRecord, Verification
from authfactor.otp import base32, totp
from authfactor.rules.links.links import IssuedLink
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession
from authfactor.wire.links import CreateChallengeLink, CreateEnrollmentLink, CreateFactorsLink, status_of
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


async def enrollment_link(installation: Installation, user: UserRecord, **fields: str) -> IssuedLink:
    request = CreateEnrollmentLink(user_id=user.id, **fields)
    return await installation.af.run(
        installation.af.links.create_enrollment(installation.environment, request)
    )


async def challenge_link(installation: Installation, user: UserRecord, **fields: Any) -> IssuedLink:  # noqa: ANN401 - any field
    request = CreateChallengeLink(user_id=user.id, **fields)
    return await installation.af.run(
        installation.af.links.create_challenge(installation.environment, request)
    )


async def open_link(installation: Installation, issued: IssuedLink) -> Browser:
    unit = await installation.af.page_sessions.prepare_open(installation.af.store, token_of(issued))
    return Browser(installation, *await installation.af.run(unit))


async def allow_redirects(installation: Installation, *urls: str) -> None:
    options = EnvironmentOptions(page_redirects=urls)
    installation.environment = await installation.af.run(
        installation.af.environments.update(installation.environment, options=options)
    )


async def status(installation: Installation, link: LinkRecord) -> str:
    found = await installation.af.read(
        installation.af.links.get(installation.environment, link.purpose, link.id)
    )
    return status_of(found, installation.clock.now)


async def test_link_lasts_ten_minutes_and_its_token_is_not_stored(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    token = token_of(issued)
    assert issued.url == f"http://127.0.0.1:8080/link/{token}"
    assert len(token) == 43
    assert issued.link.expires_at - issued.link.created_at == 10 * MINUTE * 1000
    browser = await open_link(installation, issued)
    assert token.encode() not in installation.files()
    assert browser.session.encode() not in installation.files()


async def test_reading_a_link_changes_nothing(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    before = await installation.events()
    for _ in range(5):
        found = await installation.af.read(installation.af.page_sessions.find(token_of(issued)))
        assert found.link == issued.link
        assert found.factor is None
    assert await installation.events() == before
    assert await status(installation, issued.link) == "pending"


async def test_only_one_of_many_browsers_opens_a_link(installation: Installation) -> None:
    user = await installation.user()
    issued = await enrollment_link(installation, user)
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


async def test_second_opening_of_a_link_is_refused(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    await open_link(installation, issued)
    with pytest.raises(errors.LinkUsed):
        await open_link(installation, issued)


async def test_link_not_opened_in_time_is_refused(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    prepared = await installation.af.page_sessions.prepare_open(installation.af.store, token_of(issued))
    installation.clock.advance(10 * MINUTE)
    assert await status(installation, issued.link) == "expired"
    with pytest.raises(errors.LinkExpired):
        await open_link(installation, issued)
    # A unit uses the time of its preparation, which was before the expiry.
    await installation.af.run(prepared)


async def test_link_opened_at_the_last_moment_lasts_ten_more_minutes(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    installation.clock.advance(10 * MINUTE - 1)
    browser = await open_link(installation, issued)
    installation.clock.advance(10 * MINUTE - 1)
    assert (await browser.answer(await browser.code())) is not None
    installation.clock.advance(1)
    with pytest.raises(errors.LinkExpired):
        await browser.view()


@pytest.mark.parametrize("token", ["", "x", "\0", "é", "A" * 43, "A" * 5000])
async def test_invented_link_token_is_unknown(installation: Installation, token: str) -> None:
    await enrollment_link(installation, await installation.user())
    with pytest.raises(errors.LinkUnknown):
        await installation.af.read(installation.af.page_sessions.find(token))
    with pytest.raises(errors.LinkUnknown):
        await installation.af.page_sessions.prepare_open(installation.af.store, token)


async def test_only_the_session_that_opened_a_link_can_view_it(installation: Installation) -> None:
    mine = await open_link(installation, await enrollment_link(installation, await installation.user()))
    other = await open_link(installation, await enrollment_link(installation, await installation.user()))
    for session in (other.session, "", "x", "\0"):
        attacker = Browser(installation, mine.link, session)
        with pytest.raises(errors.LinkUnknown):
            await attacker.view()
        with pytest.raises(errors.LinkUnknown):
            await attacker.answer("000000")


async def test_right_code_activates_the_factor_and_completes_the_link(installation: Installation) -> None:
    user = await installation.user()
    await allow_redirects(installation, APP)
    issued = await enrollment_link(
        installation, user, return_to=APP, state="a b&c", totp_issuer="Shop", totp_user="me"
    )
    assert issued.link.return_to == f"{APP}?state=a%20b%26c"
    browser = await open_link(installation, issued)
    page = await browser.view()
    assert page.factor is not None
    assert (page.factor.issuer, page.factor.account) == ("Shop", "me")
    assert page.factor.activated_at is None
    assert await status(installation, issued.link) == "opened"
    verification = await browser.answer(await browser.code())
    assert verification is not None
    assert verification.valid
    page = await browser.view()
    assert page.is_done
    assert page.factor is not None
    assert page.factor.activated_at == installation.clock.now
    assert await status(installation, issued.link) == "completed"
    assert (await installation.events())[-2:] == ["authfactor.factor_activated", "authfactor.link_completed"]


async def test_secret_is_shown_only_until_the_factor_is_confirmed(
    installation: Installation,
) -> None:
    browser = await open_link(installation, await enrollment_link(installation, await installation.user()))
    assert await browser.secret() == await browser.secret()
    code = await browser.code()
    await browser.answer(code)
    with pytest.raises(errors.LinkUsed):
        await browser.secret()
    assert await browser.answer(code) is None


async def test_secret_of_a_factor_confirmed_elsewhere_is_not_shown(installation: Installation) -> None:
    browser = await open_link(installation, await enrollment_link(installation, await installation.user()))
    code = await browser.code()
    factor = (await browser.view()).factor
    assert factor is not None
    challenge_elsewhere = await installation.af.run(
        installation.af.challenges.create(installation.environment, factor.id)
    )
    assert (await installation.verify(challenge_elsewhere, code)).valid
    assert (await browser.view()).is_done
    with pytest.raises(errors.LinkUsed):
        await browser.secret()


async def test_wrong_codes_on_a_link_lock_the_user(installation: Installation) -> None:
    user = await installation.user()
    browser = await open_link(installation, await enrollment_link(installation, user))
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


async def test_used_and_late_codes_have_their_own_reasons(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    browser = await open_link(installation, await challenge_link(installation, user))
    used = await browser.answer(browser.code_of(enrolled.secret))
    late = await browser.answer(browser.code_of(enrolled.secret, -5))
    assert used is not None
    assert late is not None
    assert (used.reason, late.reason) == ("code_already_used", "clock_drift")


async def test_challenge_link_accepts_one_code_of_the_active_factor(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    await installation.answer(enrolled, installation.code(enrolled))
    installation.clock.advance(30)
    issued = await challenge_link(installation, user)
    assert issued.link.factor_id == enrolled.factor.id
    browser = await open_link(installation, issued)
    verification = await browser.answer(installation.code(enrolled))
    assert verification is not None
    assert verification.valid
    assert await status(installation, issued.link) == "completed"
    with pytest.raises(errors.LinkUsed):
        await browser.secret()
    assert await browser.answer(installation.code(enrolled, 1)) is None


async def test_challenge_link_refuses_codes_after_five_attempts(installation: Installation) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    await installation.answer(enrolled, installation.code(enrolled))
    installation.clock.advance(30)
    browser = await open_link(installation, await challenge_link(installation, user))
    for left in (4, 3, 2, 1, 0):
        verification = await browser.answer(installation.wrong(enrolled))
        assert verification is not None
        assert verification.attempts_remaining == left
    with pytest.raises(errors.TooManyAttempts):
        await browser.answer(installation.code(enrolled))


async def test_challenge_link_requires_an_unambiguous_active_factor(
    installation: Installation,
) -> None:
    user = await installation.user()
    with pytest.raises(errors.Conflict) as none_yet:
        await challenge_link(installation, user)
    assert none_yet.value.code == "no_active_factor"
    pending = await installation.enroll(user)
    with pytest.raises(errors.InvalidRequest) as not_active:
        await challenge_link(installation, user, factor_id=pending.factor.id)
    assert not_active.value.items[0].code == "factor_not_active"
    first, second = await installation.enroll(user), await installation.enroll(user)
    for enrolled in (first, second):
        assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    with pytest.raises(errors.InvalidRequest) as ambiguous:
        await challenge_link(installation, user)
    assert ambiguous.value.items[0].code == "factor_id_required"
    assert (
        await challenge_link(installation, user, factor_id=second.factor.id)
    ).link.factor_id == second.factor.id
    other_user = await installation.user()
    with pytest.raises(errors.NotFound):
        await challenge_link(installation, other_user, factor_id=second.factor.id)


async def test_return_url_that_the_environment_does_not_allow_is_refused(installation: Installation) -> None:
    user = await installation.user()
    await allow_redirects(installation, APP)
    for url in (f"{APP}/", "https://app.example.org.evil.example", "javascript:alert(1)", APP.upper()):
        with pytest.raises(errors.InvalidRequest) as refused:
            await enrollment_link(installation, user, return_to=url)
        assert [item.code for item in refused.value.items] == ["return_to_not_allowed"]
    assert (await enrollment_link(installation, user, return_to=APP)).link.return_to == APP


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
        "https://[",
        "https://[app.example.org]/",
        "",
    ],
)
async def test_unsafe_redirect_url_cannot_be_allowed(installation: Installation, url: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await allow_redirects(installation, url)
    assert refused.value.items[0].code == "page_redirect_invalid"


@pytest.mark.parametrize("url", [APP, "http://127.0.0.1:3000/done?x=1", "org.example.app:/done"])
async def test_safe_redirect_url_can_be_allowed(installation: Installation, url: str) -> None:
    await allow_redirects(installation, url)
    assert (
        await enrollment_link(installation, await installation.user(), return_to=url)
    ).link.return_to == url


async def test_all_problems_of_a_link_request_are_reported_together(installation: Installation) -> None:
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


async def test_link_for_a_user_of_another_environment_is_refused(installation: Installation) -> None:
    user = await installation.user()
    links, other = installation.af.links, installation.other
    for unit in (
        links.create_enrollment(other, CreateEnrollmentLink(user_id=user.id)),
        links.create_challenge(other, CreateChallengeLink(user_id=user.id)),
        links.create_factors(other, CreateFactorsLink(user_id=user.id)),
    ):
        with pytest.raises(errors.NotFound) as refusal:
            await installation.af.run(unit)
        assert refusal.value.kind == "User"


async def test_link_of_another_environment_or_purpose_is_not_found(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    for environment, purpose in ((installation.other, "enrollment"), (installation.environment, "challenge")):
        with pytest.raises(errors.NotFound):
            await installation.af.read(installation.af.links.get(environment, purpose, issued.link.id))  # type: ignore[arg-type]  # one of the two names


async def test_links_of_a_deleted_user_are_unknown(installation: Installation) -> None:
    user = await installation.user()
    unopened, browser = (
        await enrollment_link(installation, user),
        await open_link(installation, await enrollment_link(installation, user)),
    )
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    with pytest.raises(errors.LinkUnknown):
        await open_link(installation, unopened)
    with pytest.raises(errors.LinkUnknown):
        await browser.view()


async def test_page_of_a_deleted_factor_is_unknown(installation: Installation) -> None:
    browser = await open_link(installation, await enrollment_link(installation, await installation.user()))
    factor = (await browser.view()).factor
    assert factor is not None
    await installation.af.run(installation.af.factors.delete(installation.environment, factor.id))
    with pytest.raises(errors.LinkUnknown):
        await browser.view()


async def test_abandoned_link_enrollments_do_not_use_up_the_factor_limit(installation: Installation) -> None:
    user = await installation.user()
    await installation.enroll(user)
    for _ in range(installation.af.settings.max_factors_per_user + 2):
        await open_link(installation, await enrollment_link(installation, user))
        installation.clock.advance(10 * MINUTE)
    factors = await installation.af.read(
        lambda tx: tx.factors.of_user(installation.environment.number, user.id)
    )
    assert len(factors) == 2


async def test_link_stays_valid_after_the_factor_limit_refused_it(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(max_factors_per_user=1)
    user = await installation.user()
    enrolled = await installation.enroll(user)
    issued = await enrollment_link(installation, user)
    with pytest.raises(errors.InvalidRequest):
        await open_link(installation, issued)
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled.factor.id))
    assert (await open_link(installation, issued)).link.opened_at == installation.clock.now


@pytest.mark.parametrize("base", ["http://mfa.example.org", "http://10.0.0.1:8080", "ftp://127.0.0.1"])
async def test_link_with_an_insecure_base_url_is_refused(open_installation: "Opener", base: str) -> None:
    installation: Installation = await open_installation(base_url=base)
    with pytest.raises(errors.Conflict) as refused:
        await enrollment_link(installation, await installation.user())
    assert refused.value.code == "base_url_not_safe"


async def test_retention_removes_expired_links(installation: Installation) -> None:
    issued = await enrollment_link(installation, await installation.user())
    installation.clock.advance(DAY)
    await installation.af.retention.run(installation.af.store)
    assert await status(installation, issued.link) == "expired"
    installation.clock.advance(30 * MINUTE)
    await installation.af.retention.run(installation.af.store)
    with pytest.raises(errors.NotFound):
        await status(installation, issued.link)


@pytest.mark.parametrize("kind", ["enrollment", "challenge"])
async def test_what_cannot_be_a_code_uses_no_attempt_of_a_link(installation: Installation, kind: str) -> None:
    user = await installation.user()
    if kind == "challenge":
        enrolled = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        browser = await open_link(installation, await challenge_link(installation, user))
        code = installation.code(enrolled)
    else:
        browser = await open_link(installation, await enrollment_link(installation, user))
        code = await browser.code()
    for malformed in ("", "12345", "abcdef", "9" * 100) * 5:
        outcome = await browser.answer(malformed)
        assert outcome is not None
        assert (outcome.valid, outcome.reason, outcome.attempts_remaining) == (False, "code_malformed", 5)
    assert (await installation.failures(user.id)).times == ()
    outcome = await browser.answer(code)
    assert outcome is not None
    assert outcome.valid
