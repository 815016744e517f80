"""What a newcomer types to get to the first sign-in: `make walk` runs it, these tests count it."""

import shutil
from pathlib import Path

import pytest

from conformance.sign_in import page
from tools import walk_docs


@pytest.mark.parametrize("language", walk_docs.LANGUAGES)
def test_a_first_sign_in_needs_less_than_five_minutes_of_typing(language: str) -> None:
    serve, blocks = walk_docs.commands(walk_docs.ROOT, language)
    assert serve == "make run\n"
    assert len(blocks) >= 3
    assert 0.5 < walk_docs.minutes(walk_docs.ROOT, language) < walk_docs.MINUTES


def test_every_character_of_every_command_counts(tmp_path: Path) -> None:
    for path in (walk_docs.QUICK_START, walk_docs.SIGN_IN):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(walk_docs.ROOT / path, tmp_path / path)
    before = walk_docs.minutes(tmp_path, "Python")
    text = (tmp_path / walk_docs.SIGN_IN).read_text(encoding="utf-8")
    command = "\npython3 -m venv sign-in\n"
    longer = text.replace(command, f"{command}{'x' * 1000}\n")
    assert longer != text
    (tmp_path / walk_docs.SIGN_IN).write_text(longer, encoding="utf-8")
    # 200 words of five characters, at 40 a minute, and a newline.
    assert walk_docs.minutes(tmp_path, "Python") - before == pytest.approx(1001 / 200)


@pytest.mark.parametrize("language", walk_docs.LANGUAGES)
def test_the_program_is_pasted_as_the_page_shows_it(language: str) -> None:
    script = walk_docs.script(walk_docs.ROOT, language)
    assert script.startswith("set -eo pipefail\n"), "a failing command must end the walk"
    program = page.program(page.sections(page.PAGE.read_text(encoding="utf-8"))[language])
    assert program.text in script
    assert script.index(program.text) < script.rindex(program.file)
