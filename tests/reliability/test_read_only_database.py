"""A database becomes read-only under a running server: writes get 503, reads continue, writes resume."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from authfactor.settings import Settings
from tests.cli.test_vault import enroll
from tests.reliability.test_storage_faults import _wait_for
from tests.support.fault_invariants import broken
from tests.support.fault_load import Clients
from tests.support.server_process import Server, assert_no_surprise, fields
from tests.support.skip_or_fail import skip_or_fail

# What the kernel returns for open files on a file system that it remounted read-only after an error.
READ_ONLY: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int refused(int fd) {
    char link[64], name[4096];
    if (access(getenv("READ_ONLY_WHILE"), F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return 0;
    name[length] = 0;
    if (!strstr(name, "authfactor.db")) return 0;
    errno = EROFS;
    return 1;
}
#define NEXT(name, type) ((type)dlsym(RTLD_NEXT, name))
#define WRITE(name) ssize_t name(int fd, const void *from, size_t count, off_t at) { \
    return refused(fd) ? -1 : NEXT(#name, ssize_t (*)(int, const void *, size_t, off_t)) \
        (fd, from, count, at); }
#define CUT(name) int name(int fd, off_t size) { \
    return refused(fd) ? -1 : NEXT(#name, int (*)(int, off_t))(fd, size); }
WRITE(pwrite) WRITE(pwrite64) CUT(ftruncate) CUT(ftruncate64)
"""

Switch = Callable[[bool], None]


@pytest.fixture(params=["file system", "files"])
def server_and_switch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Switch]]:
    """A server, and a function that makes its database read-only or writable."""
    data = tmp_path / "data"
    if request.param == "files":
        server = Server(data)
        yield server, _immutable(data)
        subprocess.run(["chattr", "-R", "-i", str(data)], check=True)
        _end(server)
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        skip_or_fail("no C compiler to build the read-only shim with")
    (tmp_path / "shim.c").write_text(READ_ONLY)
    library, mark = tmp_path / "shim.so", tmp_path / "read-only"
    build = [compiler, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "shim.c"), "-ldl"]
    subprocess.run(build, check=True)

    def switch(on: bool) -> None:
        if on:
            mark.touch()
        else:
            mark.unlink()

    server = Server(data, {"LD_PRELOAD": str(library), "READ_ONLY_WHILE": str(mark)})
    yield server, switch
    _end(server)


def _end(server: Server) -> None:
    if server.is_running():
        server.kill()


def _immutable(data: Path) -> Switch:
    data.mkdir()
    probe = data / "probe"
    probe.touch()
    for sign in ("+i", "-i"):
        probed = subprocess.run(["chattr", sign, str(probe)], capture_output=True, check=False)
        if probed.returncode != 0:
            pytest.skip("files cannot be made immutable here: it needs root and file system support")
    probe.unlink()

    def switch(on: bool) -> None:
        # Not the memory-mapped `-shm` file: a process that writes to it would be killed by SIGBUS.
        files = [str(path) for path in data.glob("authfactor.db*") if not path.name.endswith("-shm")]
        subprocess.run(["chattr", "+i" if on else "-i", *files, str(data)], check=True)

    return switch


@pytest.mark.timeout(120)
def test_a_read_only_database_serves_reads_and_recovers(
    server_and_switch: tuple[Server, Switch],
) -> None:
    server, switch = server_and_switch
    server.start()
    factor, _ = enroll(server)
    with Clients(server) as clients, server.client() as reader:
        for _ in range(3):
            _wait_for(clients, 201, 20)
            switch(True)
            _wait_for(clients, 503, 20)
            written = clients.answers[201]
            for _ in range(20):
                assert fields(reader.get(f"/auth/factors/{factor}"), 200)["id"] == factor
                time.sleep(0.01)
            # After every client was refused, no further write was acknowledged.
            assert clients.answers[201] == written
            refused = fields(reader.post("/user_management/users", json={"email": "kim@example.org"}), 503)
            assert "read-only" in refused["message"]
            switch(False)
    assert set(clients.answers) == {201, 503}
    assert broken(Settings(data=server.data), clients.acknowledged) == []
    assert server.stop() == 0
    assert_no_surprise(server)
