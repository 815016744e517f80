"""PostgreSQL is killed repeatedly under load while one server keeps running."""

import random
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from authfactor.settings import Settings
from tests.support.fault_invariants import Acknowledged, broken
from tests.support.fault_load import Clients
from tests.support.postgres_server import PostgresServer, find_programs
from tests.support.server_process import Server, command_line, running

ROUNDS: Final = 30
NIGHTLY_ROUNDS: Final = 200
# After a crash PostgreSQL flushes its data folder file by file; on Linux, syncfs does it in one call.
QUICK: Final = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}
DURABLE: Final = {"fsync": "on", "shared_buffers": "2MB", **QUICK}


def _kill_once(server: Server, database: PostgresServer, chance: random.Random) -> Acknowledged:
    with Clients(server) as clients:
        time.sleep(chance.uniform(0.1, 0.4))
        # Only the postmaster, while sessions may still commit; or all processes.
        chance.choice((database.kill, database.kill_all))()
        time.sleep(0.05)
        database.start()
    assert set(clients.answers) <= {201, 503}, clients.answers
    return clients.acknowledged


def _kill_postgres(folder: Path, rounds: int) -> None:
    chance = random.Random(11)
    database = PostgresServer(find_programs(), **DURABLE)
    all_acknowledged = Acknowledged()
    try:
        database.start()
        url = database.url(database.create_database())
        assert command_line("migrate", AUTHFACTOR_DATABASE_URL=url).returncode == 0
        with running(folder / "data", {"AUTHFACTOR_DATABASE_URL": url}) as server:
            for _ in range(rounds):
                acknowledged = _kill_once(server, database, chance)
                assert broken(Settings(database_url=url), acknowledged) == []
                all_acknowledged.factors |= acknowledged.factors
                all_acknowledged.accepted += acknowledged.accepted
            # What survived one kill must survive all later ones.
            assert broken(Settings(database_url=url), all_acknowledged) == []
    finally:
        database.stop()
    assert len(all_acknowledged.accepted) > rounds
    print(  # noqa: T201 - for `make nightly`
        f"{rounds} kills, {len(all_acknowledged.factors)} enrollments"
        f" and {len(all_acknowledged.accepted)} codes kept"
    )


@pytest.mark.timeout(300)
def test_thirty_kills_of_postgresql_lose_no_acknowledged_write(tmp_path: Path) -> None:
    _kill_postgres(tmp_path, ROUNDS)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_two_hundred_kills_of_postgresql_lose_no_acknowledged_write(tmp_path: Path) -> None:
    _kill_postgres(tmp_path, NIGHTLY_ROUNDS)
