"""The threat model names tests that exist, and every attack that is tested is in it."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
MODEL: Final = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
NAMED: Final = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", MODEL))
DEFINED: Final = r"^(?:async )?def (test_\w+)"


def named_in(path: str) -> set[str]:
    return set(re.findall(DEFINED, (ROOT / path).read_text(), re.MULTILINE))


def test_every_test_it_names_exists() -> None:
    for path, name in NAMED:
        assert (ROOT / path).exists(), path
        assert not name or name in named_in(path), f"{path}::{name}"


def test_every_attack_that_is_tested_is_named() -> None:
    for path in sorted((ROOT / "tests/attacks").glob("test_*.py")):
        where = str(path.relative_to(ROOT))
        assert named_in(where) == {name for named, name in NAMED if named == where}


def test_all_thirty_five_kinds_of_attack_have_a_row() -> None:
    rows = re.findall(r"^\| (\d+) \|", MODEL, re.MULTILINE)
    assert {int(row) for row in rows} == set(range(1, 36))
