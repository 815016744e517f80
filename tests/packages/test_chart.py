"""The Helm chart: linted, rendered, and every object checked against Kubernetes' schemas."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import pytest
import yaml

import authfactor
from authfactor.settings import PREFIX, Settings
from tests.support.skip_or_fail import skip_or_fail

CHART: Final = Path(__file__).parents[2] / "deploy" / "chart" / "authfactor"
VALUES: Final = sorted((CHART / "ci").glob("*-values.yaml"))
# Where `make chart` puts it.
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "authfactor"
KUBERNETES: Final = ("1.29", "1.33")
# A helm that `go install` built does not know which Kubernetes it was built for.
TEMPLATE: Final = (CHART, "--kube-version", KUBERNETES[-1])

values_files = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def helm(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    built = [str(path) for path in sorted(CACHE.glob("helm-*/helm"))]
    found = built[-1] if built else shutil.which("helm")
    if found is None:
        skip_or_fail("helm is neither built (make chart) nor on PATH")
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False, timeout=50)


def rendered(*arguments: str | Path, release: str = "test") -> list[dict[str, Any]]:
    done = helm("template", release, *TEMPLATE, *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def by_kind(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in objects}


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "Job"}]


def variables(objects: list[dict[str, Any]]) -> dict[str, str]:
    (container,) = by_kind(objects)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == authfactor.__version__


@values_files
def test_values_fit_their_schema_and_defaults_are_described(values: Path) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(defaults | yaml.safe_load(values.read_text()), schema)
    assert set(defaults) == set(schema["properties"]) - {"global"}


@pytest.mark.packages
@values_files
def test_helm_lints_the_chart_without_a_warning(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.mark.packages
@pytest.mark.parametrize("version", KUBERNETES)
@values_files
def test_kubernetes_accepts_every_object(values: Path, version: str) -> None:
    objects = rendered("--values", values)
    assert {"Deployment", "Service", "ServiceAccount"} <= set(by_kind(objects))
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.packages
@values_files
def test_pods_are_restricted_and_get_no_service_variables(values: Path) -> None:
    for pod in pods(rendered("--values", values)):
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.packages
@values_files
def test_variables_are_settings_and_no_secret_is_among_them(values: Path) -> None:
    known = {item.name: item for item in fields(Settings)}
    for name in variables(rendered("--values", values)):
        setting = name.removeprefix(PREFIX).lower()
        item = known[setting.removesuffix("_file") if setting not in known else setting]
        assert item.metadata["secret"] == (setting not in known), name


@pytest.mark.packages
def test_sqlite_has_one_pod_on_a_volume_that_outlives_the_release() -> None:
    objects = by_kind(rendered("--values", CHART / "ci" / "sqlite-values.yaml"))
    deployment, volume = objects["Deployment"]["spec"], objects["PersistentVolumeClaim"]
    claims = [
        each["persistentVolumeClaim"]["claimName"]
        for each in deployment["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in each
    ]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert claims == [volume["metadata"]["name"]]
    assert volume["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not {"Job", "PodDisruptionBudget", "Ingress"} & set(objects)


@pytest.mark.packages
def test_postgresql_has_several_pods_a_migration_before_them_and_its_secrets_as_files() -> None:
    objects = rendered("--values", CHART / "ci" / "postgresql-values.yaml")
    kinds = by_kind(objects)
    deployment = kinds["Deployment"]["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > 5 + 30
    assert "pre-upgrade" in kinds["Job"]["metadata"]["annotations"]["helm.sh/hook"]
    assert kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert variables(objects) == {
        "AUTHFACTOR_BASE_URL": "https://mfa.example.org",
        "AUTHFACTOR_DATABASE_URL_FILE": "/run/authfactor/database-url",
        "AUTHFACTOR_DATA": "/var/lib/authfactor",
        "AUTHFACTOR_DOCS": "false",
        "AUTHFACTOR_DRAIN_TIME": "30",
        "AUTHFACTOR_DRAIN_WAIT": "5",
        "AUTHFACTOR_HOST": "0.0.0.0",  # noqa: S104 - inside a pod
        "AUTHFACTOR_LOG_LEVEL": "warning",
        "AUTHFACTOR_MAX_BODY": "1000000",
        "AUTHFACTOR_METRICS_TOKEN_FILE": "/run/authfactor/metrics-token",
        "AUTHFACTOR_PORT": "8080",
        "AUTHFACTOR_TRUSTED_PROXIES": "10.0.0.0/8",
        "AUTHFACTOR_WORKERS": "2",
    }


@pytest.mark.packages
def test_installations_as_documented_are_accepted() -> None:
    page = (CHART.parents[2] / "docs" / "install" / "kubernetes.md").read_text().replace("\\\n", " ")
    installed = re.findall(r"^helm install (\S+) deploy/chart/authfactor (.*)$", page, re.MULTILINE)
    assert len(installed) == 2
    for _, options in installed:
        objects = rendered(*options.split())
        assert variables(objects)["AUTHFACTOR_BASE_URL"] == "https://mfa.example.org"
        for each in objects:
            kubernetes_validate.validate(each, KUBERNETES[-1], strict=True)
    name = by_kind(rendered(release=installed[0][0]))["Deployment"]["metadata"]["name"]
    assert f"deployment/{name} " in page


@pytest.mark.packages
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("database=postgresql", "secret"),
        ("metrics=true", "secret"),
        ("database=mysql", "database"),
        ("baseUrl=mfa.example.org", "baseUrl"),
        ("ingress.enabled=true", "host"),
        ("replica=3", "replica"),
        ("settings.metrics_token=hunter2", "settings"),
    ],
)
def test_wrong_values_are_refused_by_name(given: str, problem: str) -> None:
    done = helm("template", "test", *TEMPLATE, "--set", given)
    assert done.returncode != 0
    assert problem in done.stderr
