"""Write the man page and the sample of a settings file from the code: docs/man, deploy/authfactor.toml.

Usage: python tools/manual.py [--check]

`--check` writes nothing; it prints the files that differ from the code and exits with 1 if there are any.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click

from authfactor import settings
from authfactor.cli import app, exit_codes
from authfactor.settings import reading
from authfactor.version import __version__

ROOT: Final = Path(__file__).parents[1]
WIDTH: Final = 110
NAME: Final = "authfactor"


# --- the man page, in the macros of man(7) ---


def escaped(text: str) -> str:
    """Return text that roff prints as it is."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return text.replace("`", "\\(ga").replace("…", "...").replace("—", "\\(em")


def paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of a help text; an example keeps its line."""
    for part in re.split(r"\n\s*\n", text.strip()):
        if found := re.fullmatch(r"Example:\s+(.*)", part.strip(), re.DOTALL):
            yield from (".PP", "Example:", ".PP", ".RS 4", ".EX", escaped(found[1]), ".EE", ".RE")
        else:
            yield from (".PP", escaped(part))


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the lines of a command's own options."""
    for parameter in command.get_params(context):
        found = parameter.get_help_record(context)
        if found is not None and "--help" not in parameter.opts:
            yield from (".TP", f"\\fB{escaped(found[0])}\\fR", escaped(found[1]))


def commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command and all commands below it, with their contexts."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield command, context
    for below, found in getattr(command, "commands", {}).items():
        yield from commands(found, below, context)


def man_page() -> str:
    """Return the man page of the command line."""
    (root, top), *rest = commands(app, NAME)
    about = root.get_short_help_str(limit=200)
    lines = [
        '.\\" Written by `make reference` from the code.',
        f'.TH AUTHFACTOR 1 "" "{NAME} {__version__}" "User Commands"',
        ".SH NAME",
        f"{NAME} \\- {escaped(about[0].lower() + about[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{NAME}\\fR {escaped(' '.join(root.collect_usage_pieces(top)))}",
        ".SH OPTIONS",
        "These come before the command. \\fB\\-h\\fR and \\fB\\-\\-help\\fR print the help of any command.",
        *options(root, top),
        ".SH COMMANDS",
    ]
    for command, context in rest:
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f'.SS "{escaped(context.command_path)} {escaped(usage)}"', *paragraphs(command.help or "")]
        lines += options(command, context)
    _, _, listed = (exit_codes.__doc__ or "").partition("\n\n")
    lines.append(".SH EXIT STATUS")
    for number, meaning in re.findall(r"(\d) ([^·\d]+)", listed):
        lines += [".TP", f"\\fB{number}\\fR", escaped(meaning)]
    lines.append(".SH ENVIRONMENT")
    lines.append("Variables take precedence over the settings file, and options over both.")
    for item in fields(settings.Settings):
        variable = f"{settings.PREFIX}{item.name.upper()}"
        also = f", \\fB{variable}_FILE\\fR" if item.metadata["secret"] else ""
        lines += [".TP", f"\\fB{variable}\\fR{also}", escaped(described(item))]
    lines += [".SH FILES", ".TP", f"\\fI{reading.FILE_NAME}\\fR"]
    lines.append(escaped(f"Settings, where neither --config nor {reading.FILE_VARIABLE} names another file."))
    return "\n".join(lines) + "\n"


# --- the sample ---


def described(item: Any) -> str:  # noqa: ANN401 - a dataclass field
    """Return a setting's description with its unit."""
    unit = item.metadata["unit"]
    return str(item.metadata["about"]) + (f" Unit: {unit}." if unit else "")


def sample() -> str:
    """Return a settings file in which every setting is commented out, with its default."""
    lines = [
        "# Settings of authfactor. Written by `make reference` from the code; each line shows the default.",
        "# Copy this file, remove the `#` before what you change, and name the copy with --config or",
        f"# {reading.FILE_VARIABLE}. Environment variables take precedence.",
        "# `authfactor config check` reports mistakes.",
    ]
    for item in fields(settings.Settings):
        lines += ["", *textwrap.wrap(described(item), WIDTH, initial_indent="# ", subsequent_indent="# ")]
        if item.metadata["secret"]:
            variable = f"{settings.PREFIX}{item.name.upper()}_FILE"
            lines.append(f"# Secret: better in a file of its own, named by {variable}.")
        lines.append(f"#{item.name} = {literal(item.default)}")
    return "\n".join(lines) + "\n"


def literal(default: object) -> str:
    """Return a default as TOML."""
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, int) else f'"{default}"'


def main(arguments: list[str]) -> int:
    stale = []
    for name, text in {"docs/man/authfactor.1": man_page(), "deploy/authfactor.toml": sample()}.items():
        path = ROOT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale (run: make reference)' if '--check' in arguments else 'written'}: {name}")
    return 1 if "--check" in arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
