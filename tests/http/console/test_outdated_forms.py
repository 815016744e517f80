"""A form that was opened before a newer change does not undo it: it comes back with what differs."""

import re

import pytest

from authfactor.wire.links import UpdateBranding
from tests.support.console import HOME, Browser, Console, version_on

SETTINGS = {"name": "typed name", "team_name": "Typed team", "mfa_policy": "if_enrolled"}


async def stored(console: Console) -> tuple[str, str, str]:
    [row] = await console.af.read(
        lambda tx: tx.db.all("SELECT name, team_name, mfa_policy FROM environments WHERE number = 1")
    )
    return (row[0], row[1], row[2])


async def test_stale_settings_form_does_not_undo_a_newer_policy(console: Console, owner: Browser) -> None:
    version = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/settings")
    await console.af.run(console.af.environments.update(console.one, mfa_policy="required", name="newer"))
    response = await owner.post(f"{HOME}/settings", {**SETTINGS, "updated_at": version})
    assert response.status_code == 409
    assert await stored(console) == ("newer", "Acme", "required")
    # What differs, stored and typed, and everything that was typed in the form again.
    rows = re.findall(
        r'<tr><td>([^<]+)</td><td class="wide">([^<]+)</td><td class="wide">([^<]+)</td></tr>', response.text
    )
    assert rows == [
        ("Name", "newer", "typed name"),
        ("Issuer in authenticator apps", "Acme", "Typed team"),
        (
            "When a sign-in asks for a code",
            "Always; users without a factor must enroll first",
            "When the user has a factor",
        ),
    ]
    assert 'value="typed name"' in response.text
    assert 'value="Typed team"' in response.text
    assert re.findall(r'name="mfa_policy" value="(\w+)" checked', response.text) == ["if_enrolled"]
    # An operator who has seen that may save it.
    version = version_on(response, f"{HOME}/settings")
    again = await owner.post(f"{HOME}/settings", {**SETTINGS, "updated_at": version})
    assert again.status_code == 303
    assert await stored(console) == ("typed name", "Typed team", "if_enrolled")


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "1" * 19, "²", None])
async def test_form_without_a_valid_version_changes_nothing(
    console: Console, owner: Browser, version: str | None
) -> None:
    before = await stored(console)
    form = SETTINGS if version is None else {**SETTINGS, "updated_at": version}
    assert (await owner.post(f"{HOME}/settings", form)).status_code == 409
    assert await stored(console) == before


async def test_second_of_two_identical_forms_is_outdated_within_one_millisecond(
    console: Console, owner: Browser
) -> None:
    version = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/settings")
    form = {**SETTINGS, "updated_at": version}
    assert (await owner.post(f"{HOME}/settings", form)).status_code == 303
    assert (await owner.post(f"{HOME}/settings", form)).status_code == 409


async def test_stale_form_that_weakens_the_policy_is_outdated_before_it_asks_for_a_code(
    console: Console, owner: Browser
) -> None:
    page = await owner.get(f"{HOME}/settings")
    await console.af.run(console.af.environments.update(console.one, mfa_policy="required"))
    console.clock.advance(300)
    form = {**SETTINGS, "mfa_policy": "off", "updated_at": version_on(page, f"{HOME}/settings")}
    assert (await owner.post(f"{HOME}/settings", form)).status_code == 409


async def test_stale_branding_form_does_not_undo_a_newer_name(console: Console, owner: Browser) -> None:
    version = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/look")
    await console.af.run(
        console.af.brandings.update(console.one, UpdateBranding(name="Newer", color="#112233"))
    )
    typed = {"brand_name": "", "colored": "1", "color": "#aa3300", "updated_at": version}
    response = await owner.post(f"{HOME}/look", typed)
    assert response.status_code == 409
    branding = await console.af.read(console.af.brandings.get(console.one))
    assert branding is not None
    assert (branding.name, branding.color) == ("Newer", "#112233")
    assert re.findall(r'<td class="wide">([^<]+)</td>', response.text)[:4] == [
        "Newer",
        "\N{EN DASH}",
        "#112233",
        "#aa3300",
    ]
    # The cleared name stays cleared, and the color is the typed one.
    [field] = re.findall(r'<input id="brand_name"[^>]*>', response.text)
    assert 'value=""' in field
    assert 'value="#aa3300"' in response.text
    version = version_on(response, f"{HOME}/look")
    assert (await owner.post(f"{HOME}/look", {**typed, "updated_at": version})).status_code == 303


async def test_stale_role_form_does_not_undo_a_newer_role(console: Console, owner: Browser) -> None:
    lee, _ = await console.af.run(console.af.operators.invite("lee@example.org", "owner"))
    path = f"/console/operators/{lee.id}/role"
    version = version_on(await owner.get("/console/operators"), path)
    await console.af.run(console.af.operators.change_role(lee.id, "viewer"))
    form = {"role": "owner", "reason": "typed reason", "updated_at": version}
    response = await owner.post(path, form)
    assert response.status_code == 409
    assert "It is now: lee@example.org: role viewer, invited." in response.text
    assert 'value="typed reason"' in response.text
    assert '<details class="ask" open>' in response.text
    found = await console.af.read(console.af.operators.find(lee.id))
    assert found.role == "viewer"
    assert (await owner.post(path, {**form, "updated_at": version_on(response, path)})).status_code == 303


async def test_newer_change_of_the_branding_leaves_the_settings_form_valid(
    console: Console, owner: Browser
) -> None:
    version = version_on(await owner.get(f"{HOME}/settings"), f"{HOME}/settings")
    await console.af.run(console.af.brandings.update(console.one, UpdateBranding(name="Newer")))
    assert (await owner.post(f"{HOME}/settings", {**SETTINGS, "updated_at": version})).status_code == 303
