"""The files under deploy/: accepted by the tools of their kind, and consistent with the product."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner

from authfactor.cli import app
from authfactor.http.app import all_routes
from authfactor.http.telemetry import metric_names
from authfactor.settings import PREFIX, Settings, reading
from tests.support.server_process import running
from tests.support.skip_or_fail import skip_or_fail
from tools import locks

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
UNIT: Final = DEPLOY / "systemd" / "authfactor.service"
KUBERNETES: Final = DEPLOY / "kubernetes" / "authfactor.yaml"
COMPOSE: Final = DEPLOY / "container" / "compose.yaml"
CONTAINER: Final = DEPLOY / "container" / "Containerfile"
ALERTS: Final = DEPLOY / "observability" / "alerts.yaml"
DASHBOARD: Final = DEPLOY / "observability" / "dashboard.json"


def tool(name: str) -> str:
    """Find a program, in this environment first; without it, skip (or fail in CI)."""
    found = shutil.which(name, path=f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        skip_or_fail(f"{name} is not on PATH")
    return found


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


def test_promtool_accepts_the_alerts() -> None:
    done = run(tool("promtool"), "check", "rules", "--lint-fatal", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> list[str]:
    rules = [
        rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [*rules, *(target["expr"] for panel in panels for target in panel["targets"])]


def known_series() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return every series that `/metrics` can have, with its kind and labels."""
    found = {}
    for name, kind, labels, _ in metric_names.described([route.name for route in all_routes()]):
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[name + end] = (kind, (*labels, "le") if end == "_bucket" else labels)
    return found


@pytest.mark.parametrize("expression", expressions())
def test_queried_metrics_and_labels_exist(expression: str) -> None:
    queried = re.findall(r"\b(authfactor_\w+)(?:\{([^}]*)\})?", expression)

    assert queried or expression.startswith("up{")
    for name, selector in queried:
        assert name in known_series(), name
        labels = set(re.findall(r"(\w+)=", selector)) - {"instance", "job"}
        assert labels <= set(known_series()[name][1]), (name, selector)
    grouped = {label for part in re.findall(r"by \(([^)]*)\)", expression) for label in part.split(", ")}
    assert grouped <= {"instance"} | {label for name, _ in queried for label in known_series()[name][1]}


