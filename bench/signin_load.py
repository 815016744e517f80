"""Measure sign-in: timing differences, codes waiting for passwords, second steps per second.

Usage: python bench/signin_load.py [--requests N] [--seconds S] [--users N] [--profile] [time] [wait] [grant]

time   an unknown email and a wrong password, alternating on one connection: medians and their ratio
wait   32 connections sign in with passwords while another verifies codes, with 1 and 2 password threads
grant  the grant `mfa-totp` on 16 connections: rate, latency, CPU per grant; --profile shows where time goes

Runs in the benchmark's environment; the server and signin_fill.py run in the repository's.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.environment import BENCH, FOLDER, REPOSITORY, run_inside

if Path(sys.prefix).resolve() != FOLDER.resolve():
    run_inside("signin_load", sys.argv[1:])

import psutil
from harness import servers, totp, wrk

CLIENT_ID, API_KEY = "client_bench", "sk_bench"
CLIENT = {"client_id": CLIENT_ID, "client_secret": API_KEY}
MFA_TOTP = "urn:workos:oauth:grant-type:mfa-totp"
AUTHENTICATE = "/user_management/authenticate"
PASSWORD, WRONG = "seven green bottles", "eight green bottles"
SIGNERS, GRANTERS = 32, 16
PAUSE_SECONDS = 0.005
SLACK_SECONDS = 4.0
Waiting = list[dict[str, Any]]


@contextlib.contextmanager
def serving(users: int, **settings: str) -> Iterator[tuple[servers.Server, Waiting]]:
    """Run a server on a database with this many users."""
    with tempfile.TemporaryDirectory(prefix="signin-") as name:
        folder = Path(name)
        python = REPOSITORY / ".venv" / "bin" / "python"
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AUTHFACTOR_", "PYTHONPATH"))
        }
        subprocess.run([python, BENCH / "signin_fill.py", folder, str(users)], env=kept, check=True)
        waiting: Waiting = json.loads((folder / "waiting.json").read_text())
        launch = servers.authfactor(servers.Settings(servers.free_port(), 1, folder, API_KEY, None))
        launch.environment.update({**settings, "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": CLIENT_ID})
        port = int(launch.command[launch.command.index("--port") + 1])
        log = folder / "server.log"
        with log.open("wb") as output:
            process = psutil.Popen(
                launch.command, env=kept | launch.environment, stdout=output, stderr=output
            )
        try:
            servers.wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, log)
            watched = psutil.Process(process.pid)
            yield (
                servers.Server("authfactor", port, API_KEY, folder, watched, f"Bearer {API_KEY}"),
                waiting,
            )
        finally:
            servers.stop(process)


class Connection:
    """A persistent connection."""

    def __init__(self, server: servers.Server) -> None:
        """Connect at the first request."""
        self._http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def post(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, Any], float]:
        """Send a body; return the status, the decoded response and the seconds it took."""
        text = json.dumps(body)
        headers = {"content-type": "application/json", "authorization": f"Bearer {API_KEY}"}
        before = time.perf_counter()
        self._http.request("POST", path, text, headers)
        answer = self._http.getresponse()
        content = answer.read()
        return answer.status, json.loads(content), time.perf_counter() - before


def password(email: str, text: str) -> dict[str, str]:
    return {"grant_type": "password", **CLIENT, "email": email, "password": text}


def create(connection: Connection, email: str) -> None:
    status, body, _ = connection.post("/user_management/users", {"email": email, "password": PASSWORD})
    assert status == 201, body


def measure_time(count: int) -> None:
    """Alternate the two kinds, so that the machine's noise affects both equally."""
    with serving(0) as (server, _):
        connection = Connection(server)
        create(connection, "kim@example.org")
        took: dict[str, list[float]] = {"unknown@example.org": [], "kim@example.org": []}
        for number in range(count + 10):
            for email in sorted(took, reverse=bool(number % 2)):
                status, body, seconds = connection.post(AUTHENTICATE, password(email, WRONG))
                assert (status, body["code"]) == (400, "invalid_credentials"), body
                if number >= 10:
                    took[email].append(seconds)
        unknown, wrong = (statistics.median(seconds) * 1000 for seconds in took.values())
        print(
            f"time: median of {count} each, in turns: unknown email {unknown:.2f} ms,"
            f" wrong password {wrong:.2f} ms"
        )
        print(f"time: ratio {unknown / wrong:.4f} (target: within 5 %)")


