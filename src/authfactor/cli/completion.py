"""Completion in the shell: click's script, printed, or put where the shell reads it when it starts."""

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

PROGRAM: Final = "authfactor"
VARIABLE: Final = "_AUTHFACTOR_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")
_ZSH: Final = "fpath+=~/.zfunc; autoload -Uz compinit; compinit"


def show(ctx: click.Context, shell: str) -> None:
    """Print the script of a shell."""
    click.echo(_script(ctx, _named(ctx, shell)))


def install(ctx: click.Context, shell: str) -> None:
    """Put the script where the shell reads it."""
    name = _named(ctx, shell)
    script, home = _script(ctx, name), Path.home()
    if name == "bash":
        file = home / ".bash_completions" / f"{PROGRAM}.sh"
        _add_line(home / ".bashrc", f"source '{file}'")
    elif name == "zsh":
        file = home / ".zfunc" / f"_{PROGRAM}"
        _add_line(home / ".zshrc", _ZSH)
    else:
        file = home / ".config" / "fish" / "completions" / f"{PROGRAM}.fish"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, encoding="utf-8")
    click.echo(f"{name} completes {PROGRAM} in the next terminal ({file}).")


def _named(ctx: click.Context, shell: str) -> str:
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    said = f"'{name}' has no completion" if name else "SHELL does not say which shell this is"
    raise click.UsageError(f"{said}. Name one: {', '.join(SHELLS)}.", ctx)


def _script(ctx: click.Context, shell: str) -> str:
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"click has no completion for {shell}.", ctx)
    return completion(ctx.command, {}, PROGRAM, VARIABLE).source()


def _add_line(file: Path, line: str) -> None:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if line not in text.splitlines():
        file.write_text(
            f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n", encoding="utf-8"
        )
