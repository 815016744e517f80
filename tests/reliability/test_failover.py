"""The primary dies under load, again and again: nothing that was answered is lost, no code is good twice.

`CLUSTER_KILLS` says how often (20 by default). The times of each failover are printed as a table.
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
from tests.support.cluster_load import Client, Promises
from tests.support.skip_or_fail import skip_or_fail

KILLS: Final = int(os.environ.get("CLUSTER_KILLS", "20"))
CLIENTS: Final = 32
QUIET_SECONDS: Final = 4.0  # of load before each kill
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
    whole: float
    asked_again: int

    def __str__(self) -> str:
        times = f"{self.recovered:>10.1f}{self.whole:>12.1f}"
        return f"{self.how:<6}{self.old} -> {self.new}{times}{self.asked_again:>14}"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    try:
        made = Cluster()
    except Missing as error:
        skip_or_fail(str(error))
    try:
        made.start(lambda _: None, SETTINGS)
        yield made
    finally:
        made.stop()


def test_the_primary_may_die_under_load_without_a_loss_and_without_a_second_use(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    promises, failovers = asyncio.run(through_failovers(cluster))

    lines = [
        "\n\nhow   primary           writes again  3 nodes  codes asked again",
        *map(str, failovers),
        f"answers: {dict(promises.statuses)}, the slowest took {promises.slowest:.1f} s",
        f"factors: {len(promises.factors)}, codes: {len(promises.spent)}, twice: {len(promises.twice)}\n",
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(lines))

    assert promises.strange == []
    assert promises.twice == []
    assert max(failover.recovered for failover in failovers) < RECOVERY_SECONDS
    assert min(failover.asked_again for failover in failovers) > 0
    assert len(promises.factors) > 20 * len(failovers)
    assert set(promises.statuses) <= {"201", "503"}
    assert_kept(asyncio.run(stored(cluster)), promises)
    for name in ("authfactor1", "authfactor2"):
        assert "Traceback" not in cluster.logs(name), cluster.logs(name)


async def through_failovers(cluster: Cluster) -> tuple[Promises, list[Failover]]:
    """Load the service all the while; kill the primary `KILLS` times, and let it hang once."""
    promises, stopping = Promises(), asyncio.Event()
    clients = [Client(cluster.url, KEY, promises) for _ in range(CLIENTS)]
    running = [asyncio.create_task(client.run(stopping)) for client in clients]
    try:
        failovers = [await fail_over(cluster, promises, signal.SIGKILL) for _ in range(KILLS)]
        failovers.append(await fail_over(cluster, promises, signal.SIGSTOP))
        await asyncio.sleep(QUIET_SECONDS)
    finally:
        stopping.set()
        await asyncio.gather(*running)
    return promises, failovers


async def fail_over(cluster: Cluster, promises: Promises, how: signal.Signals) -> Failover:
    await asyncio.sleep(QUIET_SECONDS)
    # A starved machine may lose its lease by itself: wait until there is something to take away.
    await until_success(promises, time.monotonic() - 1)
    primary = await asyncio.to_thread(wait_for, cluster.primary, "a primary")
    assert isinstance(primary, Node)
    killed = time.monotonic()
    await asyncio.to_thread(primary.signal, how)
    success = await until_success(promises, time_of(killed))
    asked_again = await ask_again(cluster, promises, killed)
    if how == signal.SIGSTOP:
        # What the watchdog does to a machine whose Patroni hangs for longer than its lease (patroni.yml).
        await asyncio.to_thread(primary.signal, signal.SIGKILL)
    primary.start()
    await asyncio.to_thread(wait_for, cluster.is_whole, "three nodes again")
    new = cluster.primary()
    assert new is not None
    whole = time.monotonic() - killed
    name = "kill" if how == signal.SIGKILL else "hang"
    return Failover(name, primary.name, new.name, success - killed, whole, asked_again)


async def until_success(promises: Promises, moment: float) -> float:
    """Wait for a write that was sent after a moment to succeed, and say when it did."""
    end = time.monotonic() + 4 * RECOVERY_SECONDS
    while (success := promises.first_success_after(moment)) is None:
        assert time.monotonic() < end, "the service does not come back"
        await asyncio.sleep(0.05)
    return success


def time_of(killed: float) -> float:
    """A little later than the signal: what was on its way may still have been answered."""
    return killed + 0.5


async def ask_again(cluster: Cluster, promises: Promises, killed: float) -> int:
    """Try every code again that was accepted shortly before the kill and is still within its window."""
    oldest = authenticator.current_step() - 1
    recent = [spent for spent in promises.spent if killed - 5 < spent.at < killed and spent.step >= oldest]
    asked = 0
    client = Client(cluster.url, KEY, promises)
    for spent in recent[-100:]:
        valid = await client.verify_again(spent)
        asked += valid is not None
        if valid:
            promises.twice.append(spent)
    client.close()
    return asked


async def stored(cluster: Cluster) -> dict[str, Any]:
    """Read every factor from the primary: its user, the last step spent, and when it became active."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        rows = await connection.fetch("SELECT id, user_id, last_step, activated_at FROM factors")
    finally:
        await connection.close()
    return {row[0]: row[1:] for row in rows}


def assert_kept(factors: dict[str, Any], promises: Promises) -> None:
    lost = [
        factor_id
        for factor_id, user_id in promises.factors.items()
        if factors.get(factor_id, (None,))[0] != user_id
    ]
    assert lost == []
    reopened = [spent for spent in promises.spent if factors[spent.factor_id][1] < spent.step]
    assert reopened == []
    assert all(factors[spent.factor_id][2] is not None for spent in promises.spent)
