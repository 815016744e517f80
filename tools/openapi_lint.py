"""Check the OpenAPI document with Spectral (all rules) and Redocly (recommended-strict), without any warning.

Usage: python tools/openapi_lint.py [--document FILE]   (default: generated from the routes)

The linters are installed into build/openapi from tools/openapi/package-lock.json, when it has changed. They
read local files only.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from authfactor.http.api import health, openapi
from authfactor.http.api.routes import documented
from authfactor.http.routing import Route

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "tools" / "openapi"
FOLDER: Final = ROOT / "build" / "openapi"
LOCKS: Final = ("package.json", "package-lock.json")
QUIET: Final = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "npm_config_update_notifier": "false",
}
SECONDS: Final = 300


def install() -> None:
    """Install the locked linters, unless that has been done."""
    digest = hashlib.sha256(b"\0".join((SOURCES / name).read_bytes() for name in LOCKS)).hexdigest()
    mark = FOLDER / ".made-from"
    if mark.is_file() and mark.read_text(encoding="utf-8") == digest:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    for name in LOCKS:
        shutil.copy(SOURCES / name, FOLDER)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error").check_returncode()
    mark.write_text(digest, encoding="utf-8")


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the folder of the linters."""
    environment = {**os.environ, **QUIET}
    return subprocess.run(
        command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def findings(linter: str, document: Path) -> list[str]:
    """Return a line for each finding of a linter. Raises `SystemExit` if it did not check the document."""
    program = str(FOLDER / "node_modules" / ".bin" / linter)
    if linter == "spectral":
        options = ("--ruleset", str(SOURCES / ".spectral.yaml"), "--fail-severity", "hint")
        done = run(program, "lint", "--quiet", *options, "--format", "json", str(document))
    else:
        done = run(program, "lint", "--config", str(SOURCES / "redocly.yaml"), "--format=json", str(document))
    try:
        found: Any = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{linter} failed ({done.returncode}): {done.stdout}{done.stderr}") from None
    if linter == "spectral":
        lines = [f"{one['code']}: {one['message']} ({'/'.join(map(str, one['path']))})" for one in found]
    else:
        lines = [
            f"{one['ruleId']}: {one['message']} ({one['location'][0].get('pointer', '')})"
            for one in found["problems"]
        ]
    if bool(lines) != bool(done.returncode):
        raise SystemExit(f"{linter} failed ({done.returncode}): {done.stderr}")
    return lines


def described() -> list[Route]:
    """Return the routes that a server describes at `/openapi.json`."""
    return [*documented(), *(route for route in health.routes(documented) if route.gives)]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--document", type=Path)
    document = parser.parse_args(arguments).document
    install()
    if document is None:
        document = FOLDER / "openapi.json"
        document.write_bytes(openapi.document(described()))
    total = 0
    for linter in ("spectral", "redocly"):
        lines = findings(linter, document.absolute())
        total += len(lines)
        print(f"{linter}: {len(lines)} findings", *lines, sep="\n  ")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
