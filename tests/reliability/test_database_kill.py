"""A PostgreSQL that is killed under load, again and again, and a server that goes on with it."""

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
# Commits wait for the disk. After a crash a server flushes its folder, file by file; Linux can do it at once.
QUICK: Final = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}
DURABLE: Final = {"fsync": "on", "shared_buffers": "2MB", **QUICK}


def _one_death(server: Server, database: PostgresServer, chance: random.Random) -> Acknowledged:
    with Clients(server) as clients:
        time.sleep(chance.uniform(0.1, 0.4))
        # The postmaster alone, while sessions may still commit; or all, whatever they are at.
        chance.choice((database.kill, database.kill_all))()
        time.sleep(0.05)
        database.start()
    assert set(clients.answers) <= {201, 503}, clients.answers
    return clients.acknowledged


def _kill_postgres(folder: Path, rounds: int) -> None:
    chance = random.Random(11)
    database = PostgresServer(find_programs(), **DURABLE)
    everything = Acknowledged()
    try:
        database.start()
        url = database.url(database.create_database())
        assert command_line("migrate", AUTHFACTOR_DATABASE_URL=url).returncode == 0
        with running(folder / "data", {"AUTHFACTOR_DATABASE_URL": url}) as server:
            for _ in range(rounds):
                acknowledged = _one_death(server, database, chance)
                assert broken(Settings(database_url=url), acknowledged) == []
                everything.factors |= acknowledged.factors
                everything.accepted += acknowledged.accepted
            # What survived the next kill must survive the last one.
            assert broken(Settings(database_url=url), everything) == []
    finally:
        database.stop()
    assert len(everything.accepted) > rounds
    print(  # noqa: T201 - for `make nightly`
        f"{rounds} kills, {len(everything.factors)} enrolments and {len(everything.accepted)} codes kept"
    )


@pytest.mark.timeout(300)
def test_killing_postgresql_in_thirty_rounds_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    _kill_postgres(tmp_path, ROUNDS)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_killing_postgresql_in_two_hundred_rounds_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    _kill_postgres(tmp_path, NIGHTLY_ROUNDS)
