"""What durability costs: the disk's sync, a single write, and writes that share a commit.

Usage: .venv/bin/python bench/commits.py [--seconds S] [--rounds N] [--folder DIR] [--json]

sync     fdatasync after one page, written into a file that has its size already, as the log of writes does
alone    opening a challenge, one at a time: the median, and how many syncs that is
enroll    the same for an enrollment, with its picture; it should take three syncs and what the picture takes
picture  drawing one of those pictures, and nothing else
pages    how many pages an enrollment writes into the log, and what it takes to write and sync as many
each     16 tasks that open challenges, but every one commits for itself
shared   the same 16 tasks, with the store's group commit

In process, on a server's event loop, so that the figures are the store's and not the network's. The rounds
are interleaved.
Runs in the repository's environment.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import uvloop

from authfactor.core import Authfactor
from authfactor.models import Environment
from authfactor.otp import qr
from authfactor.server.worker import SWITCH_SECONDS
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser, EnrollUserFactor

PAGE = bytes(4096)
LOG_PAGES = 1000
WRITERS = 16
FACTORS = 64
# An enrollment looks at the user's other factors: they must stay few.
USERS = 1000
MICRO = 1e6


def sync_us(folder: Path, seconds: float, pages: int = 1) -> float:
    """Return the median time to write and sync that many pages, in microseconds."""
    path = folder / "pages"
    path.write_bytes(PAGE * LOG_PAGES)
    times = []
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            for page in range(pages):
                os.pwrite(descriptor, PAGE, (len(times) * pages + page) % LOG_PAGES * len(PAGE))
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
    return statistics.median(times) * MICRO


def picture_us(uris: list[str], seconds: float) -> float:
    """Return the median time to draw a QR code, in microseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        qr.png_data_uri(uris[len(times) % len(uris)])
        times.append(time.perf_counter() - started)
    return statistics.median(times) * MICRO


async def alone_us(act: Callable[[int], Awaitable[object]], seconds: float) -> float:
    """Return the median time of sequential writes, in microseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        await act(len(times))
        times.append(time.perf_counter() - started)
    return statistics.median(times) * MICRO


async def rate(act: Callable[[int], Awaitable[object]], seconds: float, *, shared: bool) -> float:
    """Return the writes per second of 16 tasks; unless `shared`, a lock makes each commit separately."""
    done = 0
    lock = contextlib.nullcontext() if shared else asyncio.Lock()
    end = time.perf_counter() + seconds

    async def writer(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            async with lock:
                await act(number)
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    return done / (time.perf_counter() - started)


async def pages_of(path: Path, act: Callable[[int], Awaitable[object]], times: int = 50) -> float:
    """Return the pages that a write adds to the write-ahead log, which `times` writes must not fill."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        await act(0)
        before = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
        for number in range(times):
            await act(number)
        after = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    return float(after - before) / times


@contextlib.asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[tuple[Authfactor, Environment]]:
    """Open a new installation."""
    settings = Settings(data=folder, bootstrap_client_id="client_bench", max_factors_per_user=1_000_000)
    af = await Authfactor.open(settings)
    try:
        yield af, await af.read(af.environments.by_client_id("client_bench"))
    finally:
        await af.close()


async def measure(folder: Path, seconds: float, rounds: int) -> dict[str, float]:
    """Run all rounds and return the medians."""
    parts = ("sync", "alone", "enroll", "picture", "pages", "pages_sync", "each", "shared")
    samples: dict[str, list[float]] = {name: [] for name in parts}
    async with installation(folder / "installation") as (af, environment):
        users = []
        for number in range(USERS):
            made = await af.users.prepare_create(environment, CreateUser(email=f"user{number}@bench.example"))
            users.append((await af.run(made)).id)

        uris: list[str] = []

        async def enroll(number: int) -> str:
            request, user_id = EnrollUserFactor(type="totp"), users[number % USERS]
            enrolled = await af.run(af.factors.enroll(environment, user_id, request))
            assert enrolled.qr_code
            uris.append(enrolled.uri)
            return enrolled.factor.id

        factors = [await enroll(number) for number in range(FACTORS)]

        async def challenge(number: int) -> object:
            return await af.run(af.challenges.create(environment, factors[number % FACTORS]))

        for _ in range(rounds):
            samples["sync"].append(sync_us(folder, seconds))
            samples["alone"].append(await alone_us(challenge, seconds))
            samples["enroll"].append(await alone_us(enroll, seconds))
            samples["picture"].append(picture_us(uris[-FACTORS:], seconds))
            pages = await pages_of(folder / "installation" / "authfactor.db", enroll)
            samples["pages"].append(pages)
            samples["pages_sync"].append(sync_us(folder, seconds, round(pages)))
            samples["each"].append(await rate(challenge, seconds, shared=False))
            samples["shared"].append(await rate(challenge, seconds, shared=True))
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each part in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="%(default)s")
    parser.add_argument("--folder", help="where the database is made (the system's temporary folder)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    # As in a server: the commit thread gets the GIL sooner than after Python's default of 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder) as name:
        found = uvloop.run(measure(Path(name), given.seconds, given.rounds))
    if given.json:
        print(json.dumps(found))
        return
    print(f"fdatasync of a page       {found['sync']:>8,.0f} µs")
    for name, title in (("alone", "challenge, alone"), ("enroll", "enrollment, alone")):
        print(f"{title:<25} {found[name]:>8,.0f} µs = {found[name] / found['sync']:.1f} syncs")
    rest = found["enroll"] - found["picture"]
    print(f"  without its picture     {rest:>8,.0f} µs = {rest / found['sync']:.1f} syncs")
    pages, raw = found["pages"], found["pages_sync"]
    print(
        f"as many pages, synced     {raw:>8,.0f} µs = {raw / found['sync']:.1f} syncs for {pages:.1f} pages"
    )
    print(f"16 writers, a commit each {found['each']:>8,.0f}/s")
    ratio = found["shared"] / found["each"]
    print(f"16 writers, shared        {found['shared']:>8,.0f}/s, {ratio:.1f} times as many")


if __name__ == "__main__":
    main()
