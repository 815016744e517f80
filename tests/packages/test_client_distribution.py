"""authfactor-client: built, installed into an empty environment without the server, and used."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

import authfactor
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, running

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ROOT / "packages" / "client"
UV: Final = Path(sys.executable).parent / "uv"
PROGRAM: Final = """
import sys
from authfactor import Client
from authfactor.client import ClientError

url, key, client_id, oracle = sys.argv[1:]
with Client(base_url=url, api_key=key, client_id=client_id) as client:
    user = client.user_management.create_user(email="kim@example.org")
    made = client.user_management.enroll_auth_factor(user_id=user.id, type="totp")
    sys.path.insert(0, oracle)
    import authenticator
    code = authenticator.code(made.authentication_factor.totp.secret)
    challenge = made.authentication_challenge.id
    print(client.mfa.verify_challenge(authentication_challenge_id=challenge, code=code).valid)
    try:
        client.user_management.get_user("user_unknown")
    except ClientError as error:
        print(type(error).__name__)
try:
    Client(data="x").user_management.list_users()
except ValueError as error:
    print(error)
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=PROJECT)
    (built,) = folder.iterdir()
    return built


def test_the_client_distribution_has_every_module_of_the_client_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    info = f"authfactor_client-{authfactor.__version__}.dist-info"
    sources = ROOT / "src" / "authfactor"
    client = {path.relative_to(ROOT / "src").as_posix() for path in (sources / "client").glob("*.py")}
    client.remove("authfactor/client/in_process_transport.py")
    assert {name for name in names if not name.startswith(info)} == client | {
        f"authfactor/{name}" for name in ("__init__.py", "py.typed", "version.py")
    }
    assert f"{info}/licenses/LICENSE" in names


def test_client_and_service_require_the_same_versions() -> None:
    own, whole = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in (PROJECT, ROOT)
    )
    assert set(own["dependencies"]) <= set(whole["dependencies"])
    assert own["requires-python"] == whole["requires-python"]


@pytest.mark.packages
@pytest.mark.timeout(180)
def test_the_client_alone_enrolls_and_verifies(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    constraints = tmp_path / "constraints"
    lock = (ROOT / "requirements" / "runtime.lock").read_text()
    constraints.write_text("\n".join(re.findall(r"^[\w.-]+==[^\s\\]+", lock, re.MULTILINE)))
    run(UV, "venv", "--quiet", "--python", sys.executable, place)
    python = place / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, wheel)

    installed = run(UV, "pip", "list", "--quiet", "--format", "freeze", "--python", python)
    assert {line.partition("==")[0] for line in installed.split()} == {
        *("anyio", "authfactor-client", "certifi", "h11", "httpcore", "httpx", "idna", "msgspec"),
        *(["typing-extensions"] if sys.version_info < (3, 13) else []),
    }
    with running(tmp_path / "server") as server:
        said = run(
            *(python, "-c", PROGRAM, server.url, API_KEY, CLIENT_ID, ROOT / "tests" / "support"),
            cwd=tmp_path,
        )
    assert said.splitlines() == [
        "True",
        "NotFoundError",
        "database_url and data need the service: install authfactor instead of authfactor-client.",
    ]
