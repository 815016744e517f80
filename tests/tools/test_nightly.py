"""tools/nightly.py: every stage runs, whatever became of those before, and the table tells."""

import re
import sys
from pathlib import Path

import pytest

from tools import nightly

ROOT = Path(__file__).parents[2]


def stage(name: str, code: int) -> nightly.Stage:
    return nightly.Stage(name, "a test of it", (sys.executable, "-c", f"raise SystemExit({code})"))


def test_a_stage_that_fails_does_not_keep_the_others_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "STAGES", (stage("first", 3), stage("second", 0)))
    monkeypatch.setattr(sys, "argv", ["nightly"])
    assert nightly.main() == 1
    told = capsys.readouterr().out
    assert re.search(r"^first    FAILED \(3\) .* a test of it$", told, re.MULTILINE)
    assert re.search(r"^second   passed ", told, re.MULTILINE)
    assert told.endswith("1 passed, 1 failed\n")


def test_names_pick_stages_and_an_unknown_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "STAGES", (stage("first", 3), stage("second", 0)))
    monkeypatch.setattr(sys, "argv", ["nightly", "second"])
    assert nightly.main() == 0
    assert "first" not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["nightly", "third"])
    assert nightly.main() == 2
    assert capsys.readouterr().out == "no stage third; there are first, second\n"


def test_what_the_stages_run_is_there() -> None:
    assert [each.name for each in nightly.STAGES] == ["long", "fuzz", "mutants"]
    for each in nightly.STAGES:
        paths = [part for part in each.command if part.startswith(("tests", "tools"))]
        assert paths
        assert all((ROOT / path).exists() for path in paths)
