"""Passkeys on the pages behind links: instead of a code, instead of an app; when a browser may delete one."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pytest

from authfactor import errors
from authfactor.errors import InvalidRequest
from authfactor.models import Enrollment, EnvironmentOptions, LinkRecord, UserRecord
from authfactor.rules.factors.passkeys import PasskeyRegistration
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired
from authfactor.rules.links.factor_pages import CONFIRMATION_LIFE
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession
from authfactor.rules.links.passkey_enrollment import PasskeyStep
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from authfactor.webauthn import base64url
from authfactor.wire.links import CreateChallengeLink, CreateEnrollmentLink
from authfactor.wire.requests import CreateUser
from tests.support.installation import Installation, Opener
from tests.support.passkey_users import ORIGIN, authenticator, register

BROWSERS: Final = 50


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN, link_life=3600)
    return opened


@dataclass
class Page:
    """The page of a link in the browser that opened it."""

    site: Installation
    link: LinkRecord
    secret: str

    async def view(self) -> PageSession:
        return await self.site.af.read(self.site.af.page_sessions.view(self.link.id, self.secret))

    async def options(self) -> dict[str, Any]:
        found = (await self.view()).passkey_options
        assert found is not None
        return found

    async def answer(self, text: str) -> CodeOutcome:
        return await self.site.af.run(self.site.af.page_sessions.verify(self.link.id, self.secret, text))

    async def sign(self, device: SoftwareAuthenticator, behavior: Behavior = HONEST) -> str:
        return json.dumps(device.get(await self.options(), ORIGIN, behavior))

    async def begin(self) -> PasskeyStep:
        return await self.site.af.run(self.site.af.passkey_enrollment.begin(self.link.id, self.secret))

    async def registration(self) -> PasskeyRegistration:
        begun = (await self.begin()).registration
        assert begun is not None
        return begun

    async def confirm(self, text: str, factor_id: str = "") -> CodeOutcome:
        unit = self.site.af.passkey_enrollment.confirm(self.link.id, self.secret, factor_id, text)
        return await self.site.af.run(unit)

    async def finish(
        self, begun: PasskeyRegistration, credential: dict[str, Any], name: str = ""
    ) -> PageSession:
        body = json.dumps(credential).encode()
        unit = self.site.af.passkey_enrollment.finish(self.link.id, self.secret, begun.id, name, body)
        return await self.site.af.run(unit)

    async def status(self) -> LinkRecord:
        purpose = self.link.purpose
        return await self.site.af.read(self.site.af.links.get(self.site.environment, purpose, self.link.id))


async def open_page(site: Installation, request: CreateChallengeLink | CreateEnrollmentLink) -> Page:
    links = site.af.links
    make = links.create_challenge if isinstance(request, CreateChallengeLink) else links.create_enrollment
    issued = await site.af.run(make(site.environment, request))  # type: ignore[arg-type]  # by its type
    token = issued.url.rpartition("/")[2]
    opened = await site.af.run(await site.af.page_sessions.prepare_open(site.af.store, token))
    return Page(site, *opened)


async def challenge_page(site: Installation, user: UserRecord, **fields: Any) -> Page:  # noqa: ANN401 - any field
    return await open_page(site, CreateChallengeLink(user_id=user.id, **fields))


async def enrollment_page(site: Installation, user: UserRecord) -> Page:
    return await open_page(site, CreateEnrollmentLink(user_id=user.id))


async def with_app(site: Installation, user: UserRecord) -> Enrollment:
    enrolled = await site.enroll(user)
    assert (await site.answer(enrolled, site.code(enrolled))).valid
    site.clock.now += 60_000
    return enrolled


async def set_options(site: Installation, webauthn: dict[str, Any]) -> None:
    """Write an environment's options as the database has them."""
    options = msgspec.json.encode(EnvironmentOptions(webauthn=webauthn)).decode()
    site.environment = msgspec.structs.replace(site.environment, options=options)
    site.sql("UPDATE environments SET options = $1 WHERE number = $2", options, site.environment.number)