def verify_for(connection: Connection, waiting: Waiting, seconds: float) -> list[float]:
    """Verify right codes one after the other; return the milliseconds of each."""
    took = []
    end = time.monotonic() + seconds
    while waiting and time.monotonic() < end:
        item = waiting.pop()
        code = totp.code(item["secret"], int(time.time()) // totp.PERIOD)
        status, body, elapsed = connection.post(
            f"/auth/challenges/{item['sign_ins'][0][1]}/verify", {"code": code}
        )
        assert (status, body.get("valid")) == (201, True), body
        took.append(elapsed * 1000)
        time.sleep(PAUSE_SECONDS)
    return took


def shown(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"{len(took)} verifies: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms, max {max(took):.2f} ms"


def measure_wait(seconds: int) -> None:
    """Verify codes without other load, then during sign-ins that keep every password thread busy."""
    for threads in (1, 2):
        with serving(600 * seconds // 2, AUTHFACTOR_PASSWORD_THREADS=str(threads)) as (server, waiting):
            connection = Connection(server)
            emails = [f"kim{number}@example.org" for number in range(SIGNERS)]
            for email in emails:
                create(connection, email)
            verify_for(connection, waiting, 1)
            alone = shown(verify_for(connection, waiting, 5))
            print(f"wait: {threads} password threads, no sign-ins: {alone}")
            calls = [
                wrk.Call("POST", AUTHENTICATE, json.dumps(password(email, PASSWORD))) for email in emails
            ]
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                wrk.write_items(folder / "items", calls)
                load = wrk.Load(seconds + 2, SIGNERS, expect='"access_token"')
                process = wrk.start(server, folder, load, "loop")
                time.sleep(1)
                took = verify_for(connection, waiting, seconds)
                report = wrk.finish(process, folder)
            print(
                f"wait: {threads} password threads, {SIGNERS} sign in: {shown(took)} (target: p99 < 50 ms);"
                f" {report.rate:.1f} sign-ins/s, p50 {report.p50_us / 1000:.0f} ms, {report.errors} errors"
            )


def grants(waiting: Waiting, seconds: int) -> list[wrk.Call]:
    """Prepare the second steps, in a step that outlasts the run, so that all three codes stay valid."""
    left = totp.PERIOD - time.time() % totp.PERIOD
    if left < seconds + SLACK_SECONDS:
        time.sleep(left + 0.01)
    now = int(time.time()) // totp.PERIOD
    calls = []
    # Every user's first code, then every user's second: two connections must not overtake each other.
    for at in range(3):
        for item in waiting:
            token, challenge = item["sign_ins"][at]
            body = {
                "grant_type": MFA_TOTP,
                **CLIENT,
                "code": totp.code(item["secret"], now - 1 + at),
                "pending_authentication_token": token,
                "authentication_challenge_id": challenge,
            }
            calls.append(wrk.Call("POST", AUTHENTICATE, json.dumps(body)))
    return calls


def measure_grant(seconds: int, users: int, *, profile: bool) -> None:
    """Complete prepared sign-ins at the highest rate."""
    with serving(users) as (server, waiting):
        warm, rest = waiting[:200], waiting[200:]
        load = wrk.Load(seconds, GRANTERS, once=True, expect='"access_token"')
        wrk.run(server, grants(warm, seconds), load)
        calls = grants(rest, seconds)
        before = server.usage()
        with profiling(server) if profile else contextlib.nullcontext():
            report = wrk.run(server, calls, load)
        cpu = server.usage().cpu_seconds - before.cpu_seconds
        name = "grant (profiled)" if profile else "grant"
        print(
            f"{name}: {report.rate:.0f}/s on {GRANTERS} connections, one worker (target: 1,000/s);"
            f" p50 {report.p50_us / 1000:.2f} ms, p99 {report.p99_us / 1000:.2f} ms;"
            f" {cpu * 1e6 / report.requests:.0f} µs of server CPU each; {report.requests} grants in"
            f" {report.duration_us / 1e6:.1f} s, {report.errors} errors"
        )
        if report.errors:
            print(report.samples)


@contextlib.contextmanager
def profiling(server: servers.Server) -> Iterator[None]:
    """Sample the server with py-spy and print where it spent its time."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "folded"
        command = [
            str(Path(sys.prefix) / "bin" / "py-spy"),
            "record",
            "--rate",
            "400",
            "--nonblocking",
        ]
        command += ["--format", "raw", "--output", str(output), "--pid", str(server.process.pid)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        print_profile(output.read_text())


def print_profile(folded: str) -> None:
    """Print the share of samples per innermost frame, and per function of the product with its callees."""
    innermost: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rsplit(":", 1)[0] for frame in stack.split(";")]
        innermost[frames[-1]] += int(count)
        for frame in {frame for frame in frames if "authfactor/" in frame}:
            within[frame] += int(count)
    total = sum(innermost.values())
    for title, counter in (("innermost frames", innermost), ("functions of ours", within)):
        print(f"  {title}:")
        for frame, count in counter.most_common(14):
            print(f"    {100 * count / total:5.1f} %  {frame}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=["time", "wait", "grant", []], help="default: all")
    parser.add_argument("--requests", type=int, default=250, help="of each kind, for `time`")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--users", type=int, default=8000, help="for `grant`; each signs in three times")
    parser.add_argument("--profile", action="store_true", help="run `grant` once more under py-spy")
    options = parser.parse_args()
    parts = options.parts or ["time", "wait", "grant"]
    if "time" in parts:
        measure_time(options.requests)
    if "wait" in parts:
        measure_wait(options.seconds)
    if "grant" in parts:
        measure_grant(options.seconds, options.users, profile=False)
        if options.profile:
            measure_grant(options.seconds, options.users, profile=True)


if __name__ == "__main__":
    main()
