"""The threat model and the reliability page name existing tests and leave out no attack and no fault."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
MODEL: Final = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
RELIABILITY: Final = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
TEST: Final = r"`(tests/[\w/]+\.py)(?:::(\w+))?`"
NAMED: Final = set(re.findall(TEST, MODEL))
DEFINED: Final = r"^(?:async )?def (test_\w+)"
# A row's last cell names tests, or commands, or says why there is none.
INSTEAD: Final = frozenset[str]()


def defined_in(path: str) -> set[str]:
    return set(re.findall(DEFINED, (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", [MODEL, RELIABILITY], ids=["threat model", "reliability"])
def test_tests_named_in_the_pages_exist(page: str) -> None:
    for path, name in re.findall(TEST, page):
        assert (ROOT / path).exists(), path
        assert not name or name in defined_in(path), f"{path}::{name}"


def test_every_attack_test_is_in_the_threat_model() -> None:
    for path in sorted((ROOT / "tests/security").glob("test_*_attacks.py")):
        where = str(path.relative_to(ROOT))
        assert defined_in(where) == {name for named, name in NAMED if named == where}


def test_all_35_attacks_have_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d+) \|[^|]+\| ([^|]+) \|$", MODEL, re.MULTILINE)
    assert {int(number) for number, _ in rows} == set(range(1, 36))
    for number, cell in rows:
        assert re.search(TEST, cell) or cell in INSTEAD, number


def test_all_20_faults_have_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| R(\d+) \|[^|]+\| ([^|]+) \|$", RELIABILITY, re.MULTILINE)
    assert {int(number) for number, _ in rows} == set(range(1, 21))
    for number, cell in rows:
        assert re.search(rf"{TEST}|`make \w+`|not done|there is none", cell), number


def test_every_reliability_test_file_is_documented() -> None:
    named = {path for path, _ in re.findall(TEST, RELIABILITY + MODEL)}
    for path in sorted((ROOT / "tests/reliability").glob("test_*.py")):
        assert str(path.relative_to(ROOT)) in named
