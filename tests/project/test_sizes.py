"""tools/sizes.py, run as `make lint` runs it."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "sizes.py"


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False)


def test_functions_over_60_lines_are_reported(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("def fits():\n" + "    pass\n" * 59)
    assert run(tmp_path).returncode == 0
    module.write_text("@decorated\nasync def grown():\n" + "    pass\n" * 59)
    result = run(tmp_path)
    assert result.returncode == 1
    assert f"too long: {module}:2 grown (61 lines)" in result.stdout


def test_modules_over_350_lines_are_reported(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1\n" * 350)
    assert run(tmp_path).returncode == 0
    module.write_text("x = 1\n" * 351)
    result = run(tmp_path)
    assert result.returncode == 1
    assert f"too long: {module} (351 lines)" in result.stdout


def test_the_distribution_counts_methods_and_nested_functions(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "class A:\n    def outer(self):\n        def inner():\n            pass\n        return inner\n"
    )
    assert "functions: 2, median 4, p90 4, longest 4 lines" in run(tmp_path).stdout


def test_an_empty_folder_passes(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.returncode == 0
    assert "modules: 0" in result.stdout


def test_a_class_name_in_two_modules_is_reported(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("class Event:\n    pass\n")
    second.write_text("class Other:\n    pass\n")
    assert run(tmp_path).returncode == 0
    second.write_text("\nclass Event:\n    pass\n")
    result = run(tmp_path)
    assert result.returncode == 1
    assert f"defined more than once: Event ({first}:1, {second}:2)" in result.stdout