async def test_a_page_that_asks_for_a_code_takes_a_passkey_or_the_code(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    enrolled = await with_app(site, user)
    assert (await (await challenge_page(site, user)).view()).passkey_options is None
    made = await register(site, user, device)
    page = await challenge_page(site, user)
    assert page.link.factor_id == enrolled.factor.id
    outcome = await page.answer(await page.sign(device))
    assert outcome.verification is not None
    assert outcome.verification.valid
    done = await page.status()
    assert (done.completed_at, done.method) == (site.clock.now, "webauthn")
    assert (await page.view()).passkey_options is None
    (used,) = site.sql("SELECT sign_count FROM passkeys WHERE factor_id = $1", made.factor.id)
    assert used == (made.passkey.sign_count + 1,)
    page = await challenge_page(site, user)
    outcome = await page.answer(site.code(enrolled))
    assert outcome.verification is not None
    assert outcome.verification.valid
    assert (await page.status()).method == "totp"


async def test_a_user_without_an_app_is_asked_for_a_passkey(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    made = await register(site, user, device)
    page = await challenge_page(site, user)
    assert page.link.factor_id == made.factor.id
    refused = await page.answer("123456")
    assert refused.verification is not None
    assert refused.verification.reason == "code_malformed"
    outcome = await page.answer(await page.sign(device))
    assert outcome.verification is not None
    assert outcome.verification.valid
    named = await challenge_page(site, user, factor_id=made.factor.id)
    assert named.link.factor_id == made.factor.id


@pytest.mark.parametrize(
    "settings",
    [
        {"rp_id": "example.org", "origins": ["https://app.example.org"]},
        {"rp_id": "auth.example.org", "origins": [f"{ORIGIN}:8443"]},
        {"rp_id": "example.org", "origins": [ORIGIN]},
    ],
    ids=["another origin", "another port", "another RP ID"],
)
async def test_a_page_whose_origin_is_not_listed_asks_for_no_passkey(
    site: Installation, settings: dict[str, Any]
) -> None:
    user, alone, device = await site.user(), await site.user("b@example.org"), authenticator()
    made = await register(site, user, device)
    await register(site, alone, authenticator(2))
    await with_app(site, user)
    before = await challenge_page(site, user)
    sent = await before.sign(device)
    await set_options(site, settings)
    page = await challenge_page(site, user)
    assert (await page.view()).passkey_options is None
    with pytest.raises(InvalidRequest) as caught:
        await challenge_page(site, user, factor_id=made.factor.id)
    assert [item.code for item in caught.value.items] == ["factor_type_not_supported"]
    with pytest.raises(errors.Conflict) as none:
        await challenge_page(site, alone)
    assert none.value.code == "no_active_factor"
    outcome = await before.answer(sent)
    assert outcome.verification is not None
    assert not outcome.verification.valid
    if ORIGIN not in settings["origins"]:
        enrolling = await enrollment_page(site, user)
        step = await enrolling.begin()
        assert (step.registration, step.asks_for_proof) == (None, False)


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        (Behavior(origin="https://evil.example"), "webauthn_origin_mismatch"),
        (Behavior(origin=f"https://sub.{ORIGIN.removeprefix('https://')}"), "webauthn_origin_mismatch"),
        (Behavior(cross_origin=True), "webauthn_cross_origin"),
        (Behavior(user_present=False), "webauthn_user_not_present"),
        (Behavior(challenge=bytes(32)), "webauthn_challenge_mismatch"),
        (Behavior(type="webauthn.create"), "webauthn_type_mismatch"),
    ],
)
async def test_a_refused_passkey_completes_no_link_and_stays_in_the_browser(
    site: Installation, behavior: Behavior, reason: str
) -> None:
    user, device = await site.user(), authenticator()
    await with_app(site, user)
    await register(site, user, device)
    page = await challenge_page(site, user)
    outcome = await page.answer(await page.sign(device, behavior))
    assert outcome.verification is not None
    assert (outcome.verification.valid, outcome.verification.reason) == (False, reason)
    assert outcome.page_session.unknown_passkey is None
    assert outcome.page_session.passkey_options is not None
    assert (await page.status()).completed_at is None
    assert (await site.failures(user.id)).times == ()


