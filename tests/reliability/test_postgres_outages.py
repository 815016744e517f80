"""Outages seen by a client: a clean 503 in two seconds, nothing accepted by accident, back by itself."""

import asyncio
import contextlib
import shutil
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from authfactor.store import migrations
from tests.support import authenticator
from tests.support.postgres_server import PostgresServer, as_whom, find_programs
from tests.support.server_process import Server, fields, running
from tests.support.skip_or_fail import skip_or_fail
from tests.support.tcp_proxy import proxied

PROMISED_SECONDS: Final = 2.0
# A machine that is busy with other things may be late once, but not in half of all cases.
PATIENCE: Final = 8.0
REQUESTS: Final = 12


class EnrolledUser:
    """A user with a fresh factor."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with server.client() as api:
            body = {"email": f"{uuid.uuid4().hex}@example.org"}
            self.user = fields(api.post("/user_management/users", json=body), 201)
            made = fields(api.post(self.path, json={"type": "totp"}), 201)
        self.factor = made["authentication_factor"]["id"]
        self.secret = made["authentication_factor"]["totp"]["secret"]
        self.challenge = made["authentication_challenge"]["id"]

    @property
    def path(self) -> str:
        return f"/user_management/users/{self.user['id']}/auth_factors"

    def verify(self, code: str) -> httpx.Response:
        with self._server.client() as api:
            return api.post(f"/auth/challenges/{self.challenge}/verify", json={"code": code})


def assert_refused(answers: list[httpx.Response]) -> None:
    """Every one a 503 that says when to come back, in time."""
    for answer in answers:
        body = fields(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert body["code"] == "service_unavailable", body
        assert "valid" not in body
    assert_in_time(answers)


def assert_in_time(answers: list[httpx.Response]) -> None:
    times = [answer.elapsed.total_seconds() for answer in answers]
    assert statistics.median(times) < PROMISED_SECONDS, times
    assert max(times) < PATIENCE, times


def everything(server: Server, user: EnrolledUser) -> list[httpx.Response]:
    """Ask for all that a second factor is, at the same time."""
    calls: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", f"/auth/challenges/{user.challenge}/verify", {"code": authenticator.code(user.secret)}),
        ("POST", f"/auth/factors/{user.factor}/challenge", {}),
        ("POST", user.path, {"type": "totp"}),
        ("GET", f"/auth/factors/{user.factor}", None),
        ("GET", user.path, None),
        ("POST", "/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org"}),
    ]

    def send(call: tuple[str, str, dict[str, Any] | None]) -> httpx.Response:
        with server.client() as api:
            return api.request(call[0], call[1], json=call[2])

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


def assert_back(server: Server, user: EnrolledUser) -> None:
    """The code that nobody accepted is still good, once; new people can come."""
    code = authenticator.code(user.secret, 1)
    assert fields(user.verify(code), 201)["valid"] is True
    with server.client() as api:
        fields(api.get("/readyz"), 200)
        challenge = fields(api.post(f"/auth/factors/{user.factor}/challenge"), 201)
        again = fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": code}), 201)
    assert again["reason"] == "code_already_used"
    EnrolledUser(server)


@pytest.fixture(scope="module")
def fragile() -> Iterator[PostgresServer]:
    """Start a PostgreSQL that the tests here may kill, with a migrated database."""
    made = PostgresServer(find_programs())
    made.start()
    made.sql(migrations.script("postgresql"))
    yield made
    made.stop()


@contextlib.contextmanager
def served(folder: Path, url: str, **settings: str) -> Iterator[Server]:
    named = {f"AUTHFACTOR_{name.upper()}": value for name, value in settings.items()}
    # The tests share the database, so they share the keys it needs.
    shared = {"AUTHFACTOR_DATABASE_URL": url, "AUTHFACTOR_KEYS": str(folder.parent / "keys-of-the-fragile")}
    with running(folder / "data", {**shared, **named}) as server:
        yield server


def test_a_database_that_is_down(fragile: PostgresServer, tmp_path: Path) -> None:
    with served(tmp_path, fragile.url()) as server:
        user = EnrolledUser(server)
        fragile.kill()
        try:
            with server.client() as api:
                assert fields(api.get("/healthz"), 200) == {"status": "ok"}
                assert_refused([api.get("/readyz")])
            assert_refused(everything(server, user))
        finally:
            fragile.start()
        assert_back(server, user)


def test_a_database_that_hangs(fragile: PostgresServer, tmp_path: Path) -> None:
    with served(tmp_path, fragile.url()) as server:
        user = EnrolledUser(server)
        fragile.freeze()
        try:
            assert_refused(everything(server, user))
        finally:
            fragile.thaw()
        assert_back(server, user)


def test_a_database_300_ms_away(fragile: PostgresServer, tmp_path: Path) -> None:
    """What takes a few round trips succeeds, what takes too many is refused, both in time."""
    with proxied(fragile.url()) as proxy, served(tmp_path, proxy.url) as server:
        user = EnrolledUser(server)
        code = authenticator.code(user.secret)
        proxy.delay = 0.3
        with server.client() as api:
            read = api.get(f"/auth/factors/{user.factor}")
            fields(read, 200)
            answers = [user.verify(code) for _ in range(3)]
        assert_refused(answers)
        assert_in_time([read])
        proxy.delay = 0
        assert_back(server, user)


def test_a_pool_with_no_connection_left(fragile: PostgresServer, tmp_path: Path) -> None:
    """Two connections, both waiting for rows that somebody else holds."""
    with served(tmp_path, fragile.url(), pool_size="2") as server:
        held, other = EnrolledUser(server), EnrolledUser(server)
        with holding(fragile, "SELECT 1 FROM users FOR UPDATE"), ThreadPoolExecutor(REQUESTS) as pool:
            answers = list(pool.map(lambda _: _enroll(server, held), range(REQUESTS)))
            assert_refused(answers)
            # The next wave finds connections again once the first has given up.
            assert_refused([_enroll(server, other)])
        assert_back(server, other)
        assert_back(server, held)


def test_a_postgresql_whose_disk_is_full(fragile: PostgresServer, tmp_path: Path) -> None:
    with small_disk(24) as disk:
        shutil.chown(disk, *as_whom().values())
        place = disk / "tablespace"
        place.mkdir()
        shutil.chown(place, *as_whom().values())
        fragile.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
        fragile.sql("CREATE DATABASE small TABLESPACE small")
        try:
            fragile.sql(migrations.script("postgresql"), "small")
            with served(tmp_path, fragile.url("small")) as server:
                filler = Filler(disk)
                filled_and_freed(server, filler)
        finally:
            fragile.sql("DROP DATABASE IF EXISTS small WITH (FORCE)")
            fragile.sql("DROP TABLESPACE small")


def test_a_sqlite_whose_disk_is_full(tmp_path: Path) -> None:
    with small_disk(8) as disk, running(disk / "data") as server:
        filled_and_freed(server, Filler(disk))


class Filler:
    """Takes all the room there is, and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"

    def fill(self) -> None:
        with self._path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        self._path.unlink()