def test_promtool_accepts_the_dashboards_expressions(tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:{number}",
            "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*"),
        }
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = run(tool("promtool"), "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_is_on_the_dashboard() -> None:
    text = " ".join(expressions())
    assert [name for name, *_ in metric_names.described(["GET /x"]) if name not in text] == []


def test_every_alert_has_a_summary_and_an_action() -> None:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert {"summary", "action"} <= set(rule["annotations"]), rule["alert"]
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    # The path of the program is replaced by an existing one; everything else is as shipped.
    copy = tmp_path / "authfactor.service"
    copy.write_text(UNIT.read_text().replace("/opt/authfactor/bin/authfactor", "/bin/true"))
    done = run(tool("systemd-analyze"), "verify", copy)
    complaints = [line for line in done.stderr.splitlines() if "authfactor.service" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_the_unit_is_hardened() -> None:
    done = run(tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", UNIT)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_units_reload_needs_nothing_but_a_shell(tmp_path: Path) -> None:
    # As systemd runs it: split like a command line, with MAINPID in the environment and no other programs.
    (line,) = re.findall(r"^ExecReload=(.*)$", UNIT.read_text(), re.MULTILINE)
    shell, *arguments = shlex.split(line)
    with running(tmp_path / "data") as server:
        done = subprocess.run(
            [shell, *arguments],
            env={"MAINPID": str(server.pid), "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (shell, done.returncode, done.stderr) == ("/bin/sh", 0, "")
        server.wait_for_output("settings reloaded")


def unit_commands() -> list[list[str]]:
    """Return the arguments of the commands that the unit runs."""
    lines = re.findall(
        r"^Exec(?:Start|StartPre)=/opt/authfactor/bin/authfactor (.*)$", UNIT.read_text(), re.MULTILINE
    )
    assert len(lines) == 2
    return [line.split() for line in lines]


@pytest.mark.parametrize(
    "command", [*unit_commands(), ["migrate"], ["serve", "--workers", "2"], ["serve"], ["ready"]]
)
def test_deployed_commands_exist(command: list[str]) -> None:
    # Parsed by the real command line; --help stops it before it does anything.
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0, done.output


def test_hadolint_accepts_the_containerfile() -> None:
    done = run(tool("hadolint"), CONTAINER)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_is_unprivileged_read_only_and_probed() -> None:
    text = CONTAINER.read_text()
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!0\b|root\b)\d+:\d+$", last, re.MULTILINE)
    # Through the settings, so that it follows the port.
    assert 'CMD ["authfactor", "ready"]' in last
    assert set(re.findall(r"^VOLUME (.*)$", last, re.MULTILINE)) == {"/var/lib/authfactor"}
    for name in re.findall(r"COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / part).exists() for part in name.split()), name
    for service in ("server", "migrate"):
        found = yaml.safe_load(COMPOSE.read_text())["services"][service]
        assert found["read_only"] is True, service
        assert (found["cap_drop"], found["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), service


@pytest.mark.parametrize("manifest", manifests(), ids=lambda manifest: str(manifest["kind"]))
def test_kubernetes_accepts_the_manifests(manifest: dict[str, Any]) -> None:
    import kubernetes_validate  # noqa: PLC0415 - megabytes of schemas

    kubernetes_validate.validate(manifest, "1.33", strict=True)


def pods() -> dict[str, dict[str, Any]]:
    return {
        manifest["kind"]: manifest["spec"]["template"]["spec"]
        for manifest in manifests()
        if manifest["kind"] in {"Job", "Deployment"}
    }


def test_pods_get_no_variables_of_services_which_look_like_settings() -> None:
    assert {kind: pod["enableServiceLinks"] for kind, pod in pods().items()} == {
        "Job": False,
        "Deployment": False,
    }


def test_every_deployment_says_to_which_server_links_point() -> None:
    (container,) = pods()["Deployment"]["containers"]
    from_secret = {"valueFrom": {"secretKeyRef": {"name": "authfactor", "key": "base-url"}}}
    assert {"name": f"{PREFIX}BASE_URL", **from_secret} in container["env"]
    server = yaml.safe_load(COMPOSE.read_text())["services"]["server"]
    # By name: browsers take no passkeys at an IP address.
    address = server["ports"][0].rpartition(":")[0].replace("127.0.0.1", "localhost")
    assert server["environment"][f"{PREFIX}BASE_URL"] == f"${{{PREFIX}BASE_URL:-http://{address}}}"
    assert f"-e {PREFIX}BASE_URL=http://localhost:8080 authfactor" in CONTAINER.read_text()
    loaded = reading.read({}, UNIT.with_suffix(".toml"))
    assert (loaded.base_url, loaded.host) == (f"http://localhost:{loaded.port}", "127.0.0.1")


def test_the_container_installs_only_what_a_lock_has_a_hash_for() -> None:
    installs = re.findall(r"pip install (.*)", CONTAINER.read_text())
    assert installs == [
        "--require-hashes -r requirements/postgres.lock -r requirements/build.lock",
        "--no-build-isolation --no-deps .",
    ]
    runtime, postgres = locks.read("runtime.lock"), locks.read("postgres.lock")
    assert set(postgres) == set(runtime) | {"asyncpg"}
    tested = locks.read("dev.lock")
    for name, each in postgres.items():
        assert (each.version, each.hashes) == (tested[name].version, tested[name].hashes), name
        assert each.hashes


def test_the_sample_cluster_says_that_it_is_for_a_laptop() -> None:
    for file in (DEPLOY / "cluster").iterdir():
        if file.suffix != ".py" and file.is_file():
            assert "for a laptop" in file.read_text()[:300].lower(), file.name


def test_the_deployment_has_probes_hardening_and_drain_time() -> None:
    found = {manifest["kind"]: manifest for manifest in manifests()}
    pod = found["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["terminationGracePeriodSeconds"] > 5 + Settings().drain_time
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < found["Deployment"]["spec"]["replicas"]


@pytest.mark.parametrize("file", [KUBERNETES, COMPOSE, CONTAINER, UNIT], ids=lambda file: file.name)
def test_settings_named_in_deploy_files_exist(file: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+", file.read_text())) - {f"{PREFIX}DATABASE_PASSWORD"}
    settings = {name: name.removeprefix(PREFIX).lower().removesuffix("_file") for name in named}
    unknown = [name for name, setting in settings.items() if not hasattr(Settings(), setting)]
    assert (bool(named), unknown) == (True, [])
