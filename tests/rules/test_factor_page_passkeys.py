"""Passkeys on the users' own page: added after a proof, removed by the last-factor rule, used to confirm."""

import asyncio
import json
from typing import Any, Final

import pytest

from authfactor import errors
from authfactor.models import Verification
from authfactor.rules.factors.passkeys import LIFE_MS, PasskeyRegistration
from authfactor.rules.links.factor_page_passkeys import PagePasskeys
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired, LastFactor
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from tests.rules.test_factor_pages import Visit, active, visit
from tests.support.clock import MINUTE
from tests.support.installation import Installation, Opener
from tests.support.passkey_users import ORIGIN, authenticator, register

AT_ONCE: Final = 50


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN)
    return opened


@pytest.fixture
def laptop() -> SoftwareAuthenticator:
    return authenticator(21)


async def do(at: Visit, unit_name: str, *given: object) -> Any:  # noqa: ANN401 - any unit's
    prepare = getattr(at.installation.af.factor_page_passkeys, unit_name)
    return await at.installation.af.run(prepare(at.link_id, at.secret, *given))


async def known(at: Visit) -> PagePasskeys:
    found: PagePasskeys = await do(at, "view")
    return found


def made(begun: PasskeyRegistration, device: SoftwareAuthenticator) -> str:
    return json.dumps(device.create(begun.public_key, ORIGIN))


async def add(at: Visit, device: SoftwareAuthenticator) -> None:
    _, begun = await do(at, "start_adding")
    await do(at, "finish_adding", begun.id, made(begun, device))


async def confirm(
    at: Visit, device: SoftwareAuthenticator, behavior: Behavior = HONEST
) -> Verification | None:
    options = await do(at, "ask")
    outcome = await do(at, "confirm", json.dumps(device.get(options, ORIGIN, behavior)))
    verification: Verification | None = outcome.verification
    return verification


