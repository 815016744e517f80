"""During an upgrade the previous release's servers keep working on the new schema, next to the new ones.

The previous release comes from the repository's history: the last tag or, without a tag, the last commit
with an older schema.
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
    """Return the commit of the previous release. Raises `LookupError` when the history lacks it."""
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
    raise LookupError("the history has no commit with an older schema")


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the previous release's source."""
    try:
        archive = git("archive", "--format=tar", previous_state(), "src")
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        reason = f"the previous release is not available: {error}"
        if os.environ.get("CI") and shutil.which("git") and (ROOT / ".git").exists():
            pytest.fail(f"{reason}; CI needs the whole history", pytrace=False)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


def test_the_previous_release_works_on_the_new_schema(
    previous: Path, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    database = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), database)
    settings = {
        "AUTHFACTOR_DATABASE_URL": postgres_server.url(database),
        "AUTHFACTOR_KEYS": str(tmp_path / "keys"),
    }
    old_settings = {**settings, "PYTHONPATH": str(previous)}
    program = "import authfactor.store.schema as s; print(s.__file__, s.NEEDED)"
    output = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(**old_settings),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.startswith(str(previous))
    with running(tmp_path / "old", old_settings) as old, running(tmp_path / "new", settings) as new:
        for first, second in ((old, new), (new, old)):
            start_on_one_and_finish_on_other(first, second)


def start_on_one_and_finish_on_other(first: Server, second: Server) -> None:
    with first.client() as client, second.client() as other:
        email = f"{uuid.uuid4().hex}@example.org"
        user = fields(client.post("/user_management/users", json={"email": email}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        key = {"idempotency-key": uuid.uuid4().hex}
        made = fields(client.post(path, json={"type": "totp"}, headers=key), 201)
        assert fields(client.post(path, json={"type": "totp"}, headers=key), 201) == made
        factor, challenge = made["authentication_factor"], made["authentication_challenge"]
        code = {"code": authenticator.code(factor["totp"]["secret"])}
        wrong = {"code": authenticator.wrong_code(factor["totp"]["secret"])}
        verify = f"/auth/challenges/{challenge['id']}/verify"
        assert fields(client.post(verify, json=wrong), 201)["valid"] is False
        assert fields(other.post(verify, json=code), 201)["valid"] is True
        second_challenge = fields(client.post(f"/auth/factors/{factor['id']}/challenge"), 201)
        spent = fields(client.post(f"/auth/challenges/{second_challenge['id']}/verify", json=code), 201)
        assert spent["reason"] == "code_already_used"
        assert fields(other.get(path), 200)["data"][0]["id"] == factor["id"]
        assert fields(client.get("/events", params={"events": "user.created"}), 200)["data"]
        assert other.delete(f"/auth/factors/{factor['id']}").status_code == 204
        assert client.get(f"/auth/factors/{factor['id']}").status_code == 404
