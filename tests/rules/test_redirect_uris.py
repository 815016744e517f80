"""Redirect URIs: the rules of production, the default, and the setting that seeds the list."""

import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions
from authfactor.rules.tenants.environments import options_of
from tests.support.installation import Installation, Opener

CALLBACK = "https://app.example.org/callback"


async def add(installation: Installation, uri: str) -> str:
    made = await installation.af.run(installation.af.redirect_uris.add(installation.environment, uri))
    return made.id


async def listed(installation: Installation) -> list[tuple[str, bool]]:
    uris = await installation.af.read(installation.af.redirect_uris.all(installation.environment))
    return [(item.uri, item.is_default) for item in uris]


async def accepts(installation: Installation, uri: str) -> bool:
    return await installation.af.read(installation.af.authorizations.accepts(installation.environment, uri))


async def test_another_uri_becomes_the_default(installation: Installation) -> None:
    await add(installation, CALLBACK)
    second = await add(installation, f"{CALLBACK}/2")
    rules = installation.af.redirect_uris
    made = await installation.af.run(rules.make_default(installation.environment, second))
    assert made.is_default
    assert await listed(installation) == [(CALLBACK, False), (f"{CALLBACK}/2", True)]


async def test_wildcard_and_unknown_uris_do_not_become_the_default(installation: Installation) -> None:
    wildcard = await add(installation, "https://*.example.org/callback")
    rules = installation.af.redirect_uris
    with pytest.raises(errors.InvalidRequest):
        await installation.af.run(rules.make_default(installation.environment, wildcard))
    with pytest.raises(errors.NotFound):
        await installation.af.run(rules.make_default(installation.other, wildcard))
    with pytest.raises(errors.NotFound):
        await installation.af.run(rules.remove(installation.environment, "redir_x"))


@pytest.mark.parametrize(
    ("base_url", "chosen", "expected"),
    [
        ("https://auth.example.org", None, False),
        ("http://127.0.0.1:8080", None, True),
        ("https://auth.example.org", False, True),
        ("http://127.0.0.1:8080", True, False),
    ],
)
async def test_production_has_no_unlisted_loopback_uris(
    open_installation: Opener, base_url: str, chosen: bool | None, expected: bool
) -> None:
    opened: Installation = await open_installation(base_url=base_url)
    if chosen is not None:
        options = EnvironmentOptions(production=chosen)
        await opened.af.run(opened.af.environments.update(opened.environment, options=options))
        fresh = await opened.af.read(lambda tx: tx.environments.by_number(1))
        assert fresh is not None
        opened.environment = fresh
    assert await accepts(opened, "http://localhost:3000/callback") is expected
    assert not await accepts(opened, CALLBACK)
    if not expected:
        with pytest.raises(errors.InvalidRequest):
            await add(opened, "http://localhost:3000/callback")


async def test_setting_seeds_the_list_of_the_first_environment(open_installation: Opener) -> None:
    uris = f"{CALLBACK}, {CALLBACK}/2,{CALLBACK}"
    opened: Installation = await open_installation(bootstrap_redirect_uris=uris)
    assert await listed(opened) == [(CALLBACK, True), (f"{CALLBACK}/2", False)]
    again: Installation = await open_installation(bootstrap_redirect_uris=uris)
    assert len(await listed(again)) == 2
    with pytest.raises(errors.InvalidRequest):
        await open_installation(bootstrap_redirect_uris="not a URI")


async def test_sign_in_url_is_checked(installation: Installation) -> None:
    environments = installation.af.environments
    with pytest.raises(errors.InvalidRequest) as raised:
        environments.update(
            installation.environment, options=EnvironmentOptions(sign_in_url="http://app.example.org/")
        )
    assert raised.value.items[0].field == "sign_in_url"
    options = EnvironmentOptions(sign_in_url="https://app.example.org/sign-in")
    made = await installation.af.run(environments.update(installation.environment, options=options))
    assert options_of(made).sign_in_url == "https://app.example.org/sign-in"


async def test_cors_origins_of_production_are_encrypted(open_installation: Opener) -> None:
    opened: Installation = await open_installation(base_url="https://auth.example.org")
    rules = opened.af.cors_origins
    with pytest.raises(errors.InvalidRequest):
        rules.add(opened.environment, "http://app.example.org")
    made = await opened.af.run(rules.add(opened.environment, "http://localhost:3000"))
    with pytest.raises(errors.NotFound):
        await opened.af.run(rules.remove(opened.other, made.id))
    await opened.af.run(rules.remove(opened.environment, made.id))