async def test_browsers_remove_only_a_passkey_that_no_environment_knows(site: Installation) -> None:
    user, other, device, theirs = (
        await site.user(),
        await site.user("b@example.org"),
        authenticator(),
        authenticator(2),
    )
    await register(site, user, authenticator(3))
    made = await register(site, user, device)
    await register(site, other, theirs)
    stranger = await site.af.run(
        await site.af.users.prepare_create(site.other, CreateUser(email="c@example.org"))
    )
    abroad = authenticator(4)
    await register(site, stranger, abroad, environment=site.other)
    page = await challenge_page(site, user)
    options = await page.options() | {"allowCredentials": []}
    for one, reason in ((theirs, "webauthn_credential_not_allowed"), (abroad, "webauthn_credential_unknown")):
        outcome = await page.answer(json.dumps(one.get(options, ORIGIN, HONEST)))
        assert outcome.verification is not None
        assert outcome.verification.reason == reason
        assert outcome.page_session.unknown_passkey is None
    sent = await page.sign(device)
    await site.af.run(site.af.factors.delete(site.environment, made.factor.id))
    unknown = (await page.answer(sent)).page_session.unknown_passkey
    assert unknown == ("auth.example.org", base64url.encode(made.passkey.credential_id))


async def test_the_passkey_of_another_user_completes_no_link(site: Installation) -> None:
    user, other, device, theirs = (
        await site.user(),
        await site.user("b@example.org"),
        authenticator(),
        authenticator(2),
    )
    await with_app(site, user)
    await register(site, user, device)
    await register(site, other, theirs)
    page = await challenge_page(site, user)
    options = await page.options() | {"allowCredentials": []}
    outcome = await page.answer(json.dumps(theirs.get(options, ORIGIN, HONEST)))
    assert outcome.verification is not None
    assert outcome.verification.reason == "webauthn_credential_not_allowed"
    mine = await challenge_page(site, user)
    other_page = await challenge_page(site, other)
    crossed = await other_page.answer(await mine.sign(device))
    assert crossed.verification is not None
    assert crossed.verification.reason == "webauthn_challenge_mismatch"


