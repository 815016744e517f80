"""The pytest plugin as applications use it: pytest in a separate process, on the how-to guide's example."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.server_process import clean_environment

HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to" / "replace-the-emulator.md"
FILE: Final = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest with this plugin alone: discovering and loading the others takes longer than the tests."""
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "authfactor.testing.plugin"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"],
        cwd=folder,
        env=clean_environment(**alone),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


@pytest.fixture
def application(tmp_path: Path) -> Path:
    files = FILE.findall(HOW_TO.read_text(encoding="utf-8"))
    assert [name for name, _ in files] == ["shop.py", "test_shop.py"]
    for name, source in files:
        (tmp_path / name).write_text(source, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def test_pytest_loads_the_plugin_by_its_entry_point(pytestconfig: pytest.Config) -> None:
    (entry_point,) = importlib.metadata.entry_points(group="pytest11", name="authfactor")

    assert entry_point.value == "authfactor.testing.plugin"
    assert pytestconfig.pluginmanager.get_plugin("authfactor") is entry_point.load()


def test_example_of_the_how_to_guide_passes_its_tests(application: Path) -> None:
    completed = run_pytest(application)

    assert completed.returncode == 0, completed.stdout
    assert "4 passed" in completed.stdout


@pytest.mark.parametrize(("scope", "servers"), [("session", 1), ("function", 2)])
def test_scope_setting_determines_the_servers_lifetime(tmp_path: Path, scope: str, servers: int) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nauthfactor_scope = {scope}\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def authfactor_settings():\n"
        "    return {'team_name': 'Acme'}\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        "def test_it(authfactor_server, authfactor_client, number):\n"
        "    user = authfactor_client.user_management.create_user(email=f'kim{number}@example.org')\n"
        "    made = authfactor_client.user_management.enroll_auth_factor(user_id=user.id)\n"
        "    assert made.authentication_factor.totp.issuer == 'Acme'\n"
        "    with open('ports', 'a') as file:\n"
        "        file.write(authfactor_server.base_url + '\\n')\n",
        encoding="utf-8",
    )
    completed = run_pytest(tmp_path)

    assert completed.returncode == 0, completed.stdout
    assert len(set((tmp_path / "ports").read_text(encoding="utf-8").splitlines())) == servers


def test_unknown_scope_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nauthfactor_scope = galaxy\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it(authfactor_server): pass\n", encoding="utf-8")
    completed = run_pytest(tmp_path)

    assert completed.returncode != 0
    assert (
        "authfactor_scope must be one of session, package, module, class, function"
        in completed.stdout + completed.stderr
    )


def test_run_without_the_fixtures_imports_no_server_module(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    ours = {name for name in sys.modules if name.startswith('authfactor.')}\n"
        "    assert ours == {'authfactor.testing', 'authfactor.testing.plugin', 'authfactor.version'}\n",
        encoding="utf-8",
    )
    completed = run_pytest(tmp_path)

    assert completed.returncode == 0, completed.stdout
