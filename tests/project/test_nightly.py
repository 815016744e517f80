"""tools/nightly.py: every stage runs, even after a failed one, and the table shows the results."""

import re
import sys
from pathlib import Path

import pytest

from tools import nightly

ROOT = Path(__file__).parents[2]


def stage(name: str, code: int) -> nightly.Stage:
    return nightly.Stage(name, "a test of it", (sys.executable, "-c", f"raise SystemExit({code})"))


def test_a_failed_stage_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "STAGES", (stage("first", 3), stage("second", 0)))
    monkeypatch.setattr(sys, "argv", ["nightly"])
    assert nightly.main() == 1
    output = capsys.readouterr().out
    assert re.search(r"^first      FAILED \(3\) .* a test of it$", output, re.MULTILINE)
    assert re.search(r"^second     passed ", output, re.MULTILINE)
    assert output.endswith("1 passed, 1 failed\n")


def test_stages_are_selected_by_name_and_unknown_names_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "STAGES", (stage("first", 3), stage("second", 0)))
    monkeypatch.setattr(sys, "argv", ["nightly", "second"])
    assert nightly.main() == 0
    assert "first" not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["nightly", "third"])
    assert nightly.main() == 2
    assert capsys.readouterr().out == "no stage third; there are first, second\n"


def test_every_nightly_test_is_in_exactly_one_stage() -> None:
    marked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if "@pytest.mark.nightly" in path.read_text().replace('"@pytest.mark.nightly"', "")
    }
    paths = [
        part
        for each in nightly.STAGES
        if "nightly" in each.command
        for part in each.command
        if "tests/" in part
    ]
    for file in marked:
        assert len([path for path in paths if file == path or file.startswith(f"{path}/")]) == 1, file
    for path in paths:
        assert any(file == path or file.startswith(f"{path}/") for file in marked), path


def test_the_other_stages_are_fuzzing_and_mutants() -> None:
    others = [each for each in nightly.STAGES if "nightly" not in each.command]
    assert [each.name for each in others] == ["fuzz", "files", "mutants"]
    assert all((ROOT / each.command[-1]).exists() for each in others)
