"""Check every locked package for known vulnerabilities: `python -m tools.advisories [--required]`.

pip-audit queries OSV for requirements/*.lock, development dependencies included. The exit code is 1 for a
version with a known vulnerability. If the database cannot be reached, nothing is checked: the run says so and
exits with 0, or with 2 given `--required` (or AUDIT_REQUIRED=1).
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from tools import locks

TIMEOUT_SECONDS = "15"
# Words of pip-audit's error when the database did not respond, as opposed to an error of its own.
UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "NameResolutionError", "ServiceError")
# An advisory that does not concern us, and why; pip-audit takes any of its names.
NOT_OURS: dict[str, str] = {}


class Known(NamedTuple):
    """A vulnerability of a locked version."""

    name: str
    version: str
    advisory: str
    fixed: str


def ask(url: str | None) -> "subprocess.CompletedProcess[str]":
    """Run pip-audit on all locks."""
    files = [part for lock in sorted(locks.FOLDER.glob("*.lock")) for part in ("-r", str(lock))]
    ignored = [part for advisory in NOT_OURS for part in ("--ignore-vuln", advisory)]
    where = ["--osv-url", url] if url else []
    return subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", *where),
            *("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"),
            *("--timeout", TIMEOUT_SECONDS, *ignored, *files),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def known(report: Any) -> list[Known]:  # noqa: ANN401 - a JSON document
    """Return the vulnerabilities in a report of pip-audit, sorted by package."""
    return sorted(
        Known(
            each["name"], each["version"], found["id"], ", ".join(found["fix_versions"]) or "no version yet"
        )
        for each in report["dependencies"]
        for found in each.get("vulns", [])
    )


def main() -> int:
    """Run pip-audit and print its findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--required", action="store_true", help="fail when the database cannot be reached")
    parser.add_argument("--osv-url", help="another URL of the OSV API")
    chosen = parser.parse_args()
    done = ask(chosen.osv_url)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = done.stderr.strip().splitlines()[-1:] or ["(nothing)"]
        if not any(word in done.stderr for word in UNREACHABLE):
            print(f"advisories: pip-audit failed: {said[0]}")
            return 2
        why = said[0].rpartition("(Caused by ")[2].rstrip(")")
        print(f"advisories: NOT LOOKED AT, the database cannot be reached: {why[:160]}")
        return 2 if chosen.required or os.environ.get("AUDIT_REQUIRED") == "1" else 0
    found = known(report)
    for each in found:
        print(f"{each.name} {each.version}: {each.advisory}, fixed in {each.fixed}")
    print(f"advisories: {len(report['dependencies'])} packages, {len(found)} known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
