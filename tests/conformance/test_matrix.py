"""The output of a program becomes results; a program that cannot run never counts as passed."""

import hashlib
import sys
from pathlib import Path
from typing import Final

import pytest

from conformance import matrix
from conformance.matrix import Outcome
from conformance.rows import STEPS, Row
from conformance.run import walk
from conformance.toolchains import check_jars

ROW: Final = Row("an SDK", (), "", ())
NOWHERE: Final = "http://127.0.0.1:9"


def program(source: str) -> Row:
    return Row("a program", (), "", (sys.executable, "-c", source))


def test_output_lines_become_results_and_reasons() -> None:
    outcome = matrix.read(ROW, "ok enroll\nnot ok verify\n# it said no\nnoise\nok get\n", 1, 0)

    assert outcome.results == {"enroll": "ok", "verify": "not ok", "get": "ok"}
    assert outcome.reasons == {"verify": "it said no"}
    assert (outcome.failed, outcome.passed) == (["verify"], False)


def test_an_unknown_step_is_a_failure() -> None:
    assert matrix.read(ROW, "ok no-such-step\n", 0, 0).failed == ["no-such-step"]


def test_a_program_with_a_nonzero_exit_code_has_failed() -> None:
    outcome = walk(program("print('ok enroll'); raise SystemExit('gone')"), NOWHERE)

    assert outcome.failed == ["whole program"]
    assert "gone" in outcome.reasons["whole program"]


def test_a_program_that_prints_nothing_has_failed() -> None:
    assert walk(program(""), NOWHERE).failed == ["whole program"]


def test_a_program_that_times_out_is_stopped_and_has_failed() -> None:
    source = "import time; print('ok enroll', flush=True); time.sleep(50)"
    outcome = walk(program(source), NOWHERE, seconds=2)

    assert outcome.results == {"enroll": "ok", "whole program": "not ok"}


def test_a_missing_toolchain_is_reported_and_fails_in_strict_mode() -> None:
    outcome = walk(Row("an SDK", ("no-such-tool",), "", ()), NOWHERE)

    assert outcome.missing == "no-such-tool is not on PATH"
    assert matrix.remarks([outcome]) == ["NOT RUN an SDK: no-such-tool is not on PATH"]
    assert matrix.tally([outcome], strict=False) == (0, 0)
    assert matrix.tally([outcome], strict=True) == (0, 1)


def test_the_document_has_a_row_per_sdk_and_a_cell_per_step() -> None:
    passed = matrix.read(ROW, "".join(f"ok {step}\n" for step in STEPS), 0, 0)
    line = next(line for line in matrix.document([passed]).splitlines() if line.startswith("| an SDK"))

    assert line == "| an SDK" + " | ok" * len(STEPS) + " |"
    assert passed.passed
    assert not Outcome(ROW).passed


def test_a_jar_that_differs_from_its_lock_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "jars.sha256"
    lock.write_text(f"{hashlib.sha256(b'one').hexdigest()}  one.jar\n", encoding="utf-8")
    (tmp_path / "one.jar").write_bytes(b"one")
    check_jars(tmp_path, lock)

    (tmp_path / "one.jar").write_bytes(b"other")
    with pytest.raises(OSError, match=r"one\.jar is not what jars\.sha256 names"):
        check_jars(tmp_path, lock)
    (tmp_path / "one.jar").write_bytes(b"one")
    (tmp_path / "two.jar").write_bytes(b"two")
    with pytest.raises(OSError, match=r"two\.jar .* instead of None"):
        check_jars(tmp_path, lock)
    (tmp_path / "two.jar").unlink()
    (tmp_path / "one.jar").unlink()
    with pytest.raises(OSError, match=r"one\.jar .*: None instead of"):
        check_jars(tmp_path, lock)


def test_the_compatibility_page_lists_what_the_server_refuses() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")

    assert page.endswith(matrix.not_served()), "run make conformance, or replace the section Not served"
    assert matrix.document([]).endswith(matrix.HOW + matrix.not_served())
