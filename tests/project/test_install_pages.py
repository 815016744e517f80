"""The pages about installing: their commands run as written, on processes instead of containers and units."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from authfactor.settings import PREFIX, Settings
from tests.support import install_stand_ins
from tests.support.documented_commands import blocks, in_one_shell
from tests.support.server_process import clean_environment, free_port

ROOT: Final = Path(__file__).parents[2]
INSTALL: Final = ROOT / "docs" / "install"
COMPOSE: Final = ROOT / "deploy" / "container" / "compose.yaml"
# The keys that the Compose specification has for what this file uses.
TOP_LEVEL: Final = {"name", "services", "volumes"}
OF_A_SERVICE: Final = {
    *("build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "ports"),
    *("read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
}

# The dependencies of the wheel are those of this environment; nothing is downloaded.
OFFLINE: Final = {
    "PIP_NO_DEPS": "1",
    "PIP_NO_INDEX": "1",
    "PIP_IGNORE_INSTALLED": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONPATH": sysconfig.get_path("purelib"),
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files of the repository that the pages name."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "deploy").symlink_to(ROOT / "deploy")
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A folder for what the commands change on the machine; a server that is left is stopped."""
    folder = tmp_path / "machine"
    folder.mkdir()
    (folder / "bin").mkdir()
    install_stand_ins.install(folder / "bin")
    yield folder
    pid = folder / "pid"
    if pid.is_file():
        os.kill(int(pid.read_text()), 15)


def environment(machine: Path, moved: dict[str, str], **more: str) -> dict[str, str]:
    return clean_environment(STAND_IN_FOLDER=str(machine), STAND_IN_MOVED=json.dumps(moved), **more)


def replaced(commands: list[str], moved: dict[str, str]) -> list[str]:
    for old, new in moved.items():
        commands = [command.replace(old, new) for command in commands]
    return commands