async def test_of_fifty_browsers_with_one_assertion_one_completes_the_link(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    await with_app(site, user)
    await register(site, user, device)
    page = await challenge_page(site, user)
    sent = await page.sign(device)
    done = await asyncio.gather(*(page.answer(sent) for _ in range(BROWSERS)), return_exceptions=True)
    right = [
        each
        for each in done
        if isinstance(each, CodeOutcome) and each.verification is not None and each.verification.valid
    ]
    assert len(right) == 1
    assert (await site.events()).count("authfactor.link_completed") == 1


async def test_an_api_challenge_of_an_app_takes_no_passkey(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    enrolled = await with_app(site, user)
    await register(site, user, device)
    page = await challenge_page(site, user)
    sent = await page.sign(device)
    assert page.link.factor_id == enrolled.factor.id
    (challenge_id,) = site.sql("SELECT challenge_id FROM links WHERE id = $1", page.link.id)[0]
    unit = site.af.challenges.verify(site.environment, str(challenge_id), sent)
    assert (await site.af.run(unit)).reason == "code_malformed"


async def test_a_locked_user_still_comes_in_with_a_passkey(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    enrolled = await with_app(site, user)
    await register(site, user, device)
    for _ in range(10):
        await site.answer(enrolled, site.wrong(enrolled))
    assert (await site.failures(user.id)).locked_until
    page = await challenge_page(site, user)
    with pytest.raises(errors.TooManyAttempts):
        await page.answer(site.code(enrolled))
    outcome = await page.answer(await page.sign(device))
    assert outcome.verification is not None
    assert outcome.verification.valid


async def test_the_first_passkey_takes_the_place_of_the_app(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    page = await enrollment_page(site, user)
    pending = page.link.factor_id
    begun = await page.registration()
    done = await page.finish(begun, device.create(begun.public_key, ORIGIN, HONEST), " Work\nlaptop\x07 ")
    assert done.offers_codes
    (factor,) = await site.af.read(site.af.factors.of_user(site.environment, user.id))
    assert factor.id == done.link.factor_id != pending
    assert (factor.is_totp, factor.activated_at) == (False, site.clock.now)
    details = site.sql("SELECT name FROM factors WHERE id = $1", factor.id)
    assert details == [("Worklaptop",)]
    assert (done.link.method, done.link.completed_at) == ("webauthn", site.clock.now)
    events = await site.events()
    assert events.count("authfactor.link_completed") == 1
    assert events.count("authfactor.factor_activated") == 1
    again = await page.finish(
        begun, device.create(begun.public_key | {"excludeCredentials": []}, ORIGIN, HONEST)
    )
    assert again.link.factor_id == factor.id
    assert (await page.begin()).registration is None


async def test_a_refused_registration_leaves_the_app_and_the_link_open(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    page = await enrollment_page(site, user)
    begun = await page.registration()
    with pytest.raises(InvalidRequest) as caught:
        await page.finish(
            begun, device.create(begun.public_key, ORIGIN, Behavior(origin="https://evil.example"))
        )
    assert [item.code for item in caught.value.items] == ["webauthn_origin_mismatch"]
    (factor,) = await site.af.read(site.af.factors.of_user(site.environment, user.id))
    assert (factor.id, factor.activated_at) == (page.link.factor_id, None)
    secret = site.af.page_sessions.secret_of(await page.view())
    assert secret.text
    await page.finish(begun, authenticator(2).create(begun.public_key, ORIGIN, HONEST))
    assert (await page.status()).completed_at == site.clock.now


async def test_a_link_alone_registers_no_passkey_beside_an_active_factor(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    enrolled = await with_app(site, user)
    page = await enrollment_page(site, user)
    step = await page.begin()
    assert (step.registration, step.passkey_options, step.asks_for_proof) == (None, None, True)
    stolen = await site.af.run(site.af.passkeys.begin(site.environment, user.id))
    with pytest.raises(ConfirmationRequired):
        await page.finish(stolen, device.create(stolen.public_key, ORIGIN, HONEST))
    wrong = await page.confirm(site.wrong(enrolled))
    assert wrong.verification is not None
    assert not wrong.verification.valid
    assert (await page.begin()).asks_for_proof
    right = await page.confirm(site.code(enrolled), enrolled.factor.id)
    assert right.verification is not None
    assert right.verification.valid
    begun = await page.registration()
    site.clock.now += CONFIRMATION_LIFE
    with pytest.raises(ConfirmationRequired):
        await page.finish(begun, device.create(begun.public_key, ORIGIN, HONEST))
    site.clock.now -= 1
    await page.finish(begun, authenticator(2).create(begun.public_key, ORIGIN, HONEST))
    assert len(await site.af.read(site.af.factors.of_user(site.environment, user.id))) == 2


async def test_a_factor_that_became_active_meanwhile_has_to_be_proven(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    page = await enrollment_page(site, user)
    begun = await page.registration()
    await with_app(site, user)
    with pytest.raises(ConfirmationRequired):
        await page.finish(begun, device.create(begun.public_key, ORIGIN, HONEST))


async def test_an_existing_passkey_proves_it_too_and_is_not_made_twice(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    made = await register(site, user, device)
    page = await enrollment_page(site, user)
    step = await page.begin()
    assert step.passkey_options is not None
    refused = await page.confirm("{}")
    assert refused.verification is not None
    assert refused.verification.reason == "webauthn_response_malformed"
    with pytest.raises(errors.NotFound):
        await page.confirm("123456", "auth_factor_unknown")
    sent = json.dumps(device.get(step.passkey_options, ORIGIN, HONEST))
    proven = await page.confirm(sent)
    assert proven.verification is not None
    assert proven.verification.valid
    assert (await page.confirm(sent)).verification is None
    begun = await page.registration()
    (excluded,) = begun.public_key["excludeCredentials"]
    assert excluded["id"] == base64url.encode(made.passkey.credential_id)


async def test_proving_a_factor_does_not_confirm_the_app_that_waits(site: Installation) -> None:
    user = await site.user()
    enrolled = await with_app(site, user)
    page = await enrollment_page(site, user)
    await page.begin()
    # The code of the active app, at the place for the first code of the new one.
    wrong = await page.answer(site.code(enrolled))
    assert wrong.verification is not None
    assert not wrong.verification.valid
    assert (await page.status()).completed_at is None
    right = await page.confirm(site.code(enrolled, 1))
    assert right.verification is not None
    assert right.verification.valid
    outcome = await page.answer(site.code(enrolled, 1))
    assert outcome.verification is not None
    assert not outcome.verification.valid
    assert (await page.status()).completed_at is None


async def test_an_enrollment_takes_no_assertion_for_the_apps_first_code(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    await register(site, user, device)
    page = await enrollment_page(site, user)
    step = await page.begin()
    assert step.passkey_options is not None
    outcome = await page.answer(json.dumps(device.get(step.passkey_options, ORIGIN, HONEST)))
    assert outcome.verification is not None
    assert outcome.verification.reason == "code_malformed"
    assert (await page.status()).completed_at is None


async def test_another_browser_and_another_purpose_see_no_step(site: Installation) -> None:
    user = await site.user()
    await with_app(site, user)
    page = await enrollment_page(site, user)
    for wrong in (Page(site, page.link, "guessed"), await challenge_page(site, user)):
        with pytest.raises(errors.LinkUnknown):
            await wrong.begin()
    site.clock.now += 24 * 3_600_000
    with pytest.raises(errors.LinkExpired):
        await page.begin()


async def test_of_fifty_browsers_with_one_response_one_registers_a_passkey(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    page = await enrollment_page(site, user)
    begun = await page.registration()
    made = device.create(begun.public_key, ORIGIN, HONEST)
    done = await asyncio.gather(*(page.finish(begun, made) for _ in range(BROWSERS)), return_exceptions=True)
    assert any(isinstance(each, PageSession) for each in done)
    assert site.sql("SELECT COUNT(*) FROM passkeys") == [(1,)]
    assert (await site.events()).count("authfactor.link_completed") == 1


async def test_the_waiting_app_does_not_count_for_the_limit_of_factors(site: Installation) -> None:
    user, device = await site.user(), authenticator()
    for _ in range(site.af.settings.max_factors_per_user - 1):
        await site.enroll(user)
    page = await enrollment_page(site, user)
    begun = await page.registration()
    await page.finish(begun, device.create(begun.public_key, ORIGIN, HONEST))


async def test_a_page_whose_challenge_or_factor_is_gone_asks_for_nothing(site: Installation) -> None:
    user = await site.user()
    await register(site, user, authenticator())
    page = await challenge_page(site, user)
    site.sql("DELETE FROM challenges")
    assert (await page.view()).passkey_options is None
    enrolling = await enrollment_page(site, user)
    site.sql("DELETE FROM factors WHERE activated_at IS NULL")
    with pytest.raises(errors.LinkUnknown):
        await enrolling.begin()
