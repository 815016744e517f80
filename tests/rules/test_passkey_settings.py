"""The settings of an environment's passkeys: its own over those of the base URL, and never unusable ones."""

import json
from typing import Any

import msgspec
import pytest

from authfactor.errors import InvalidRequest
from authfactor.models import Environment
from authfactor.rules.factors import passkey_settings
from authfactor.rules.tenants.environments import options_of
from tests.support.installation import Installation, Opener
from tests.support.passkey_users import ORIGIN, answer, authenticator, challenge, register

APPLICATION = "https://app.example.org"


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN)
    return opened


async def configure(site: Installation, **settings: Any) -> Environment:  # noqa: ANN401 - any setting
    options = msgspec.structs.replace(options_of(site.environment), webauthn=settings)
    site.environment = await site.af.run(site.af.environments.update(site.environment, options=options))
    return site.environment


async def test_pages_and_application_share_passkeys_under_a_common_domain(site: Installation) -> None:
    await configure(site, rp_id="example.org", origins=[ORIGIN, APPLICATION])
    device = authenticator()
    made = await register(site, await site.user(), device)
    assert made.passkey.rp_id == "example.org"
    opened = await challenge(site, made)
    assert (await site.verify(opened, answer(device, opened, origin=APPLICATION))).valid


async def test_what_was_denied_later_is_refused_at_the_next_use(site: Installation) -> None:
    device = authenticator(backup_eligible=True, backed_up=True)
    made = await register(site, await site.user(), device)
    await configure(site, backup_eligible="deny")
    opened = await challenge(site, made)
    outcome = await site.verify(opened, answer(device, opened))
    assert outcome.reason == "webauthn_authenticator_not_allowed"


async def test_a_changed_domain_leaves_the_challenge_to_recovery_codes(site: Installation) -> None:
    user = await site.user()
    made = await register(site, user, authenticator())
    codes = await site.af.run(site.af.recovery_codes.create(site.environment, user.id))
    await configure(site, rp_id="203.0.113.7")
    opened = await challenge(site, made)
    assert opened.public_key is None
    assert (await site.verify(opened, codes.codes[0])).valid


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"rp_id": "203.0.113.7"}, "ip_address"),
        ({"origins": ["http://auth.example.org"]}, "insecure_origin"),
        ({"rp_id": "example.net"}, "outside_rp_id"),
        ({"unknown": 1}, "webauthn_invalid"),
        ({"user_verification": "maybe"}, "webauthn_invalid"),
    ],
    ids=json.dumps,
)
async def test_settings_that_no_browser_takes_are_refused(
    site: Installation, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        passkey_settings.check("Acme", settings, site.af.settings)
    assert code in {item.code for item in caught.value.items}