@pytest.mark.timeout(180)
def test_the_compose_page_works_as_written(clone: Path, machine: Path, postgres_database: str) -> None:
    port = free_port()
    moved = {f"{host}:8080": f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
    commands = replaced(blocks(INSTALL / "compose.md"), moved)
    variables = environment(machine, moved, STAND_IN_DATABASE_URL=postgres_database, PYTHONPATH="")

    done = in_one_shell(commands, clone, variables, machine / "bin")

    text = "".join(done.outputs)
    assert re.search(r"\bsk_[\w-]+", text), "an API key"
    assert f"http://{moved['localhost:8080']}/console/set-up/" in text, "a link at the base URL"
    assert (clone / "keys-backup").read_bytes() == (machine / "volume" / "keys").read_bytes()


def test_compose_refuses_to_start_without_a_password() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.install_stand_ins", "docker", "compose", "-f", COMPOSE, "up"],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "AUTHFACTOR_DATABASE_PASSWORD is missing" in done.stderr


def test_the_compose_file_uses_what_it_declares_and_known_settings() -> None:
    content = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert set(content) <= TOP_LEVEL
    for name, service in content["services"].items():
        assert set(service) <= OF_A_SERVICE, name
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in content["volumes"], volume
        for other, how in service.get("depends_on", {}).items():
            assert other in content["services"], other
            if how["condition"] == "service_healthy":
                assert "healthcheck" in content["services"][other], other
        for variable in service["environment"]:
            if variable.startswith(PREFIX):
                assert hasattr(Settings(), variable.removeprefix(PREFIX).lower()), variable
    server = content["services"]["server"]
    assert int(server["stop_grace_period"].rstrip("s")) > Settings().drain_time
    assert all(port.startswith("127.0.0.1:") for port in server["ports"]), (
        "not without TLS for other machines"
    )


def certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    subprocess.run(
        [
            *command.split(),
            *("-subj", "/CN=mfa.example.org", "-addext", "subjectAltName=DNS:mfa.example.org"),
            *("-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.timeout(300)
def test_the_systemd_page_works_as_written(
    clone: Path, machine: Path, postgres_database: str, needs: Callable[[str], Path]
) -> None:
    for program in ("curl", "openssl", "systemd-analyze"):
        needs(program)
    port = free_port()
    settings = machine / "etc" / "authfactor"
    for folder in (
        settings,
        machine / "etc" / "systemd" / "system",
        machine / "opt",
        machine / "var" / "lib",
    ):
        folder.mkdir(parents=True)
    certificate(settings)
    moved = {
        **{path: f"{machine}{path}" for path in ("/opt/authfactor", "/var/lib/authfactor")},
        **{path: f"{machine}{path}" for path in ("/etc/authfactor", "/etc/systemd")},
        "postgresql://authfactor:PASSWORD@db.example.org/authfactor": postgres_database,
        "8443": str(port),
    }
    (machine / ".curlrc").write_text(
        f"cacert = {settings}/tls.crt\nconnect-to = mfa.example.org:{port}:127.0.0.1:{port}\n"
    )
    variables = environment(
        machine,
        moved,
        CURL_HOME=str(machine),
        **OFFLINE,
    )
    commands = replaced(blocks(INSTALL / "systemd.md"), moved)

    done = in_one_shell(commands, clone, variables, machine / "bin")

    assert len(done.outputs) == len(commands) > 4
    installed = machine / "opt" / "authfactor" / "bin" / "authfactor"
    assert str(machine) in installed.read_text().splitlines()[0], "its own environment"
    assert list((machine / "opt").glob("authfactor/lib/python3*/site-packages/authfactor/core.py"))
    # The first start was on SQLite, the last on PostgreSQL.
    state = machine / "var" / "lib" / "authfactor"
    assert {"authfactor.db", "bootstrap-api-key", "console-set-up-link", "keys"} <= {
        file.name for file in state.iterdir()
    }
    assert f"https://mfa.example.org:{port}/" in (state / "console-set-up-link").read_text()
    unit_and_drop_in_are_accepted(machine, needs("systemd-analyze"))


def unit_and_drop_in_are_accepted(machine: Path, systemd_analyze: Path) -> None:
    folder = machine / "verified"
    shutil.copytree(machine / "etc" / "systemd" / "system", folder)
    unit = folder / "authfactor.service"
    unit.write_text(unit.read_text().replace("/opt/authfactor/bin/authfactor", "/bin/true"))
    done = subprocess.run(
        [systemd_analyze, "verify", unit], capture_output=True, text=True, check=False, timeout=50
    )
    complaints = [line for line in done.stderr.splitlines() if "authfactor" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


@pytest.mark.timeout(180)
def test_the_python_page_works_as_written(clone: Path, machine: Path) -> None:
    (machine / "opt").mkdir()
    moved = {path: f"{machine}{path}" for path in ("/opt/authfactor", "/var/lib/authfactor")}
    dist, install = replaced(blocks(INSTALL / "python.md")[:2], moved)
    # The last line serves until it is stopped.
    *before, serve = install.splitlines()
    url = f"127.0.0.1:{free_port()}"
    in_background = f"""{serve} --port {url.rpartition(":")[2]} > server.log 2>&1 &
server=$!
for _ in $(seq 300); do curl -fsS -o /dev/null http://{url}/readyz 2> /dev/null && break; sleep 0.1; done
curl -fsS http://{url}/readyz
kill $server
wait $server
"""
    variables = environment(machine, moved, **OFFLINE)

    done = in_one_shell([dist, "\n".join(before), in_background], clone, variables, machine / "bin")

    assert len(done.outputs) == 3
    assert (machine / "var" / "lib" / "authfactor" / "authfactor.db").is_file()


def test_the_index_names_every_way_to_install() -> None:
    text = (INSTALL / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((\w+)\.md\)", text))
    assert {page.stem for page in INSTALL.glob("*.md")} - {"index"} <= linked
