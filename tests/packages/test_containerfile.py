"""The Containerfile: built by buildah on a base image of Debian's Python, and used."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.first_factor import enroll_and_verify, wait_until_ready
from tests.support.server_process import API_KEY, free_port
from tests.support.skip_or_fail import skip_or_fail

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "deploy" / "container" / "Containerfile"
BASE_PACKAGES: Final = "ca-certificates,passwd,python-is-python3,python3,python3-pip,python3-venv"
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
# The server runs until the standard input ends; the shell's exit code is the server's.
UNTIL_END_OF_INPUT: Final = "authfactor serve & server=$!; read -r _; kill $server; wait $server"

pytestmark = [pytest.mark.packages, pytest.mark.timeout(420)]


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        storage = ("--storage-driver", "vfs", "--root", folder / "store", "--runroot", folder / "run")
        self.command: Final[list[str | Path]] = ["buildah", *storage]

    def run(self, *arguments: str | Path) -> str:
        """Return what a command prints."""
        done = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str], Path]) -> Iterator[Buildah]:
    needs("buildah")
    needs("mmdebstrap")
    if os.geteuid() != 0:
        skip_or_fail("the image is built as root")
    folder = tmp_path_factory.mktemp("buildah")
    made = Buildah(folder)
    yield made
    made.run("rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def image(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the Containerfile on Debian's Python, under the name of the base image that it asks for."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=essential", f"--include={BASE_PACKAGES}", "trixie", archive],
        check=True,
        capture_output=True,
    )
    (base,) = {line.split()[1] for line in FILE.read_text().splitlines() if line.startswith("FROM ")}
    container = buildah.run("from", "scratch")
    buildah.run("add", container, archive, "/")
    buildah.run("commit", "--rm", "--quiet", container, base)
    archive.unlink()
    trusted = os.environ.get("SSL_CERT_FILE", CERTIFICATES)
    buildah.run(
        *("bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
        *("--volume", f"{trusted}:{CERTIFICATES}:ro", "--file", FILE, "--tag", "authfactor", "."),
    )
    return "localhost/authfactor"


def test_the_containerfile_builds_an_image_that_enrolls_a_factor(
    buildah: Buildah, image: str, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    container = buildah.run("from", "--pull-never", image)
    for setting in (f"AUTHFACTOR_PORT={port}", f"AUTHFACTOR_BOOTSTRAP_API_KEY={API_KEY}"):
        buildah.run("config", "--env", setting, container)
    inside = ("run", "--isolation", "chroot", container, "--")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*buildah.command, *inside, "sh", "-c", UNTIL_END_OF_INPUT],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, log)
        enroll_and_verify(url)
        assert buildah.run(*inside, "authfactor", "ready") == "ready"
        assert buildah.run(*inside, "python3", "-c", "import os; print(os.getuid())") == "10001"
        process.communicate(timeout=40)
        assert process.returncode == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
