"""How latency and size grow with the number of factors on both databases: `bench/growth.py --help`.

For each size and each kind of database, an installation is filled with valid rows (a user with one active
factor, its first challenge, three events) without the API. Then a server runs on each, and one client sends
one request at a time to all sizes, in ascending order in one round and in descending order in the next, so
that a slow minute of the machine affects all of them. A ratio is the median of the ratios within the rounds.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import random
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from harness.environment import FOLDER, LOCK, installed
from rich.console import Console
from rich.progress import Progress

from authfactor import ids
from authfactor.crypto import keyring
from authfactor.crypto.vault import Vault
from authfactor.otp import totp
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.settings import Settings
from authfactor.store import opening
from authfactor.store.copying.table_schema import CopyEndpoint, TableSchema

BENCH = Path(__file__).resolve().parent
KEY = "sk_growth"
BATCH = 5000
# Milliseconds between users, the last one now: even of a million, none is old enough for retention.
APART = 50
KINDS = ("sqlite", "postgres")
SAMPLE = "sample.json"
OPERATIONS = ("enroll", "challenge", "verify", "get", "list")

console = Console(stderr=True, highlight=False)


@dataclasses.dataclass
class Place:
    """A filled installation."""

    kind: str
    size: int
    settings: Settings
    bytes_per_factor: float = 0.0
    own_bytes: float | None = None
    """Of these, for a factor's row, its entry in the index by user, and its challenge (SQLite only)."""
    newest: int = dataclasses.field(default_factory=lambda: time.time_ns() // 1_000_000)
    """The creation time of the last row, in milliseconds since the epoch."""
    secrets: dict[str, bytes] = dataclasses.field(default_factory=dict)
    """Secrets of the requested factors, by id."""
    users: list[str] = dataclasses.field(default_factory=list)
    client: httpx.Client | None = None
    spent: dict[str, int] = dataclasses.field(default_factory=dict)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a server on this installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTHFACTOR_")}
    return kept | {
        "AUTHFACTOR_DATA": str(settings.data),
        "AUTHFACTOR_DATABASE_URL": settings.database_url,
        "AUTHFACTOR_BOOTSTRAP_API_KEY": KEY,
        "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": "client_growth",
    }


async def fill(place: Place, progress: Progress) -> None:
    """Insert all rows in key order, in batches, table by table."""
    side = await opening.open_copy_endpoint(place.settings)
    try:
        shapes = await side.schemas()
        vault = Vault(keyring.read(place.settings.keys_path), os.urandom)
        chance = random.Random(7)
        sample = set(chance.sample(range(place.size), min(place.size, 2000)))
        task = progress.add_task(f"{place.kind} {place.size:,}", total=place.size)
        for first in range(0, place.size, BATCH):
            numbers = range(first, min(first + BATCH, place.size))
            await _put(side, shapes, place, vault, chance, numbers, sample)
            progress.update(task, completed=numbers.stop)
    finally:
        await side.close()


async def _put(
    side: CopyEndpoint,
    shapes: dict[str, TableSchema],
    place: Place,
    vault: Vault,
    chance: random.Random,
    numbers: range,
    sample: set[int],
) -> None:
    rows: dict[str, list[dict[str, object]]] = {"users": [], "factors": [], "challenges": [], "events": []}
    for number in numbers:
        born = place.newest - (place.size - number) * APART

        def name(prefix: str, later: int = 0, born: int = born) -> str:
            return prefix + ids.ulid(born + later, chance.getrandbits(79))

        user, factor, secret = name(ids.USER), name(ids.FACTOR), chance.randbytes(20)
        if number in sample:
            place.secrets[factor] = secret
            place.users.append(user)
        stamps = {"environment": 1, "created_at": born, "updated_at": born}
        email = f"user{number}@growth.example"
        rows["users"].append(
            {**stamps, "id": user, "email": email, "email_key": email, "email_verified": 0, "metadata": "{}"}
        )
        sealed = vault.seal(secret, secret_row(1, factor))
        rows["factors"].append(
            {
                **stamps,
                "id": factor,
                "user_id": user,
                "issuer": "Growth",
                "account": email,
                "secret": sealed,
                "activated_at": born + 20,
                # Two steps back: even the newest factors have unused codes right away.
                "last_step": born // 30_000 - 2,
            }
        )
        rows["challenges"].append(
            {
                "environment": 1,
                "id": name(ids.CHALLENGE),
                "factor_id": factor,
                "attempts": 1,
                "created_at": born,
                "expires_at": born + 600_000,
                "verified_at": born + 20,
            }
        )
        told = ("user.created", "authfactor.factor_enrolled", "authfactor.factor_activated")
        for later, event in enumerate(told):
            content = json.dumps({"factor_id": factor, "user_id": user})
            rows["events"].append(
                {
                    "environment": 1,
                    "id": name(ids.EVENT, later),
                    "name": event,
                    "user_id": user,
                    "data": content,
                    "created_at": born,
                }
            )
    for table, found in rows.items():
        columns = shapes[table].columns
        await side.insert(shapes[table], [tuple(row.get(column) for column in columns) for row in found])


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(place: Place) -> Iterator[None]:
    """Run a server on an installation."""
    port = free_port()
    command = [sys.executable, "-m", "authfactor", "serve", "--port", str(port)]
    command += ["--data", str(place.settings.data)]
    log = (place.settings.data / "server.log").open("ab")
    process = subprocess.Popen(command, env=environment_of(place.settings), stdout=log, stderr=log)
    try:
        headers = {"authorization": f"Bearer {KEY}"}
        place.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if place.client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def ask(place: Place, operation: str, count: int, chance: random.Random) -> float:
    """Send requests one after the other and return their median time, in microseconds."""
    client = place.client
    assert client is not None
    factors = chance.sample(list(place.secrets), count)
    times = []
    for factor, user in zip(factors, chance.sample(place.users, count), strict=True):
        method, path, body = prepare(client, operation, factor, user, place)
        start = time.perf_counter()
        answer = client.request(method, path, json=body)
        times.append(time.perf_counter() - start)
        assert answer.is_success, answer.text
        assert operation != "verify" or answer.json()["valid"], answer.text
    return statistics.median(times) * 1e6


def warm(place: Place) -> None:
    """Request everything once, so that no first read from the disk is measured."""
    client = place.client
    assert client is not None
    for factor, user in zip(place.secrets, place.users, strict=True):
        for operation in ("get", "list", "challenge"):
            method, path, body = prepare(client, operation, factor, user, place)
            client.request(method, path, json=body).raise_for_status()


def prepare(
    client: httpx.Client, operation: str, factor: str, user: str, place: Place
) -> tuple[str, str, dict[str, str] | None]:
    """Return method, path and body of a request; for `verify`, a challenge is opened first."""
    if operation == "enroll":
        return "POST", "/auth/factors/enroll", {"type": "totp", "totp_issuer": "Growth", "totp_user": user}
    if operation == "challenge":
        return "POST", f"/auth/factors/{factor}/challenge", {}
    if operation == "verify":
        challenge = client.post(f"/auth/factors/{factor}/challenge").json()["id"]
        now = int(time.time()) // totp.PERIOD_SECONDS
        step = max(now, place.spent.get(factor, 0) + 1)
        if step > now + 1:
            time.sleep((step - 1) * totp.PERIOD_SECONDS - time.time() + 0.05)
        place.spent[factor] = step
        code = totp.code_at(place.secrets[factor], step)
        return "POST", f"/auth/challenges/{challenge}/verify", {"code": code}
    if operation == "get":
        return "GET", f"/auth/factors/{factor}", None
    return "GET", f"/user_management/users/{user}/auth_factors", None


async def make(kind: str, size: int, folder: Path, url: str | None, progress: Progress) -> Place:
    """Create and fill an installation, and measure its size."""
    data = folder / f"{kind}-{size}"
    name, database = f"growth_{size}", ""
    if kind == "postgres":
        assert url is not None
        database = urlsplit(url)._replace(path=f"/{name}").geturl()
    place = Place(kind, size, Settings(data=data, database_url=database))
    if kept(place):
        await run(place, "migrate")  # it may have an older schema
        return place
    if url and database:
        connection = await asyncpg.connect(url)
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
    await run(place, "migrate")
    await run(place, "keys", "create")  # creates key ring and environment too
    before = await used_bytes(place.settings)
    await fill(place, progress)
    place.bytes_per_factor = (await used_bytes(place.settings) - before) / size
    place.own_bytes = own_bytes(place)
    keep(place)
    return place


async def run(place: Place, *command: str) -> None:
    """Run the command line on an installation."""
    call = [sys.executable, "-m", "authfactor", *command]
    environment = environment_of(place.settings)
    await asyncio.to_thread(subprocess.run, call, env=environment, check=True, stdout=subprocess.DEVNULL)


def keep(place: Place) -> None:
    """Save what a later measurement needs, next to the database."""
    known = {
        "bytes": place.bytes_per_factor,
        "own": place.own_bytes,
        "secrets": {factor: secret.hex() for factor, secret in place.secrets.items()},
        "users": place.users,
    }
    (place.settings.data / SAMPLE).write_text(json.dumps(known), encoding="utf-8")


def kept(place: Place) -> bool:
    """Load an installation that an earlier run filled; return False when there is none."""
    sample = place.settings.data / SAMPLE
    if not sample.exists():
        return False
    known = json.loads(sample.read_text(encoding="utf-8"))
    place.bytes_per_factor, place.users = known["bytes"], known["users"]
    place.own_bytes = known.get("own")
    place.secrets = {factor: bytes.fromhex(secret) for factor, secret in known["secrets"].items()}
    return True


def own_bytes(place: Place) -> float | None:
    """Return the bytes per factor in the trees of factors and challenges."""
    path = place.settings.sqlite_path
    if path is None:
        return None
    names = ("factors", "factors_user", "challenges")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        pages = "SELECT SUM(pgsize) FROM dbstat WHERE name IN (?, ?, ?)"
        return float(connection.execute(pages, names).fetchone()[0]) / place.size


async def used_bytes(settings: Settings) -> int:
    """Return the size of a database, on PostgreSQL after VACUUM."""
    path = settings.sqlite_path
    if path is not None:
        return sum(found.stat().st_size for found in path.parent.glob(f"{path.name}*"))
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("VACUUM ANALYZE")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


def measure(places: list[Place], rounds: int, count: int) -> dict[str, dict[int, list[float]]]:
    """Measure all installations; return medians by operation and size, one per round."""
    chance = random.Random(11)
    found: dict[str, dict[int, list[float]]] = {
        operation: {place.size: [] for place in places} for operation in OPERATIONS
    }
    for number in range(rounds):
        for operation in OPERATIONS:
            for place in places if number % 2 == 0 else places[::-1]:
                found[operation][place.size].append(ask(place, operation, count, chance))
    return found


def report(kind: str, places: list[Place], found: dict[str, dict[int, list[float]]]) -> dict[str, object]:
    """Print a table and return its contents."""
    smallest = places[0].size
    ratios: dict[str, dict[int, float]] = {}
    print(f"\n{kind}: median latency in µs, one client (ratio to {smallest:,} factors)")
    print(
        "   factors  " + "".join(f"{operation:>18}" for operation in OPERATIONS) + "   bytes/factor   its own"
    )
    for place in places:
        cells = []
        for operation in OPERATIONS:
            of, base = found[operation][place.size], found[operation][smallest]
            ratio = statistics.median(a / b for a, b in zip(of, base, strict=True))
            ratios.setdefault(operation, {})[place.size] = round(ratio, 3)
            cells.append(f"{statistics.median(of):>10,.0f} ({ratio:.2f})")
        line = f"{place.size:>10,}  " + "".join(f"{cell:>18}" for cell in cells)
        own = "" if place.own_bytes is None else f"{place.own_bytes:>10,.0f}"
        print(f"{line}{place.bytes_per_factor:>15,.0f}{own}")
    latency = {
        operation: {size: statistics.median(of) for size, of in by_size.items()}
        for operation, by_size in found.items()
    }
    return {
        "kind": kind,
        "latency_us": latency,
        "ratio": ratios,
        "bytes_per_factor": {place.size: round(place.bytes_per_factor) for place in places},
        "own_bytes": {place.size: place.own_bytes for place in places},
    }


async def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000", help="%(default)s")
    parser.add_argument(
        "--database-url", help="a PostgreSQL where databases may be made; without it SQLite alone"
    )
    parser.add_argument("--rounds", type=int, default=6, help="%(default)s")
    parser.add_argument("--requests", type=int, default=150, help="of each kind a round (%(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="keep what was filled here, and measure it again without filling"
    )
    parser.add_argument("--fill-only", action="store_true", help="fill --folder and stop")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw latencies and sizes")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, too")
    given = parser.parse_args()
    sizes = sorted(int(size) for size in given.sizes.split(","))
    results = []
    with ExitStack() as opened:
        name = given.folder or opened.enter_context(tempfile.TemporaryDirectory(prefix="authfactor-growth-"))
        for kind in KINDS if given.database_url else KINDS[:1]:
            with Progress(console=console) as progress:
                places = [await make(kind, size, Path(name), given.database_url, progress) for size in sizes]
            if given.fill_only:
                continue
            with ExitStack() as stack:
                for place in places:
                    stack.enter_context(served(place))
                    warm(place)
                results.append(report(kind, places, measure(places, given.rounds, given.requests)))
    if given.json:
        print(json.dumps(results, indent=2))
    if given.plot:
        python = installed(FOLDER, LOCK) / "python"
        draw = [str(python), "-m", "harness.growth_plot", str(given.plot.resolve())]
        await asyncio.to_thread(
            subprocess.run, draw, input=json.dumps(results), text=True, cwd=BENCH, check=True
        )


if __name__ == "__main__":
    asyncio.run(main())
