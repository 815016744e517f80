"""Threat model and reliability name tests that exist, and leave no attack and no fault out."""

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
INSTEAD: Final = {"there are no recovery codes", "there are no trusted devices"}


def named_in(path: str) -> set[str]:
    return set(re.findall(DEFINED, (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", [MODEL, RELIABILITY], ids=["threat model", "reliability"])
def test_every_test_it_names_exists(page: str) -> None:
    for path, name in re.findall(TEST, page):
        assert (ROOT / path).exists(), path
        assert not name or name in named_in(path), f"{path}::{name}"


def test_every_attack_that_is_tested_is_named() -> None:
    for path in sorted((ROOT / "tests/security").glob("test_*_attacks.py")):
        where = str(path.relative_to(ROOT))
        assert named_in(where) == {name for named, name in NAMED if named == where}


def test_all_thirty_five_kinds_of_attack_have_a_row_with_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d+) \|[^|]+\| ([^|]+) \|$", MODEL, re.MULTILINE)
    assert {int(number) for number, _ in rows} == set(range(1, 36))
    for number, shown in rows:
        assert re.search(TEST, shown) or shown in INSTEAD, number


def test_all_twenty_faults_have_a_row_with_a_test_or_a_plain_word() -> None:
    rows = re.findall(r"^\| R(\d+) \|[^|]+\| ([^|]+) \|$", RELIABILITY, re.MULTILINE)
    assert {int(number) for number, _ in rows} == set(range(1, 21))
    for number, shown in rows:
        assert re.search(rf"{TEST}|`make \w+`|not done|there is none", shown), number


def test_every_test_of_a_fault_runs_in_a_file_that_reliability_or_the_threat_model_names() -> None:
    named = {path for path, _ in re.findall(TEST, RELIABILITY + MODEL)}
    for path in sorted((ROOT / "tests/reliability").glob("test_*.py")):
        assert str(path.relative_to(ROOT)) in named
