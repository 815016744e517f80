"""Text for a terminal: control characters of stored values are escaped, and JSON keeps its value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authfactor.cli import context, terminal

HOSTILE = {
    "\x1b[2J": r"\x1b[2J",
    "a\rb": r"a\rb",
    "a\nb": r"a\nb",
    "\x07": r"\x07",
    "\x7f": r"\x7f",
    "\x9b31m": r"\x9b31m",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2028": r"\u2028",
    "\u200bx": r"\u200bx",
    "\U000e0041": r"\U000e0041",
    "\ud800": r"\ud800",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=HOSTILE.values())
def test_characters_that_a_terminal_acts_on_or_hides_are_escaped(text: str, shown: str) -> None:
    assert terminal.printable(text) == shown


def test_ordinary_text_of_any_language_is_unchanged() -> None:
    for text in ("kim@example.org", "Zoë Łódź", "日本語", "👍", "a b", ""):
        assert terminal.printable(text) == text


@given(st.text())
def test_printable_text_is_printable_and_stays_so(text: str) -> None:
    shown = terminal.printable(text)
    assert shown.isprintable()
    assert terminal.printable(shown) == shown


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_escaped_json_has_the_same_value(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    shown = terminal.printable_json(text)

    assert json.loads(shown) == value
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_way_of_printing_lets_a_control_character_through(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    context.print_table(["name", "url"], [[f"[bold]{text}", "[link=file:///etc/passwd]x[/link]"]], "none")
    context.print_pairs([("name", text)])
    terminal.show(text)
    options = context.GlobalOptions(as_json=True)
    context.print_result(options, {"name": text.replace("\ud800", "")}, lambda: None)
    with pytest.raises(SystemExit):
        context.fail(OSError(text))
    out, err = capsys.readouterr()

    for printed in (out, err):
        assert all(line.isprintable() for line in printed.split("\n")), ascii(printed)
    # Markup of the table's library would style text, or turn it into a link.
    assert "[bold]" in out
    assert "[link=file:///etc/passwd]x[/link]" in out
    assert err.count("\n") == 1
