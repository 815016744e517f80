"""The server's time for each page of links, of the reference and (in process) of the console.

Usage: python bench/pages.py [--rounds N]

Prints milliseconds (median, 95th percentile) and bytes. A page should take less than 20 ms and, with style
sheet and script, 60 KiB without images.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from authfactor import reference  # noqa: E402 - the path comes first
from authfactor.store import migrations  # noqa: E402 - the same
from tests.http.console.test_pages import fill, paths  # noqa: E402 - the same
from tests.support import authenticator, console  # noqa: E402 - the same
from tests.support.server_process import Server  # noqa: E402 - the same

MAX_MILLISECONDS = 20


def timed(call: Callable[[], httpx.Response], rounds: int) -> tuple[list[float], int]:
    """Return the milliseconds of each call and the size of the last response."""
    times, size = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        answer = call()
        times.append((time.perf_counter() - start) * 1000)
        size = len(answer.content)
    return times, size


def report(name: str, times: list[float], size: int) -> bool:
    ordered = sorted(times)
    median, late = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    print(f"{name:<22} {median:8.2f} {late:8.2f} {size:8d}")
    return median < MAX_MILLISECONDS


def opened(api: httpx.Client, url: str, user_id: str, kind: str) -> tuple[str, dict[str, str]]:
    """Create a link and open it; return the page's URL and its cookies."""
    link = api.post(f"/authfactor/{kind}_links", json={"user_id": user_id}).json()
    answer = httpx.post(link["url"], headers={"origin": url})
    assert answer.status_code == 303, answer.text
    return url + answer.headers["location"], dict(answer.cookies)


def measure(server: Server, rounds: int) -> bool:
    fine = []
    origin = {"origin": server.url, "content-type": "application/x-www-form-urlencoded"}
    with server.client() as api, httpx.Client() as browser:
        user_id = api.post("/user_management/users", json={"email": "pat@example.org"}).json()["id"]
        link = api.post("/authfactor/enrollment_links", json={"user_id": user_id}).json()["url"]
        start = time.perf_counter()
        browser.get(link)
        print(f"first page after a start: {(time.perf_counter() - start) * 1000:.0f} ms")
        print(f"{'page':<22} {'median':>8} {'p95':>8} {'bytes':>8}")
        fine.append(report("start", *timed(lambda: browser.get(link), rounds)))
        page, cookies = opened(api, server.url, user_id, "enrollment")
        seen = browser.get(page, headers={"cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())})
        known = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        fine.append(report("enroll", *timed(lambda: browser.get(page, headers=known), rounds)))
        found = re.search(r'data-copy-text="([A-Z2-7]+)"', seen.text)
        assert found is not None
        secret = found[1]
        form = {"code": authenticator.wrong_code(secret)}
        fine.append(
            report("wrong code", *timed(lambda: browser.post(page, data=form, headers=origin | known), 4))
        )
        right = {"code": authenticator.code(secret)}
        fine.append(
            report("right code", *timed(lambda: browser.post(page, data=right, headers=origin | known), 1))
        )
        fine.append(report("done", *timed(lambda: browser.get(page, headers=known), rounds)))
        styles = re.findall(r'(?:href|src)="(/assets/[^"]+)"', seen.text)
        total = len(seen.content) + sum(len(browser.get(server.url + path).content) for path in styles)
        print(f"enrollment page with everything it loads, uncompressed: {total} bytes")
        for path in (
            "/docs",
            "/docs/guide",
            *(f"/docs/{one.slug}" for one in reference.endpoints().values()),
        ):
            browser.get(server.url + path)  # the first one compiles the template
            fine.append(report(path, *timed(lambda at=server.url + path: browser.get(at), 9)))
    return all(fine)


async def measure_console(folder: Path) -> bool:
    """Request every page of a console with data."""
    empty = folder / "empty.db"
    migrations.upgrade(f"sqlite:///{empty}")
    fine = []
    async with console.opened(empty, folder, log_requests=False) as made:
        owner = await made.operator("owner")
        for path in paths(await fill(made))[:-1]:
            await owner.get(path)
            times = []
            for _ in range(9):
                start = time.perf_counter()
                answer = await owner.get(path)
                times.append((time.perf_counter() - start) * 1000)
            fine.append(report(re.sub(r"^.*/env\w*", "", path), times, len(answer.content)))
    return all(fine)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        server._environment["AUTHFACTOR_BASE_URL"] = server.url  # noqa: SLF001 - known only once it has a port
        server.start()
        try:
            fine = measure(server, chosen.rounds)
        finally:
            server.stop()
        (Path(folder) / "console").mkdir()
        return 0 if asyncio.run(measure_console(Path(folder) / "console")) and fine else 1


if __name__ == "__main__":
    sys.exit(main())
