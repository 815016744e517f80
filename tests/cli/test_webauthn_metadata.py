"""`authfactor webauthn metadata`: load a file and show what was loaded, and what the doctor says of it."""

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from authfactor.core import Authfactor, system_clock, system_entropy
from authfactor.doctor import Level, examine
from authfactor.models import Clock
from authfactor.rules.tenants.environments import options_of
from authfactor.settings import Settings
from tests.cli.test_recovery_codes import read, run
from tests.support.metadata_service import AAGUID, MAKER, NOW, ROOT, blob, entry, payload

DAY: Final = 86_400_000
LOAD: Final = ("webauthn", "metadata", "load")
SHOW: Final = ("webauthn", "metadata", "show")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    assert run(tmp_path / "data", "users", "create", "kim@example.org").returncode == 0
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    return tmp_path / "data"


def load(data: Path, content: bytes, *more: str, as_json: bool = False) -> subprocess.CompletedProcess[str]:
    file = data.parent / "blob.jwt"
    file.write_bytes(content)
    flags = ("--json",) if as_json else ()
    return run(data, *flags, *LOAD, str(file), "--root", str(data.parent / "root.pem"), *more)


def test_metadata_is_loaded_shown_and_recorded(data: Path) -> None:
    shown = run(data, *SHOW)
    assert (shown.returncode, "No metadata is loaded" in shown.stdout) == (0, True)
    assert run(data, "--json", *SHOW).stdout.strip() == "null"
    made = blob(payload(entry(statuses=[("REVOKED", None)], description="[link=x]\x1b[1m Key"), number=12))
    done = load(data, made, "--reason", "monthly")
    assert done.returncode == 0, done.stderr
    assert "REVOKED" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Newer metadata should be available" in done.stdout
    found = read(data, *SHOW)
    assert (found["number"], found["models"], found["next_update"]) == (12, 1, "2023-12-01T00:00:00.000Z")
    assert found["refused"] == [{"aaguid": AAGUID, "description": "[link=x] [1m Key", "status": "REVOKED"}]
    listed = json.loads(run(data, "--json", "audit", "list").stdout)
    (recorded,) = [each for each in listed if each["action"] == "webauthn_metadata.load"]
    assert (recorded["target"], recorded["reason"]) == ("12", "monthly")


def test_a_refused_file_says_why_and_changes_nothing(data: Path) -> None:
    assert load(data, blob(payload(number=8))).returncode == 0
    (data.parent / "other.pem").write_bytes(MAKER.pem)
    file = str(data.parent / "blob.jwt")
    other = ("--root", str(data.parent / "other.pem"))
    for done, code, expected in (
        (load(data, b"<html>"), 2, "is not the BLOB of a FIDO metadata service"),
        (load(data, blob()[:-2] + b"AA"), 2, "The signature of the BLOB is wrong"),
        (load(data, blob(payload(number=7))), 5, "serial number above 7 is loaded already"),
        (run(data, *LOAD, file, *other), 2, "leads to none of the given roots"),
        (
            run(data, *LOAD, str(data.parent / "blob.jwt"), "--root", str(data.parent / "blob.jwt")),
            2,
            "no certificate",
        ),
        (run(data, *LOAD, str(data.parent / "none.jwt"), *other), 1, "No such file"),
        (run(data, *LOAD, file), 2, "--root"),
    ):
        assert done.returncode == code, done.stderr
        assert expected in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert read(data, *SHOW)["number"] == 8
    assert json.loads(load(data, blob(payload(number=7)), "--older", as_json=True).stdout)["number"] == 7


async def finding(data: Path, at: Clock = system_clock) -> tuple[Level, str] | None:
    settings = dataclasses.replace(Settings(data=data), console=False)
    found = [each for each in await examine(settings, at, system_entropy) if each.check == "passkeys"]
    return (found[0].level, found[0].text) if found else None


async def configure(data: Path, **given: Any) -> None:  # noqa: ANN401 - any setting
    af = await Authfactor.open(Settings(data=data, console=False))
    try:
        (environment,) = await af.read(lambda tx: tx.environments.all())
        options = msgspec.structs.replace(options_of(environment), webauthn=given)
        await af.run(af.environments.update(environment, options=options))
        if given.get("load"):
            await af.run(af.authenticator_metadata.load(blob(), [ROOT.der]))
    finally:
        await af.close()


async def test_the_doctor_misses_metadata_and_looks_at_its_age(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await configure(data)
    assert await finding(data) is None
    await configure(data, metadata="status")
    level, text = await finding(data) or (Level.OK, "")
    assert (level, "broken authenticators are not refused" in text) == (Level.WARNING, True)
    await configure(data, metadata="attested", attestation="direct")
    level, text = await finding(data) or (Level.OK, "")
    assert (level, "accepts none" in text) == (Level.PROBLEM, True)
    await configure(data, metadata="status", load=True)
    level, text = await finding(data, lambda: NOW) or (Level.PROBLEM, "")
    assert (level, text.startswith("metadata of 1 models")) == (Level.OK, True)
    level, text = await finding(data, lambda: NOW + 60 * DAY) or (Level.OK, "")
    assert (level, "43 days late" in text) == (Level.WARNING, True)
