"""The primary is killed repeatedly under load: no acknowledged write is lost, no code is accepted twice.

`CLUSTER_KILLS` sets the number of kills (20 by default). The times of each failover are printed as a table.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import pytest

from deploy.cluster.local import Cluster, Missing, Node, wait_for
from tests.support import authenticator
from tests.support.cluster_load import Client, Observed
from tests.support.skip_or_fail import skip_or_fail

KILLS: Final = int(os.environ.get("CLUSTER_KILLS", "20"))
CLIENTS: Final = 32
LOAD_SECONDS: Final = 4.0  # before each kill
RECOVERY_SECONDS: Final = 30.0
KEY: Final = "sk_test_cluster"
SETTINGS: Final = {"AUTHFACTOR_BOOTSTRAP_API_KEY": KEY, "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": "client_cluster"}

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240 + 90 * (KILLS + 1))]


@dataclass(frozen=True)
class Failover:
    """One row of the table; times in seconds from the kill."""

    how: str
    old: str
    new: str
    recovered: float
    complete: float
    replayed: int

    def __str__(self) -> str:
        times = f"{self.recovered:>10.1f}{self.complete:>12.1f}"
        return f"{self.how:<6}{self.old} -> {self.new}{times}{self.replayed:>14}"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    try:
        started = Cluster()
    except Missing as error:
        skip_or_fail(str(error))
    try:
        started.start(lambda _: None, SETTINGS)
        yield started
    finally:
        started.stop()


def test_failover_under_load_loses_no_write_and_reuses_no_code(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    observed, failovers = asyncio.run(run_failovers(cluster))

    lines = [
        "\n\nhow   primary           writes again  3 nodes  codes replayed",
        *map(str, failovers),
        f"responses: {dict(observed.statuses)}, the slowest took {observed.slowest:.1f} s",
        f"factors: {len(observed.factors)}, codes: {len(observed.spent)}, reused: {len(observed.reused)}\n",
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(lines))

    assert observed.unexpected == []
    assert observed.reused == []
    assert max(failover.recovered for failover in failovers) < RECOVERY_SECONDS
    assert min(failover.replayed for failover in failovers) > 0
    assert len(observed.factors) > 20 * len(failovers)
    assert set(observed.statuses) <= {"201", "503"}
    assert_no_loss(asyncio.run(stored(cluster)), observed)
    for name in ("authfactor1", "authfactor2"):
        assert "Traceback" not in cluster.logs(name), cluster.logs(name)


async def run_failovers(cluster: Cluster) -> tuple[Observed, list[Failover]]:
    """Under continuous load, kill the primary `KILLS` times and freeze it once."""
    observed, stopping = Observed(), asyncio.Event()
    clients = [Client(cluster.url, KEY, observed) for _ in range(CLIENTS)]
    running = [asyncio.create_task(client.run(stopping)) for client in clients]
    try:
        failovers = [await fail_over(cluster, observed, signal.SIGKILL) for _ in range(KILLS)]
        failovers.append(await fail_over(cluster, observed, signal.SIGSTOP))
        await asyncio.sleep(LOAD_SECONDS)
    finally:
        stopping.set()
        await asyncio.gather(*running)
    return observed, failovers


async def fail_over(cluster: Cluster, observed: Observed, how: signal.Signals) -> Failover:
    await asyncio.sleep(LOAD_SECONDS)
    # A primary on a busy machine may lose its lease by itself: wait until writes succeed.
    await wait_for_success(observed, time.monotonic() - 1)
    primary = await asyncio.to_thread(wait_for, cluster.primary, "a primary")
    assert isinstance(primary, Node)
    killed = time.monotonic()
    await asyncio.to_thread(primary.signal, how)
    success = await wait_for_success(observed, settled_after(killed))
    replayed = await replay_recent_codes(cluster, observed, killed)
    if how == signal.SIGSTOP:
        # As the watchdog does when Patroni hangs for longer than its lease (patroni.yml).
        await asyncio.to_thread(primary.signal, signal.SIGKILL)
    primary.start()
    await asyncio.to_thread(wait_for, cluster.is_whole, "three nodes")
    new = cluster.primary()
    assert new is not None
    whole = time.monotonic() - killed
    name = "kill" if how == signal.SIGKILL else "hang"
    return Failover(name, primary.name, new.name, success - killed, whole, replayed)


async def wait_for_success(observed: Observed, moment: float) -> float:
    """Wait for a write that was sent after `moment` to succeed and return when it did."""
    end = time.monotonic() + 4 * RECOVERY_SECONDS
    while (success := observed.first_success_after(moment)) is None:
        assert time.monotonic() < end, "the service does not recover"
        await asyncio.sleep(0.05)
    return success


def settled_after(killed: float) -> float:
    """Return half a second after the kill: writes sent before may still succeed on the old primary."""
    return killed + 0.5


async def replay_recent_codes(cluster: Cluster, observed: Observed, killed: float) -> int:
    """Send every code again that was accepted shortly before the kill and is still in its window."""
    oldest = authenticator.current_step() - 1
    recent = [spent for spent in observed.spent if killed - 5 < spent.at < killed and spent.step >= oldest]
    replayed = 0
    client = Client(cluster.url, KEY, observed)
    for spent in recent[-100:]:
        valid = await client.verify_again(spent)
        replayed += valid is not None
        if valid:
            observed.reused.append(spent)
    client.close()
    return replayed


async def stored(cluster: Cluster) -> dict[str, Any]:
    """Read every factor from the primary: its user, the last spent step and its activation time."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        rows = await connection.fetch("SELECT id, user_id, last_step, activated_at FROM factors")
    finally:
        await connection.close()
    return {row[0]: row[1:] for row in rows}


def assert_no_loss(factors: dict[str, Any], observed: Observed) -> None:
    lost = [
        factor_id
        for factor_id, user_id in observed.factors.items()
        if factors.get(factor_id, (None,))[0] != user_id
    ]
    assert lost == []
    reopened = [spent for spent in observed.spent if factors[spent.factor_id][1] < spent.step]
    assert reopened == []
    assert all(factors[spent.factor_id][2] is not None for spent in observed.spent)
