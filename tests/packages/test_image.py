"""The container image: the same digest from two builds, and a container that runs restricted."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import authfactor
from tests.support.first_factor import enroll_and_verify, wait_until_ready
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import API_KEY, free_port
from tests.support.skip_or_fail import skip_or_fail
from tools import addresses

ROOT: Final = Path(__file__).parents[2]
UID: Final = 10001

pytestmark = [pytest.mark.packages, pytest.mark.timeout(300)]


def build(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "image.py", folder],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1735689600"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str], Path]) -> Path:
    needs("mmdebstrap")
    if os.geteuid() != 0:
        skip_or_fail("the image is built as root")
    folder = tmp_path_factory.mktemp("image") / "layout"
    build(folder)
    return folder


def blob(layout: Path, described: dict[str, Any]) -> Path:
    return layout / "blobs" / str(described["digest"]).replace(":", "/")


def manifest(layout: Path) -> dict[str, Any]:
    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    return dict(json.loads(blob(layout, described).read_text()))


def config(layout: Path) -> dict[str, Any]:
    return dict(json.loads(blob(layout, manifest(layout)["config"]).read_text()))


def test_two_builds_from_scratch_give_the_same_digest(layout: Path, tmp_path: Path) -> None:
    build(tmp_path / "again")
    assert (tmp_path / "again" / "index.json").read_text() == (layout / "index.json").read_text()


def test_the_image_names_no_index_and_no_machine(layout: Path) -> None:
    texts = [path for path in layout.rglob("*") if path.is_file() and path.stat().st_size < 100_000]
    assert len(texts) >= 4
    assert [finding for path in texts for finding in addresses.findings(path)] == []
    for layer in manifest(layout)["layers"]:
        with tarfile.open(blob(layout, layer)) as packed:
            names = packed.getnames()
        assert not [name for name in names if name.startswith(("etc/apt", "root", "var/lib/apt", "home/"))]
        assert not [name for name in names if name.endswith(("/pip", "/sh", "/bash", "/apt-get"))]


def test_the_image_is_unprivileged_by_default(layout: Path) -> None:
    found = config(layout)["config"]
    assert found["User"] == f"{UID}:{UID}"
    assert found["Healthcheck"]["Test"] == ["CMD", "authfactor", "ready"]
    assert found["Labels"]["org.opencontainers.image.version"] == authfactor.__version__


class Container:
    """A bundle unpacked by umoci, run by runc on the host's network."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self.name = f"authfactor-test-{os.getpid()}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = bundle / "log"

    def configure(self, state: Path) -> None:
        """Make the root read-only and drop every capability; only /tmp and the state can be written."""
        file = self.bundle / "config.json"
        given = json.loads(file.read_text())
        process = given["process"]
        process["terminal"] = False
        process["env"] += [f"AUTHFACTOR_PORT={self.port}", f"AUTHFACTOR_BOOTSTRAP_API_KEY={API_KEY}"]
        process["capabilities"] = {}
        process["noNewPrivileges"] = True
        process["rlimits"] = [
            {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024},
            {"type": "RLIMIT_NPROC", "soft": 512, "hard": 512},
        ]
        given["root"]["readonly"] = True
        given["mounts"] = [
            *(each for each in given["mounts"] if each["destination"] in {"/proc", "/dev"}),
            {
                "destination": "/tmp",  # noqa: S108 - inside a container
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "nodev", "mode=1777"],
            },
            {
                "destination": "/var/lib/authfactor",
                "type": "bind",
                "source": str(state),
                "options": ["bind", "rw"],
            },
        ]
        spaces = given["linux"]["namespaces"]
        given["linux"]["namespaces"] = [each for each in spaces if each["type"] != "network"]
        given["linux"].pop("resources", None)
        file.write_text(json.dumps(given))

    def runc(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["runc", *arguments], capture_output=True, text=True, check=False, timeout=60)

    def inside(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the running container."""
        return self.runc("exec", self.name, *command)


@pytest.fixture(scope="module")
def container(
    layout: Path, tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str], Path]
) -> Iterator[Container]:
    needs("runc")
    bundle = tmp_path_factory.mktemp("container") / "bundle"
    reference = f"{layout}:{authfactor.__version__}"
    subprocess.run([needs("umoci"), "unpack", "--image", reference, bundle], check=True, capture_output=True)
    made = Container(bundle)
    # The state keeps the owner and mode that the image gives it.
    state = bundle.parent / "state"
    shutil.copytree(bundle / "rootfs/var/lib/authfactor", state)
    os.chown(state, UID, UID)
    bundle.parent.chmod(0o755)
    made.configure(state)
    with made.log.open("wb") as log:
        process = subprocess.Popen(
            ["runc", "run", "--bundle", str(bundle), made.name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(made.url, made.log)
        yield made
        made.runc("kill", made.name, "TERM")
        assert process.wait(40) == 0, made.log.read_text()
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            made.runc("delete", "--force", made.name)
        process.kill()
        process.wait()


def test_a_container_enrolls_a_factor(container: Container) -> None:
    enroll_and_verify(container.url)
    listed = container.inside("authfactor", "--json", "environments", "list")
    assert listed.returncode == 0, listed.stderr


def test_a_container_is_not_root_and_cannot_write_outside_its_volume(container: Container) -> None:
    program = "import os; print(os.getuid(), os.getgid()); open('/usr/x', 'w')"
    done = container.inside("python3", "-c", program)
    assert done.stdout.split() == [str(UID), str(UID)]
    assert "Read-only file system" in done.stderr
    owned = container.inside("python3", "-c", "import os; print(oct(os.stat('.').st_mode), os.listdir('.'))")
    assert owned.stdout.startswith("0o40700"), owned.stdout
    assert "authfactor.db" in owned.stdout


def test_a_container_has_the_driver_of_postgresql(
    container: Container, postgres_server: PostgresServer
) -> None:
    variable = f"AUTHFACTOR_DATABASE_URL={postgres_server.url(postgres_server.create_database())}"
    done = container.runc("exec", "--env", variable, container.name, "authfactor", "migrate")
    assert done.returncode == 0, done.stderr


def test_the_health_check_follows_the_configured_port(container: Container) -> None:
    assert container.inside("authfactor", "ready").returncode == 0
    assert container.inside("authfactor", "ready", "--port", str(free_port())).returncode == 7
