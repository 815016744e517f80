"""A full, slow or failing disk, a torn write-ahead log and a jumping clock; then the invariants."""

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from authfactor.settings import Settings
from tests.support import authenticator
from tests.support.fault_invariants import broken
from tests.support.fault_load import Clients
from tests.support.server_process import Server, fields, running, started
from tests.support.skip_or_fail import skip_or_fail


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, large enough for the longest write-ahead log; needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode != 0:
        skip_or_fail("a small tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(120)
def test_a_full_disk_gets_503_and_recovers_when_space_is_freed(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with started(Server(small_disk / "data")) as server, Clients(server) as clients:
        time.sleep(0.3)
        _fill(ballast)
        end = time.monotonic() + 20
        while not clients.answers[503] and time.monotonic() < end:
            _fill(ballast)
            time.sleep(0.1)
        assert clients.answers[503]
        ballast.unlink()
        before, end = clients.answers[201], time.monotonic() + 20
        while clients.answers[201] < before + 20 and time.monotonic() < end:
            time.sleep(0.05)
        assert clients.answers[201] >= before + 20
    assert set(clients.answers) <= {201, 503}, server.output()
    assert broken(Settings(data=server.data), clients.acknowledged) == []


def test_an_unwritable_log_does_not_block_responses(small_disk: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.log = small_disk / "server.log"
    with started(server), server.client() as client:
        _fill(small_disk / "ballast")
        answers = Counter(client.get("/user_management/users").status_code for _ in range(600))
        assert answers == {200: 600}
        (small_disk / "ballast").unlink()
        while "lines were dropped" not in server.output():
            assert client.get("/user_management/users").status_code == 200
            time.sleep(0.05)


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


@pytest.mark.timeout(120)
def test_a_torn_frame_at_the_end_of_the_wal_is_ignored(tmp_path: Path) -> None:
    chance = random.Random(5)
    server = Server(tmp_path / "data")
    acknowledged = []
    for _ in range(5):
        server.start()
        with Clients(server) as clients:
            time.sleep(0.3)
            server.kill()
        acknowledged.append(clients.acknowledged)
        log = server.data / "authfactor.db-wal"
        tail = log.read_bytes()[-4120:]
        # Half a frame that looks like the last one, or noise: a write that was in progress.
        with log.open("ab") as file:
            half = tail[: chance.randrange(1, len(tail))]
            file.write(half if chance.random() < 0.5 else chance.randbytes(6000))
    server.start()
    assert server.stop() == 0
    for each in acknowledged:
        assert broken(Settings(data=server.data), each) == []


SLOW: Final = "usleep(50000); return real(fd);"
FAILING: Final = """const char *file = getenv("FAIL_WHILE");
    if (file && access(file, F_OK) == 0) { errno = EIO; return -1; }
    return real(fd);"""


def _fsync_shim(folder: Path, what: str) -> str:
    """Build a library that replaces fsync and fdatasync; return its path for LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        skip_or_fail("no C compiler to build the fsync shim with")
    includes = "".join(f"#include <{name}.h>\n" for name in ("dlfcn", "errno", "stdlib", "unistd"))
    functions = "".join(
        f'int {name}(int fd) {{ int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "{name}");\n    {what} }}\n'
        for name in ("fdatasync", "fsync")
    )
    source, library = folder / "flush.c", folder / "flush.so"
    source.write_text(f"#define _GNU_SOURCE\n{includes}{functions}")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


@pytest.mark.timeout(120)
def test_clients_share_commits_on_a_slow_disk(tmp_path: Path) -> None:
    library = _fsync_shim(tmp_path, SLOW)
    with running(tmp_path / "data", {"LD_PRELOAD": library}) as server, Clients(server) as clients:
        time.sleep(4)
    # One commit at a time would allow 20 writes per second; eight clients share each commit.
    assert clients.answers[201] > 4 * 20 * 2
    assert set(clients.answers) == {201}
    assert broken(Settings(data=server.data), clients.acknowledged) == []


@pytest.mark.timeout(120)
def test_failed_flushes_get_503_and_lose_no_acknowledged_write(tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    library = _fsync_shim(tmp_path, FAILING)
    with running(tmp_path / "data", {"LD_PRELOAD": library, "FAIL_WHILE": str(failing)}) as server:
        with Clients(server) as clients:
            for _ in range(5):
                _wait_for(clients, 201, 40)
                failing.touch()
                _wait_for(clients, 503, 20)
                failing.unlink()
            failing.touch()
            time.sleep(0.1)
            server.kill()
        failing.unlink()
        server.start()
    assert set(clients.answers) == {201, 503}
    assert broken(Settings(data=server.data), clients.acknowledged) == []


def _wait_for(clients: Clients, status: int, more: int) -> None:
    wanted, end = clients.answers[status] + more, time.monotonic() + 20
    while clients.answers[status] < wanted:
        assert time.monotonic() < end, clients.answers
        time.sleep(0.01)


# The server's interpreter adds an offset from a file to its clock, so that it applies to the whole product.
SHIFTED_CLOCK: Final = """
import os, time
_real, _file = time.time_ns, os.environ["MOVED_CLOCK"]
def _moved():
    try:
        return _real() + int(open(_file).read() or 0) * 1_000_000_000
    except (OSError, ValueError):
        return _real()
time.time_ns = _moved
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("jump", [30, -30, 3600, -3600, -300, 86_400, -86_400])
def test_a_clock_jump_makes_no_used_code_valid_again(tmp_path: Path, jump: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    clock_offset = tmp_path / "clock"
    clock_offset.write_text("0")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    settings = {"PYTHONPATH": path, "MOVED_CLOCK": str(clock_offset)}
    with running(tmp_path / "data", settings) as server, server.client() as client:
        user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        route = f"/user_management/users/{user['id']}/auth_factors"
        made = fields(client.post(route, json={"type": "totp"}), 201)
        secret, factor = made["factor"]["totp"]["secret"], made["factor"]["id"]

        def answer(step: int) -> dict[str, object]:
            challenge = fields(client.post(f"/auth/factors/{factor}/challenge"), 201)
            body = {"code": authenticator.code_at(secret, step)}
            return fields(client.post(f"/auth/challenges/{challenge['id']}/verify", json=body), 201)

        step = authenticator.current_step()
        assert answer(step)["valid"]
        clock_offset.write_text(str(jump))
        assert answer(step)["valid"] is False
        after = authenticator.current_step() + jump // 30
        # After a jump ahead the new step's code is valid; after one back, none is until the clock catches up.
        assert answer(after)["valid"] is (jump > 0)
        clock_offset.write_text("0")
        assert answer(step)["valid"] is False
