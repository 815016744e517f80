"""Decision records: each has a date and a status, the index lists them all, and relations are mutual."""

import re
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS: Final = {path.name[:4]: path for path in sorted(FOLDER.glob("[0-9]*.md"))}
# How a record refers to another one, and how that one must refer back.
MUTUAL: Final = {"amends": "amended by", "supersedes in part": "superseded in part by"}


def header(number: str) -> str:
    """Return the text between title and context, without line breaks."""
    return " ".join(RECORDS[number].read_text(encoding="utf-8").partition("\n## ")[0].lower().split())


def related(number: str, phrase: str) -> set[str]:
    """Return the numbers that a record's header names after a phrase, up to the next semicolon or line."""
    found = re.findall(rf"{phrase}:? (.*?)(?:;| - [a-z]|$)", header(number))
    return {named for text in found for named in re.findall(r"\[(\d{4})\]", text)}


def test_record_numbers_are_consecutive() -> None:
    assert list(RECORDS) == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("number", RECORDS)
def test_a_record_has_title_date_status_and_the_usual_sections(number: str) -> None:
    text = RECORDS[number].read_text(encoding="utf-8")
    assert re.match(rf"# {number} \w.*\n\n- Date: 20\d\d-\d\d-\d\d\n- Status: accepted\b", text)
    sections = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert sections == ["Context", "Decision", "Consequences", "Alternatives"]


@pytest.mark.parametrize("number", RECORDS)
def test_the_index_lists_every_record_with_title_and_date(number: str) -> None:
    text = RECORDS[number].read_text(encoding="utf-8")
    title, date = re.findall(r"^# \d{4} (.*)$|^- Date: (.*)$", text, re.MULTILINE)
    row = next(
        line
        for line in (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {number} |")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == [f"[{title[0]}]({RECORDS[number].name})", date[1]]
    others = related(number, "amended by") | related(number, "superseded in part by")
    assert set(re.findall(r"\d{4}", cells[3])) == others


@pytest.mark.parametrize("number", RECORDS)
def test_amended_records_refer_to_each_other(number: str) -> None:
    for active, passive in MUTUAL.items():
        for other in related(number, active):
            assert number in related(other, passive), f"{other} does not name {number}"
        for other in related(number, passive):
            assert number in related(other, active), f"{other} does not name {number}"
