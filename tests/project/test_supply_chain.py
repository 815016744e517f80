"""The packages that a server installs: listed, explained, checked for licenses and vulnerabilities."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import authfactor
from tests.support.server_process import free_port
from tools import addresses, licenses, locks, sbom

ROOT: Final = Path(__file__).parents[2]
DIRECT: Final = r"^\| `([\w-]+)` \|(?:[^|]+\|){2} ([^|]+) \|[^|]+\|[^|]+\|$"
BROUGHT: Final = r"^\| `([\w-]+)` \| (`[^|]+) \| ([^|]+) \|$"


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def bill() -> str:
    done = run("tools.sbom", PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bill_of_materials_is_valid_cyclonedx(bill: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(bill) is None
    assert validator.validate_str(bill.replace('"type": "library"', '"type": "book"', 1)) is not None


def test_the_bill_lists_every_locked_package_with_its_hashes(bill: str) -> None:
    lock = (ROOT / "requirements/runtime.lock").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE))
    parts = json.loads(bill)["components"]
    required = {each["name"]: each["version"] for each in parts if each["scope"] == "required"}
    assert required == pinned
    assert {"asyncpg", "opentelemetry-sdk"} <= {each["name"] for each in parts if each["scope"] == "optional"}
    hashes = re.findall(r"sha256:(\w+)", lock)
    for each in parts:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each["licenses"]
        (files,) = each["externalReferences"]
        assert files["hashes"]
    held = [one["content"] for each in parts for one in each["externalReferences"][0]["hashes"]]
    assert set(hashes) <= set(held)


def test_every_component_of_the_bill_is_a_dependency(bill: str) -> None:
    document = json.loads(bill)
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    reached, fresh = set(), {"authfactor"}
    while fresh:
        reached |= fresh
        fresh = {below for each in fresh for below in needs[each]} - reached
    assert reached == {"authfactor"} | {each["bom-ref"] for each in document["components"]}
    assert document["metadata"]["component"]["version"] == authfactor.__version__


def test_the_bill_is_reproducible_and_names_no_machine_or_registry(bill: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "bill.json"
    assert run("tools.sbom", str(file), PYTHONHASHSEED="2", TZ="Asia/Tokyo").returncode == 0
    assert file.read_text() == bill
    assert addresses.findings(file) == []
    assert "timestamp" not in bill
    assert re.findall(r"https?://[^\"]*", bill) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]


def test_every_dependency_has_its_row_with_its_license() -> None:
    page = (ROOT / "docs/dependencies.md").read_text()
    packages, _ = locks.of_a_server()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [
        *project["dependencies"],
        *(each for one in project["optional-dependencies"].values() for each in one),
    ]
    direct = {re.split(r"[>=;\s]", each)[0] for each in asked}
    explained = dict(re.findall(DIRECT, page, re.MULTILINE))
    brought = {name: (by, expression) for name, by, expression in re.findall(BROUGHT, page, re.MULTILINE)}
    assert set(explained) == direct
    assert set(brought) == set(packages) - direct
    for name, told in explained.items() | {(name, expression) for name, (_, expression) in brought.items()}:
        assert told == (sbom.PRECISELY.get(name) or licenses.license_of(name)), name
    for name, (by, _) in brought.items():
        assert set(re.findall(r"`([\w-]+)`", by)) == set(packages[name].asked_by) & set(packages), name


def test_a_license_that_is_not_on_the_list_is_no_license() -> None:
    assert licenses.allowed("MIT OR AGPL-3.0")
    assert licenses.allowed("Apache-2.0 AND BSD-2-Clause")
    assert not licenses.allowed("MIT AND AGPL-3.0")
    assert not licenses.allowed("")
    assert run("tools.licenses").returncode == 0


class Advisories(BaseHTTPRequestHandler):
    """An OSV database that knows of one vulnerability, in one package."""

    of = ""
    asked: Final[list[str]] = []

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["content-length"])))["package"]["name"]
        self.asked.append(name)
        answer: dict[str, Any] = {}
        if name == self.of:
            package = {"ecosystem": "PyPI", "name": name}
            events = [{"introduced": "0"}, {"fixed": "999"}]
            ranges = [{"type": "ECOSYSTEM", "events": events}]
            affected = [{"package": package, "ranges": ranges}]
            answer["vulns"] = [{"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z", "affected": affected}]
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep the tests' output quiet."""


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Advisories, "of", "")
    Advisories.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(url: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("tools.advisories", "--osv-url", url, *more, **{"AUDIT_REQUIRED": "", **environment})


def test_every_locked_package_is_checked_for_vulnerabilities(database: str) -> None:
    done = audit(database, "--required")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 known vulnerabilities" in done.stdout
    # A package for another platform is checked on that platform.
    elsewhere = {
        name
        for lock in ("runtime.lock", "dev.lock")
        for name, each in locks.read(lock).items()
        if each.marker
    }
    everything = {name for lock in locks.FOLDER.glob("*.lock") for name in locks.read(lock.name)}
    assert everything - elsewhere <= set(Advisories.asked) <= everything


def test_a_known_vulnerability_fails_the_audit_and_is_named(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Advisories, "of", "msgspec")
    done = audit(database)
    assert done.returncode == 1
    version = locks.read("runtime.lock")["msgspec"].version
    assert f"msgspec {version}: PYSEC-1, fixed in 999\n" in done.stdout
    assert ", 1 known vulnerabilities" in done.stdout


def test_an_unreachable_database_fails_the_audit_only_when_required() -> None:
    unreachable = f"http://127.0.0.1:{free_port()}/v1/query"
    done = audit(unreachable)
    assert done.returncode == 0
    assert "NOT LOOKED AT" in done.stdout
    assert audit(unreachable, "--required").returncode == 2
    assert audit(unreachable, AUDIT_REQUIRED="1").returncode == 2


def test_ruff_security_rules_are_on_and_exceptions_have_reasons(tmp_path: Path) -> None:
    offense = tmp_path / "offense.py"
    offense.write_text('import subprocess\nsubprocess.run("x", shell=True)\neval("1")\n')
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache", "--output-format", "concise")
    done = run("ruff", "check", *config, str(offense))
    assert {"S602", "S307"} <= set(re.findall(r"\b(S\d+)\b", done.stdout))
    for path in (ROOT / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            if re.search(r"#\s*noqa: S\d", line):
                assert re.search(r"# noqa: S\d+ - \w", line), f"{path}: {line}"