def filled_and_freed(server: Server, filler: Filler) -> None:
    """Enrol on a full disk until it is refused, verify there, free it, and look at what was promised."""
    users = [EnrolledUser(server) for _ in range(3)]
    filler.fill()
    enrolled: list[str] = []
    refused: list[httpx.Response] = []
    for _ in range(2000):
        # Pages that were half empty take a few more.
        answer = _enroll_stand_alone(server)
        if answer.status_code != 201:
            refused.append(answer)
            if len(refused) == REQUESTS:
                break
        else:
            enrolled.append(fields(answer, 201)["id"])
    assert_refused(refused)
    accepted: set[str] = set()
    for user in users:
        for _ in range(3):
            answer = user.verify(authenticator.code(user.secret, 1))
            if answer.status_code == 201:
                # There was room for this one: then it is spent like any other.
                assert fields(answer, 201)["valid"] is True
                assert user.secret not in accepted
                accepted.add(user.secret)
                break
            assert_refused([answer])
    filler.free()
    for user in users:
        with server.client() as api:
            challenge = fields(api.post(f"/auth/factors/{user.factor}/challenge"), 201)
            code = {"code": authenticator.code(user.secret, 1)}
            answer = api.post(f"/auth/challenges/{challenge['id']}/verify", json=code)
        assert fields(answer, 201)["valid"] is (user.secret not in accepted)
    with server.client() as api:
        for factor_id in enrolled:
            fields(api.get(f"/auth/factors/{factor_id}"), 200)
        fields(api.get("/readyz"), 200)
    EnrolledUser(server)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of this size; only root may, others skip (and fail in CI)."""
    folder = Path(tempfile.mkdtemp(prefix="authfactor-disk-"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        reason = "a small file system cannot be mounted: that takes root"
        skip_or_fail(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextlib.contextmanager
def holding(server: PostgresServer, statement: str) -> Iterator[None]:
    """Keep the locks of a statement for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    try:
        connection: Any = loop.run_until_complete(asyncpg.connect(server.url()))
        loop.run_until_complete(connection.execute(f"BEGIN; {statement}"))
        yield
        loop.run_until_complete(connection.close())
    finally:
        loop.close()


def _enroll(server: Server, user: EnrolledUser) -> httpx.Response:
    with server.client() as api:
        return api.post(user.path, json={"type": "totp"})


def _enroll_stand_alone(server: Server) -> httpx.Response:
    body = {"type": "totp", "totp_issuer": "Acme", "totp_user": uuid.uuid4().hex}
    with server.client() as api:
        return api.post("/auth/factors/enroll", json=body)
