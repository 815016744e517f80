"""tools/import_cycles.py, run as `make imports` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "import_cycles.py"


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False)


def write(folder: Path, modules: dict[str, str]) -> None:
    for name, source in modules.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


@pytest.mark.parametrize(
    "back",
    [
        "from app import a\n",
        "from app.a import x\n",
        "import app.a\n",
        "def f():\n    from app import a\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.a import x\n",
    ],
    ids=["module", "name", "plain", "in a function", "for types"],
)
def test_a_circle_inside_one_package_is_named(tmp_path: Path, back: str) -> None:
    write(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/a.py": "from app import b\n",
            "app/b.py": "import os\nfrom app.c import y\n",
            "app/c.py": back,
            "app/d.py": "from app import a, b\n",
        },
    )
    result = run(tmp_path)
    assert result.returncode == 1
    assert "circle of 3 modules:\n  app.a:1 imports app.b\n  app.b:2 imports app.c\n" in result.stdout
    assert "imports app.a" in result.stdout
    assert "app.d" not in result.stdout
    assert "import cycles: 5 modules, 1 circles" in result.stdout


def test_two_circles_are_two(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": "import b\n",
            "b.py": "import a\nimport c\n",
            "c.py": "import d.e\n",
            "d/__init__.py": "import c\n",
            "d/e.py": "from d import name\n",
        },
    )
    result = run(tmp_path)
    assert result.returncode == 1
    assert "circle of 3 modules:\n  c:1 imports d.e\n  d:1 imports c\n  d.e:1 imports d\n" in result.stdout
    assert "circle of 2 modules:\n  a:1 imports b\n  b:1 imports a\n" in result.stdout


def test_a_package_that_exports_its_modules_is_no_circle(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app/__init__.py": "from app.a import x\nfrom app import b\n",
            "app/a.py": "from app import b\n",
            "app/b.py": "import json\n",
            "main.py": "import app\n",
        },
    )
    result = run(tmp_path)
    assert result.returncode == 0
    assert result.stdout == "import cycles: 4 modules, 0 circles\n"
