"""`authfactor environments update --webauthn-file`."""

import json
import random
from pathlib import Path

import pytest

from authfactor.core import Authfactor, system_clock, system_entropy
from authfactor.doctor import Level, examine
from authfactor.settings import Settings
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from authfactor.wire.requests import CreateUser
from tests.cli.test_recovery_codes import read, run


def test_settings_of_passkeys_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    data, given = tmp_path / "data", tmp_path / "webauthn.json"
    assert run(data, "users", "create", "kim@example.org").returncode == 0
    settings = {"rp_id": "example.org", "origins": ["https://app.example.org"]}
    given.write_text(json.dumps(settings))
    command = ("environments", "update", "default", "--webauthn-file", str(given))
    done = run(data, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    given.write_text(json.dumps(settings | {"origins": ["http://app.example.org"]}))
    refused = run(data, *command)
    assert refused.returncode != 0
    assert "Passkeys need HTTPS" in refused.stdout + refused.stderr
    given.write_text("[]")
    refused = run(data, *command)
    assert refused.returncode != 0
    assert "is not a JSON object" in refused.stdout + refused.stderr


async def register(data: Path, count: int, origin: str) -> None:
    af = await Authfactor.open(Settings(data=data, console=False))
    try:
        (environment,) = await af.read(lambda tx: tx.environments.all())
        user = await af.run(await af.users.prepare_create(environment, CreateUser(email="a@example.org")))
        for seed in range(count):
            device = SoftwareAuthenticator(random.Random(seed).randbytes)
            begun = await af.run(af.passkeys.begin(environment, user.id))
            body = json.dumps(device.create(begun.public_key, origin)).encode()
            await af.run(af.passkeys.finish(environment, user.id, begun.id, body))
    finally:
        await af.close()


@pytest.fixture
def given(tmp_path: Path) -> Path:
    file = tmp_path / "webauthn.json"
    file.write_text(json.dumps({"rp_id": "example.org", "origins": ["https://example.org"]}))
    return file


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    file = tmp_path / "empty.json"
    file.write_text("{}")
    return file


def update(data: Path, given: Path, rp_id: str, *more: str) -> tuple[int, str]:
    given.write_text(json.dumps({"rp_id": rp_id, "origins": [f"https://{rp_id}"]}))
    done = run(data, "environments", "update", "default", "--webauthn-file", str(given), *more)
    return done.returncode, done.stderr


async def test_a_change_of_the_domain_over_passkeys_needs_force_and_tells_how_many_stop(
    tmp_path: Path, given: Path
) -> None:
    data = tmp_path / "data"
    run(data, "users", "create", "kim@example.org")
    assert update(data, given, "example.org")[0] == 0
    assert update(data, given, "example.com")[0] == 0, "there are no passkeys yet"
    assert update(data, given, "example.org")[0] == 0
    await register(data, 3, "https://example.org")
    code, text = update(data, given, "example.com")
    assert code == 5
    assert "3 passkeys are for example.org and would not work for example.com" in text
    assert "--force" in text
    assert update(data, given, "example.org")[0] == 0, "the same domain"
    assert await sites(data) == []
    assert update(data, given, "example.com", "--force")[0] == 0
    ((level, found),) = await sites(data)
    assert level is Level.WARNING
    assert "3 passkeys of the environment 'default' are for example.org" in found
    assert update(data, given, "example.net")[0] == 0, "no passkey works for example.com"


async def sites(data: Path) -> list[tuple[Level, str]]:
    settings = Settings(data=data, console=False)
    found = await examine(settings, system_clock, system_entropy)
    return [(each.level, each.text) for each in found if each.check == "passkeys"]


async def test_a_reset_to_an_address_that_browsers_refuse_changes_nothing(
    tmp_path: Path, given: Path, empty: Path
) -> None:
    data = tmp_path / "data"
    run(data, "users", "create", "kim@example.org")
    update(data, given, "example.org")
    await register(data, 1, "https://example.org")
    for more in ((), ("--force",)):
        done = run(data, "environments", "update", "default", "--webauthn-file", str(empty), *more)
        assert done.returncode == 2
        assert "Passkeys need a host name" in done.stderr
        assert "http://localhost" in done.stderr


def test_options_of_factors_are_set_and_shown(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run(data, "users", "create", "kim@example.org")
    more = ("--list-factor-type", "totp", "--list-factor-type", "webauthn", "--enrollment-needs-mfa")
    changed = read(data, "environments", "update", "default", *more)
    assert (changed["listed_factor_types"], changed["enrollment_needs_mfa"]) == ("totp webauthn", True)
    changed = read(data, "environments", "update", "default", "--enrollment-needs-no-mfa")
    assert (changed["listed_factor_types"], changed["enrollment_needs_mfa"]) == ("totp webauthn", False)