async def test_the_first_passkey_is_added_on_the_link_alone_and_confirms_what_follows(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    at = await visit(site, await site.user())
    assert (await known(at)).handle is None
    await add(at, laptop)
    [passkey] = (await known(at)).passkeys.values()
    assert passkey.user_id == at.user.id
    assert (await at.view()).is_confirmed
    assert await do(at, "ask") is None


async def test_a_passkey_beside_an_active_factor_needs_a_proof_of_it_at_both_steps(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    user = await site.user()
    early = await visit(site, user)
    _, begun = await do(early, "start_adding")
    app = await active(site, user)
    with pytest.raises(ConfirmationRequired):
        await do(early, "start_adding")
    with pytest.raises(ConfirmationRequired):
        await do(early, "finish_adding", begun.id, made(begun, laptop))
    confirmed = await early.confirm(app)
    assert confirmed is not None
    assert confirmed.valid
    await do(early, "finish_adding", begun.id, made(begun, laptop))
    assert len((await known(early)).passkeys) == 1


async def test_any_passkey_of_the_user_confirms_for_ten_minutes_in_this_page_session(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    user, phone = await site.user(), authenticator(22)
    await register(site, user, laptop)
    await register(site, user, phone)
    at, other = await visit(site, user), await visit(site, user)
    outcome = await confirm(at, phone)
    assert outcome is not None
    assert outcome.valid
    assert (await at.view()).is_confirmed
    assert not (await other.view()).is_confirmed
    site.clock.advance(10 * MINUTE)
    assert not (await at.view()).is_confirmed


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        (Behavior(challenge=bytes(32)), "webauthn_challenge_mismatch"),
        (Behavior(origin="https://evil.example.org"), "webauthn_origin_mismatch"),
        (Behavior(user_present=False), "webauthn_user_not_present"),
    ],
)
async def test_a_wrong_passkey_confirms_nothing_and_locks_no_user(
    site: Installation, laptop: SoftwareAuthenticator, behavior: Behavior, reason: str
) -> None:
    user = await site.user()
    await register(site, user, laptop)
    at = await visit(site, user)
    for _ in range(12):
        outcome = await confirm(at, laptop, behavior)
        assert outcome is not None
        assert outcome.reason == reason
    assert not (await at.view()).is_confirmed
    assert (await site.failures(user.id)).in_a_row == 0
    outcome = await confirm(at, laptop)
    assert outcome is not None
    assert outcome.valid


async def test_a_passkey_of_another_user_confirms_nothing(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    user, thief = await site.user(), authenticator(23)
    await register(site, user, laptop)
    await register(site, await site.user(), thief)
    at = await visit(site, user)
    options = await do(at, "ask")
    assert len(options["allowCredentials"]) == 1
    outcome = await do(at, "confirm", json.dumps(thief.get({**options, "allowCredentials": []}, ORIGIN)))
    assert outcome.verification.reason == "webauthn_credential_not_allowed"
    assert not (await at.view()).is_confirmed


async def test_an_assertion_confirms_one_page_session_once_of_fifty(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    user = await site.user()
    await register(site, user, laptop)
    at = await visit(site, user)
    text = json.dumps(laptop.get(await do(at, "ask"), ORIGIN))
    outcomes = await asyncio.gather(
        *(do(at, "confirm", text) for _ in range(AT_ONCE)), return_exceptions=True
    )
    right = [
        each for each in outcomes if not isinstance(each, BaseException) and each.verification is not None
    ]
    assert [each.verification.valid for each in right] == [True]
    site.clock.advance(10 * MINUTE)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await do(at, "confirm", text)


async def test_a_response_is_stored_once_of_fifty(site: Installation, laptop: SoftwareAuthenticator) -> None:
    at = await visit(site, await site.user())
    _, begun = await do(at, "start_adding")
    text = made(begun, laptop)
    await asyncio.gather(
        *(do(at, "finish_adding", begun.id, text) for _ in range(AT_ONCE)), return_exceptions=True
    )
    assert len((await known(at)).passkeys) == 1


async def test_a_registration_ends_after_ten_minutes_and_is_the_users_own(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    at, other = await visit(site, await site.user()), await visit(site, await site.user())
    _, begun = await do(at, "start_adding")
    text = made(begun, laptop)
    with pytest.raises(errors.NotFound):
        await do(other, "finish_adding", begun.id, text)
    site.clock.advance(LIFE_MS // 1000)
    with pytest.raises(errors.ChallengeExpired):
        await do(at, "finish_adding", begun.id, text)


async def test_the_last_passkey_goes_only_with_the_warning(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    at = await visit(site, await site.user())
    await add(at, laptop)
    [factor_id] = (await known(at)).passkeys
    with pytest.raises(LastFactor):
        await at.remove(factor_id)
    await at.remove(factor_id, knows_last=True)
    after = await known(at)
    assert after.passkeys == {}
    # Kept, so that the browser can be told that none is left.
    assert after.handle is not None


async def test_a_copied_passkey_is_listed_and_refused(
    site: Installation, laptop: SoftwareAuthenticator
) -> None:
    user = await site.user()
    await register(site, user, laptop)
    at = await visit(site, user)
    outcome = await confirm(at, laptop, Behavior(counter=0))
    assert outcome is not None
    assert outcome.reason == "webauthn_counter_not_growing"
    [passkey] = (await known(at)).passkeys.values()
    assert passkey.is_suspect
    outcome = await confirm(at, laptop, Behavior(counter=9))
    assert outcome is not None
    assert not outcome.valid


@pytest.mark.parametrize("base_url", ["https://203.0.113.7", "https://pages.example.com"])
async def test_where_browsers_refuse_the_environments_passkeys_none_is_asked_for(
    open_installation: Opener, laptop: SoftwareAuthenticator, base_url: str
) -> None:
    settings = {"rp_id": "example.org", "origins": [ORIGIN]}
    site: Installation = await open_installation(base_url=base_url)
    options = json.dumps({"webauthn": settings} if "pages" in base_url else {})
    site.sql("UPDATE environments SET options = $1 WHERE number = 1", options)
    environment = await site.af.read(lambda tx: tx.environments.by_number(1))
    assert environment is not None
    site.environment = environment
    user = await site.user()
    if "pages" in base_url:
        await register(site, user, laptop, environment=environment)
    at = await visit(site, user)
    assert (await known(at)).site is None
    assert await do(at, "ask") is None


async def test_no_passkey_is_asked_for_where_there_is_none(site: Installation) -> None:
    user = await site.user()
    await active(site, user)
    assert await do(await visit(site, user), "ask") is None
