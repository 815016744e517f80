"""What a passkey costs: CPU time of verifying assertions and registrations, and the first import of fido2.

Usage: .venv/bin/python bench/passkeys.py [--rounds N] [--json]

A figure is the process time per response, from JSON to verdict: median and minimum over the rounds, each of
which measures all cases in turn. py_webauthn verifies the same responses for comparison. Runs in the
repository's environment.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import webauthn

from authfactor.testing.software_authenticator import SoftwareAuthenticator
from authfactor.webauthn import ceremony, options, public_keys, relying_party, responses

ORIGIN = "https://auth.example.org"
CHALLENGE = bytes(range(32))
HANDLE = bytes(range(32, 64))
PER_ROUND = 200
NAMES = {public_keys.EDDSA: "EdDSA", public_keys.ES256: "ES256", public_keys.RS256: "RS256"}
IMPORT = """
import json, sys, time
from pathlib import Path
import authfactor.http.app
def resident_kib():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmRSS"))
modules, memory, started = len(sys.modules), resident_kib(), time.process_time()
from authfactor.webauthn import ceremony, responses
import fido2.webauthn
spent = time.process_time() - started
print(json.dumps({
    "import ms": round(spent * 1000, 1),
    "import modules": len(sys.modules) - modules,
    "import KiB": resident_kib() - memory,
}))
"""


def cases() -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    settings = relying_party.for_base_url(ORIGIN, "Acme")
    found: dict[str, Callable[[], object]] = {}
    for algorithm, name in NAMES.items():
        authenticator = SoftwareAuthenticator(random.Random(1).randbytes)
        account = options.Account(HANDLE, "kim@example.org", "Kim")
        asked = options.creation_options(settings, account, CHALLENGE, [])
        creation = json.dumps(authenticator.create(asked, ORIGIN, algorithm=algorithm)).encode()
        made = ceremony.verify_registration(settings, CHALLENGE, responses.read_registration(creation))
        request = options.request_options(settings, CHALLENGE, [options.KnownCredential(made.id)])
        assertion = json.dumps(authenticator.get(request, ORIGIN)).encode()
        row = ceremony.RegisteredCredential(
            made.public_key, made.sign_count, made.backup_eligible, made.aaguid, HANDLE
        )
        expected = ceremony.AssertionExpected(CHALLENGE, (made.id,))

        def register(body: bytes = creation) -> object:
            return ceremony.verify_registration(settings, CHALLENGE, responses.read_registration(body))

        def assert_(
            body: bytes = assertion,
            expected: ceremony.AssertionExpected = expected,
            row: ceremony.RegisteredCredential = row,
        ) -> object:
            return ceremony.verify_assertion(settings, expected, responses.read_assertion(body), row)

        def other(text: str = assertion.decode(), key: bytes = made.public_key) -> object:
            return webauthn.verify_authentication_response(
                credential=text,
                expected_challenge=CHALLENGE,
                expected_rp_id=settings.rp_id,
                expected_origin=ORIGIN,
                credential_public_key=key,
                credential_current_sign_count=1,
            )

        found[f"assertion {name}"] = assert_
        found[f"registration {name}"] = register
        found[f"assertion {name}, py_webauthn"] = other
    return found


def microseconds(call: Callable[[], object]) -> float:
    started = time.process_time_ns()
    for _ in range(PER_ROUND):
        call()
    return (time.process_time_ns() - started) / PER_ROUND / 1000


def _import() -> dict[str, float]:
    """Return what a process that has loaded the server's modules spends on the first passkey."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    measured = cases()
    for call in measured.values():
        call()
    rounds = [{name: microseconds(call) for name, call in measured.items()} for _ in range(chosen.rounds)]
    results: dict[str, float] = {}
    for name in measured:
        times = [each[name] for each in rounds]
        results |= {f"{name} µs": round(statistics.median(times)), f"{name}, minimum µs": round(min(times))}
    imports = [_import() for _ in range(chosen.rounds)]
    results |= {name: statistics.median(each[name] for each in imports) for name in imports[0]}
    if chosen.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:<36} {value:>8}")


if __name__ == "__main__":
    main()
