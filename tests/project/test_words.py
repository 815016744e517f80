"""tools/words.py, run as `make lint` runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import words

ROOT = Path(__file__).parents[2]
REFUSED = {
    "Whoever asks may read it.": "Whoever -> name the actor",
    "it concerns nobody, not even": "nobody -> name the actor",
    "def wakes_everybody_up():": "everybody -> name the actor",
    "the answer of before": "of before -> earlier",
    "events of late": "of late -> recent",
    "begin anew": "anew -> again",
    "def the_client_is_told(): ...": "is told -> is notified",
    "a restore is under way": "under way -> in progress",
    "the door lets them in": "lets them in -> authenticates",
    "def desk() -> None:": "desk -> the thing's own name",
    "class CourierError": "Courier -> dispatcher",
    "self._seat = 1": "seat -> operator context",
    "import headstart": "headstart -> eager task",
    "class Aside:": "Aside -> commit thread",
    "self.commit_aside.run()": "commit_aside -> commit thread",
    "Enrol a factor": "Enrol -> enroll",
    "two enrolments": "enrolments -> enrollments",
    "uncoloured": "uncoloured -> uncolored",
    "neighbouring": "neighbouring -> neighboring",
    "behaviour": "behaviour -> behavior",
    "a task is cancelled": "cancelled -> canceled",
    "honoured": "honoured -> honored",
    "# MIT licence": "licence -> license",
    "greyscale": "greyscale -> grayscale",
    "the centre": "centre -> center",
    "a catalogue": "catalogue -> catalog",
    "artefacts": "artefacts -> artifacts",
    "unauthorised": "unauthorised -> unauthorized",
    "INITIALISE_ALL": "INITIALISE -> INITIALIZE",
    "serialisation": "serialisation -> serialization",
    "optimising": "optimising -> optimizing",
    "organisations": "organisations -> organizations",
}
FINE = [
    "Enroll users; 2 enrolled, one enrollment pending.",
    "except asyncio.CancelledError: assert task.cancelled()",
    "an optimistic organism of optimism, with emphasis",
    "set aside; the <aside> element; aside from that",
    "text-align: center; color: gray",
    "the license of the catalog",
    "chown nobody:nogroup data",
    "newer, renewed; a renewal; the best of lately; a wayland session",
]


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.words", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(("text", "expected"), REFUSED.items())
def test_a_refused_word_has_a_suggestion(text: str, expected: str) -> None:
    found = list(words.suggestions(text))
    assert len(found) == 1
    assert found[0].lower().startswith(expected.lower())


@pytest.mark.parametrize(
    "pattern",
    [pattern for pattern, _ in (*words.PATTERNS, *words.NAME_PATTERNS)],
    ids=lambda p: p.pattern[:30],
)
def test_every_pattern_finds_something(pattern: re.Pattern[str]) -> None:
    assert any(pattern.search(words.INSIDE_NAME.sub(" ", text)) or pattern.search(text) for text in REFUSED)


@pytest.mark.parametrize("text", FINE)
def test_good_text_passes(text: str) -> None:
    assert list(words.suggestions(text)) == []


def test_a_finding_has_file_and_line_and_fails_the_run(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("fine\n\nsomebody\n")
    result = run(file)
    assert result.returncode == 1
    assert f"{file}:3: somebody -> name the actor" in result.stdout
    assert "words: 1 files, 1 findings" in result.stdout


def test_the_name_of_a_binary_file_counts_but_not_its_content(tmp_path: Path) -> None:
    good, bad = tmp_path / "picture.png", tmp_path / "colour.png"
    for file in (good, bad):
        file.write_bytes(b"\0 colour")
    assert run(good).returncode == 0
    assert f"{bad}: in its name: colour -> color" in run(bad).stdout


def test_locks_and_other_languages_are_not_read(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name in ("some.lock", "web/locales/de/page.toml", "web/static/vendor/lib.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("colour\n")
    assert run(cwd=tmp_path).returncode == 0
    (tmp_path / "web/locales/de/page.toml").rename(tmp_path / "page.toml")
    assert "page.toml:1: colour -> color" in run(cwd=tmp_path).stdout
