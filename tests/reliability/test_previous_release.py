"""During an upgrade the previous release's servers go on working on the new schema, beside the new ones.

The previous release is taken from the repository's history: the last release's tag, or before there is one
the last state that needed an older schema.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Final

import pytest

from authfactor.store import migrations, schema
from tests.support import authenticator
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import Server, clean_environment, fields, running

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = "src/authfactor/store/schema.py"


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True)
    return done.stdout


def previous_state() -> str:
    """Name the commit of the release before this one. Raises `LookupError` when history does not have it."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD").decode().split()
    here = git("rev-parse", "HEAD").decode().strip()
    for tag in tags:
        if git("rev-parse", f"{tag}^{{commit}}").decode().strip() != here:
            return tag
    for commit in git("log", "--format=%H", "--", SCHEMA).decode().split():
        before = f"{commit}^"
        needed = re.search(rb'NEEDED: Final = "(\d+)"', git("show", f"{before}:{SCHEMA}"))
        if needed and needed[1].decode() < schema.NEEDED:
            return before
    raise LookupError("the history has no state with an older schema")


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the previous release's source."""
    try:
        archive = git("archive", "--format=tar", previous_state(), "src")
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        reason = f"the previous release is not to be had: {error}"
        if os.environ.get("CI") and shutil.which("git") and (ROOT / ".git").exists():
            pytest.fail(f"{reason}; CI needs the whole history", pytrace=False)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


def test_an_old_and_a_new_server_share_a_database_with_the_new_schema(
    previous: Path, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    database = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), database)
    settings = {
        "AUTHFACTOR_DATABASE_URL": postgres_server.url(database),
        "AUTHFACTOR_KEYS": str(tmp_path / "keys"),
    }
    old_settings = {**settings, "PYTHONPATH": str(previous)}
    asked = "import authfactor.store.schema as s; print(s.__file__, s.NEEDED)"
    found = subprocess.run(
        [sys.executable, "-c", asked],
        env=clean_environment(**old_settings),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found.startswith(str(previous))
    with running(tmp_path / "old", old_settings) as old, running(tmp_path / "new", settings) as new:
        for here, there in ((old, new), (new, old)):
            begin_here_and_end_there(here, there)


def begin_here_and_end_there(here: Server, there: Server) -> None:
    with here.client() as one, there.client() as other:
        email = f"{uuid.uuid4().hex}@example.org"
        user = fields(one.post("/user_management/users", json={"email": email}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        key = {"idempotency-key": uuid.uuid4().hex}
        made = fields(one.post(path, json={"type": "totp"}, headers=key), 201)
        assert fields(one.post(path, json={"type": "totp"}, headers=key), 201) == made
        factor, challenge = made["authentication_factor"], made["authentication_challenge"]
        code = {"code": authenticator.code(factor["totp"]["secret"])}
        wrong = {"code": authenticator.wrong_code(factor["totp"]["secret"])}
        verify = f"/auth/challenges/{challenge['id']}/verify"
        assert fields(one.post(verify, json=wrong), 201)["valid"] is False
        assert fields(other.post(verify, json=code), 201)["valid"] is True
        again = fields(one.post(f"/auth/factors/{factor['id']}/challenge"), 201)
        spent = fields(one.post(f"/auth/challenges/{again['id']}/verify", json=code), 201)
        assert spent["reason"] == "code_already_used"
        assert fields(other.get(path), 200)["data"][0]["id"] == factor["id"]
        assert fields(one.get("/events", params={"events": "user.created"}), 200)["data"]
        assert other.delete(f"/auth/factors/{factor['id']}").status_code == 204
        assert one.get(f"/auth/factors/{factor['id']}").status_code == 404
