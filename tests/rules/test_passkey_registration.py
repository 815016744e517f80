"""A passkey is registered once, for the user and challenge that it was asked for."""

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import UnsealError
from authfactor.models import UserRecord
from authfactor.models.passkeys import PasskeyCeremony
from authfactor.otp import totp
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.passkeys import LIFE_MS, PasskeyRegistration, RegisteredPasskey
from authfactor.rules.factors.sealed_passkey import SealedPasskey
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.testing.software_authenticator import HONEST, Behavior, Excluded, SoftwareAuthenticator
from tests.support.installation import Installation, Opener

if TYPE_CHECKING:
    from authfactor.models import Environment

RACERS: Final = 50
BASE_URL: Final = "https://auth.example.org"
ROWS: Final = "SELECT count(*) FROM passkeys"


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=BASE_URL)
    return opened


@pytest.fixture
def authenticator() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


async def begin(
    site: Installation, user: UserRecord, name: str | None = None, environment: "Environment | None" = None
) -> PasskeyRegistration:
    return await site.af.run(site.af.passkeys.begin(environment or site.environment, user.id, name))


async def finish(
    site: Installation, user: UserRecord, begun: PasskeyRegistration, response: dict[str, Any]
) -> RegisteredPasskey:
    body = json.dumps(response).encode()
    return await site.af.run(site.af.passkeys.finish(site.environment, user.id, begun.id, body))


async def register(
    site: Installation, user: UserRecord, authenticator: SoftwareAuthenticator, behavior: Behavior = HONEST
) -> RegisteredPasskey:
    begun = await begin(site, user)
    return await finish(site, user, begun, authenticator.create(begun.public_key, BASE_URL, behavior))


def reason(caught: pytest.ExceptionInfo[errors.InvalidRequest]) -> str:
    (item,) = caught.value.items
    return item.code


async def test_a_passkey_is_a_factor_of_its_user_at_once(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user, " Blue key ")
    made = await finish(site, user, begun, authenticator.create(begun.public_key, BASE_URL))
    (listed,) = await site.af.read(site.af.factors.of_user(site.environment, user.id))
    assert (listed.id, listed.type, listed.name) == (made.factor.id, "webauthn", "Blue key")
    assert listed.activated_at == site.clock.now
    (kept,) = await site.af.read(lambda tx: tx.passkeys.of_user(site.environment.number, user.id))
    assert kept == made.passkey
    assert (kept.rp_id, kept.sign_count, kept.discoverable) == ("auth.example.org", 1, True)


