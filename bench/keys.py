"""What an `Idempotency-Key` costs: CPU time of challenges and enrollments with and without one.

Usage: .venv/bin/python bench/keys.py [--requests N] [--rounds N] [--json]

Runs the application without a network: API key, decoding, rules, store with its commits, encoding. The four
kinds alternate; a figure is the median of the rounds' process time per request, in microseconds.
Runs in the repository's environment.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from authfactor.core import Authfactor
from authfactor.http.api.health import ServerState
from authfactor.http.app import Dispatcher, all_routes, make_counters
from authfactor.http.telemetry.shared_counters import CounterWriter
from authfactor.settings import Settings

API_KEY = "sk_bench"
AT_ONCE = 16
HEADERS = [(b"authorization", f"Bearer {API_KEY}".encode()), (b"content-type", b"application/json")]


async def post(door: Dispatcher, path: str, body: bytes, key: str | None = None) -> dict[str, Any]:
    """Send one POST and return the decoded response."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [*HEADERS, (b"idempotency-key", key.encode())] if key else HEADERS
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    reply = await door.respond(scope, receive)
    assert reply.status == 201, reply.body
    decoded: dict[str, Any] = json.loads(reply.body)
    return decoded


async def measure(folder: Path, requests: int, rounds: int) -> dict[str, float]:
    """Run all rounds and return the medians."""
    settings = Settings(
        data=folder, bootstrap_api_key=API_KEY, max_factors_per_user=1000, log_level="warning"
    )
    af = await Authfactor.open(settings)
    board, state = make_counters(1), ServerState()
    door = Dispatcher(af, all_routes(state), state, CounterWriter(board.layout, board.region(1)), 1)
    try:
        emails = [f"user{number}@bench.example" for number in range(requests // AT_ONCE)]
        users = [
            await post(door, "/user_management/users", json.dumps({"email": email}).encode())
            for email in emails
        ]
        enroll = [f"/user_management/users/{user['id']}/auth_factors" for user in users]
        body = b'{"type":"totp"}'
        factors = [(await post(door, path, body))["authentication_factor"]["id"] for path in enroll]
        challenge = [f"/auth/factors/{factor}/challenge" for factor in factors]
        kinds = {"challenge": (challenge, b"{}"), "enroll": (enroll, body)}
        samples: dict[str, list[float]] = {}
        for number in range(-1, rounds):
            for name, (paths, body) in kinds.items():
                for keyed in (False, True) if number % 2 else (True, False):
                    started = time.process_time()
                    for path in paths:
                        keys = [f"key-{number}-{n}" if keyed else None for n in range(AT_ONCE)]
                        await asyncio.gather(*(post(door, path, body, key) for key in keys))
                    spent = (time.process_time() - started) / requests * 1e6
                    if number >= 0:  # the first round warms up
                        samples.setdefault(f"{name} keyed" if keyed else name, []).append(spent)
    finally:
        await af.close()
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=1600, help="of each kind in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="%(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        found = asyncio.run(measure(Path(name), given.requests, given.rounds))
    if given.json:
        print(json.dumps(found))
        return
    for name in ("challenge", "enroll"):
        without, keyed = found[name], found[f"{name} keyed"]
        print(f"{name:<10} {without:>5.0f} µs, with a key {keyed:>5.0f} µs: {keyed - without:>+5.0f} µs")


if __name__ == "__main__":
    main()
