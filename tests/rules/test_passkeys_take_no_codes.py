"""A passkey is never taken for a TOTP factor: no six digits answer it, and none are counted."""

import pytest

from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest
from authfactor.models import PageQuery
from authfactor.otp import base32, totp
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.wire.clock_resync import ResyncFactor
from tests.support.installation import Installation, Opener
from tests.support.passkey_users import ORIGIN, authenticator, register


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN)
    return opened


async def test_digits_at_a_passkeys_challenge_are_neither_compared_nor_counted(site: Installation) -> None:
    user = await site.user()
    made = await register(site, user, authenticator())
    challenge = await site.af.run(site.af.challenges.create(site.environment, made.factor.id))
    number = site.environment.number
    secret = site.af.vault.unseal(made.factor.sealed, secret_row(number, made.factor.id))
    right = totp.code_at(secret, totp.step_at(site.clock.now // 1000))
    for code in [right, *(f"{each:06d}" for each in range(20))]:
        outcome = await site.verify(challenge, code)
        assert (outcome.valid, outcome.reason, outcome.attempts_remaining) == (False, "code_malformed", 5)
    assert (await site.failures(user.id)).times == ()
    assert "authfactor.user_locked" not in await site.events()


async def test_digits_at_a_passkeys_challenge_do_not_unlock_or_lengthen_a_lock(site: Installation) -> None:
    user = await site.user()
    made, enrolled = await register(site, user, authenticator()), await site.enroll(user)
    await site.answer(enrolled, site.code(enrolled))
    for _ in range(10):
        await site.answer(enrolled, site.wrong(enrolled))
    before = await site.failures(user.id)
    assert before.locked_until
    challenge = await site.af.run(site.af.challenges.create(site.environment, made.factor.id))
    assert (await site.verify(challenge, "123456")).reason == "code_malformed"
    assert await site.failures(user.id) == before


async def test_the_lists_of_the_workos_api_show_totp_factors_only(site: Installation) -> None:
    user = await site.user()
    await register(site, user, authenticator())
    enrolled = await site.enroll(user)
    page = await site.af.read(site.af.factors.page(site.environment, user.id, PageQuery()))
    assert [each.id for each in page.items] == [enrolled.factor.id]
    assert len(await site.af.read(site.af.factors.of_user(site.environment, user.id))) == 2


async def test_a_passkey_is_not_compared_with_new_secrets(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await site.user()
    made = await register(site, user, authenticator())
    opened: list[str] = []
    unseal = Vault.unseal

    def seen(vault: Vault, sealed: str, where: object) -> bytes:
        opened.append(sealed)
        return unseal(vault, sealed, where)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(Vault, "unseal", seen)
    await site.enroll(user, totp_secret=base32.encode(bytes(range(20))))
    assert made.factor.sealed not in opened


async def test_a_passkey_has_no_clock_to_resync(site: Installation) -> None:
    user = await site.user()
    made = await register(site, user, authenticator())
    body = ResyncFactor(codes=["123456", "234567"])
    with pytest.raises(InvalidRequest) as caught:
        await site.af.run(site.af.clock_resync.resync(site.environment, made.factor.id, body))
    assert [item.code for item in caught.value.items] == ["factor_type_not_supported"]
    assert (await site.failures(user.id)).times == ()