async def test_the_public_key_is_sealed_with_what_it_is_bound_to(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    made = await register(site, user, authenticator)
    number = site.environment.number
    opened = site.af.vault.unseal(made.factor.sealed, secret_row(number, made.factor.id))
    sealed = SealedPasskey.read(opened)
    assert sealed[1:5] == (user.id, "auth.example.org", made.passkey.credential_id, -8)
    assert (sealed.aaguid, sealed.trust) == (made.passkey.aaguid, "none")
    with pytest.raises(UnsealError):
        site.af.vault.unseal(made.factor.sealed, secret_row(number, "auth_factor_other"))
    assert "***" in repr(SealedPasskey(b"", "", "", b"", -8, b"", "", ""))


async def test_no_one_time_code_is_right_for_a_passkey(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    made = await register(site, user, authenticator)
    sealed = SealedPasskey.read(site.af.vault.unseal(made.factor.sealed, secret_row(1, made.factor.id)))
    # All that is sealed besides 32 random bytes is public: without these, others could compute codes.
    assert len(sealed.salt) == 32
    without = sealed._replace(salt=bytes(32)).written()
    assert totp.code_at(without, 1) != totp.code_at(sealed.written(), 1)
    other = await register(site, await site.user(), SoftwareAuthenticator(random.Random(2).randbytes))
    assert (
        SealedPasskey.read(site.af.vault.unseal(other.factor.sealed, secret_row(1, other.factor.id))).salt
        != sealed.salt
    )


async def test_a_registration_is_used_once(site: Installation, authenticator: SoftwareAuthenticator) -> None:
    user = await site.user()
    begun = await begin(site, user)
    responses = [authenticator.create(begun.public_key, BASE_URL) for _ in range(2)]
    await finish(site, user, begun, responses[0])
    for response in responses:
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await finish(site, user, begun, response)
    assert site.sql(ROWS) == [(1,)]


async def test_of_fifty_responses_at_once_one_is_registered(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user)
    sent = [authenticator.create(begun.public_key, BASE_URL) for _ in range(RACERS)]
    done = await asyncio.gather(*(finish(site, user, begun, each) for each in sent), return_exceptions=True)
    assert sum(isinstance(each, RegisteredPasskey) for each in done) == 1
    assert sum(isinstance(each, errors.ChallengeAlreadyVerified) for each in done) == RACERS - 1
    assert site.sql(ROWS) == [(1,)]


async def test_one_credential_in_fifty_registrations_at_once_is_registered_once(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    users = [await site.user() for _ in range(RACERS)]
    begun = [await begin(site, user) for user in users]
    sent = []
    for each in begun:
        # The same credential for each user: only the challenge differs.
        fresh = SoftwareAuthenticator(random.Random(1).randbytes)
        sent.append(fresh.create(each.public_key, BASE_URL))
    calls = [finish(site, *each) for each in zip(users, begun, sent, strict=True)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, RegisteredPasskey) for each in done) == 1
    refused = [each for each in done if isinstance(each, errors.InvalidRequest)]
    assert {item.code for each in refused for item in each.items} == {"webauthn_credential_exists"}
    assert len(refused) == RACERS - 1
    assert site.sql(ROWS) == [(1,)]
    assert site.sql("SELECT count(*) FROM factors") == [(1,)]


async def test_a_refused_response_leaves_the_registration_open(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user)
    wrong = authenticator.create(begun.public_key, "https://evil.example.org")
    with pytest.raises(errors.InvalidRequest) as caught:
        await finish(site, user, begun, wrong)
    assert reason(caught) == "webauthn_origin_mismatch"
    with pytest.raises(errors.InvalidRequest) as caught:
        await finish(site, user, begun, {})
    assert reason(caught) == "webauthn_response_malformed"
    assert await finish(site, user, begun, authenticator.create(begun.public_key, BASE_URL))


async def test_a_response_to_another_registration_is_refused(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    first, second = await begin(site, user), await begin(site, user)
    with pytest.raises(errors.InvalidRequest) as caught:
        await finish(site, user, second, authenticator.create(first.public_key, BASE_URL))
    assert reason(caught) == "webauthn_challenge_mismatch"


async def test_a_registration_expires(site: Installation, authenticator: SoftwareAuthenticator) -> None:
    user = await site.user()
    begun = await begin(site, user)
    assert begun.expires_at == site.clock.now + LIFE_MS
    response = authenticator.create(begun.public_key, BASE_URL)
    site.clock.advance(LIFE_MS // 1000)
    with pytest.raises(errors.ChallengeExpired):
        await finish(site, user, begun, response)
    assert site.sql(ROWS) == [(0,)]


async def test_a_restore_ends_open_registrations(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user)
    response = authenticator.create(begun.public_key, BASE_URL)
    restore = AfterRestore(site.af.clock, site.af.settings, site.af.audit)
    assert (await restore.mark(site.af.store, "test")).expired == 1
    with pytest.raises(errors.ChallengeExpired):
        await finish(site, user, begun, response)


async def test_a_registration_belongs_to_its_user_and_environment(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user, other = await site.user(), await site.user()
    begun = await begin(site, user)
    response = authenticator.create(begun.public_key, BASE_URL)
    with pytest.raises(errors.NotFound):
        await finish(site, other, begun, response)
    body = json.dumps(response).encode()
    with pytest.raises(errors.NotFound):
        await site.af.run(site.af.passkeys.finish(site.other, user.id, begun.id, body))
    with pytest.raises(errors.NotFound):
        await site.af.run(site.af.passkeys.begin(site.other, user.id))
    with pytest.raises(errors.NotFound):
        await finish(site, user, begun._replace(id="passkey_registration_unknown"), response)
    assert await finish(site, user, begun, response)


async def test_a_ceremony_for_another_purpose_registers_nothing(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user)
    response = authenticator.create(begun.public_key, BASE_URL)
    site.sql("UPDATE passkey_ceremonies SET purpose = 'authentication'")
    with pytest.raises(errors.NotFound):
        await finish(site, user, begun, response)


async def test_options_exclude_the_users_passkeys_and_keep_one_handle(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user, other = await site.user(), await site.user()
    await register(site, user, authenticator)
    again, others = await begin(site, user), await begin(site, other)
    with pytest.raises(Excluded):
        authenticator.create(again.public_key, BASE_URL)
    assert again.public_key["excludeCredentials"][0]["transports"] == ["internal"]
    assert others.public_key["excludeCredentials"] == []
    third = await begin(site, user)
    assert again.public_key["user"] == third.public_key["user"]
    handles = {each.public_key["user"]["id"] for each in (again, others)}
    assert len(handles) == 2
    assert not any(user.id in each or user.email in each for each in handles)
    assert again.public_key["challenge"] != third.public_key["challenge"]


async def test_the_same_user_registers_a_credential_once(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    await register(site, user, authenticator)
    begun = await begin(site, user)
    # An authenticator that ignores the exclusion.
    options = begun.public_key | {"excludeCredentials": []}
    same = SoftwareAuthenticator(random.Random(1).randbytes).create(options, BASE_URL)
    with pytest.raises(errors.InvalidRequest) as caught:
        await finish(site, user, begun, same)
    assert reason(caught) == "webauthn_credential_exists"
    # Rolled back: the registration can still be used.
    assert await finish(site, user, begun, authenticator.create(options, BASE_URL))


async def test_passkeys_count_among_a_users_factors(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    early = [await begin(site, user) for _ in range(11)]
    limit = site.af.settings.max_factors_per_user
    for begun in early[:limit]:
        options = begun.public_key
        await finish(site, user, begun, authenticator.create(options, BASE_URL))
    with pytest.raises(errors.InvalidRequest) as caught:
        await begin(site, user)
    assert reason(caught) == "factor_limit_reached"
    with pytest.raises(errors.InvalidRequest) as caught:
        await finish(site, user, early[limit], authenticator.create(early[limit].public_key, BASE_URL))
    assert reason(caught) == "factor_limit_reached"
    with pytest.raises(errors.InvalidRequest):
        await site.enroll(user)


@pytest.mark.parametrize("way", ["factor", "reset", "user"])
async def test_a_passkey_goes_with_its_factor_and_its_user(
    site: Installation, authenticator: SoftwareAuthenticator, way: str
) -> None:
    user = await site.user()
    made = await register(site, user, authenticator)
    await begin(site, user)
    if way == "factor":
        await site.af.run(site.af.factors.delete(site.environment, made.factor.id))
    elif way == "reset":
        await site.af.run(site.af.factors.reset(site.environment, user.id))
    else:
        await site.af.run(site.af.users.delete(site.environment, user.id))
        assert site.sql("SELECT count(*) FROM passkey_handles") == [(0,)]
        assert site.sql("SELECT count(*) FROM passkey_ceremonies") == [(0,)]
    assert site.sql(ROWS) == [(0,)]
    assert site.sql("SELECT count(*) FROM factors") == [(0,)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "\u202eb"])
async def test_a_name_is_printable_and_short(site: Installation, name: str) -> None:
    user = await site.user()
    with pytest.raises(errors.InvalidRequest) as caught:
        await begin(site, user, name)
    assert reason(caught) == "name_invalid"


async def test_markup_in_a_name_is_kept_as_text(
    site: Installation, authenticator: SoftwareAuthenticator
) -> None:
    user = await site.user()
    begun = await begin(site, user, "<b>key</b>")
    made = await finish(site, user, begun, authenticator.create(begun.public_key, BASE_URL))
    assert made.factor.name == "<b>key</b>"


async def test_where_browsers_refuse_passkeys_the_settings_say_what_to_do(
    open_installation: Opener,
) -> None:
    site = await open_installation(base_url="http://127.0.0.1:8080")
    user = await site.user()
    with pytest.raises(errors.InvalidRequest) as caught:
        await begin(site, user)
    assert {each.field for each in caught.value.items} == {"rp_id", "origins"}
    assert "http://localhost:PORT" in caught.value.items[0].message


async def test_a_challenge_is_in_no_text_of_its_record(site: Installation) -> None:
    opened = PasskeyCeremony("passkey_registration_1", "registration", None, None, b"secret", 1)
    assert "secret" not in repr(opened)
