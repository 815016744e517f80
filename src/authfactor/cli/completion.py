"""Shell completion: print click's script, or install it where the shell loads it."""

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
    """Print the completion script of a shell. Raises `UsageError` for an unsupported one."""
    click.echo(_script(ctx, _shell_name(ctx, shell)))


def install(ctx: click.Context, shell: str) -> None:
    """Install the completion script for a shell. Raises `UsageError` for an unsupported one."""
    name = _shell_name(ctx, shell)
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
    click.echo(f"Installed {file}. Open a new terminal to use completion.")


def _shell_name(ctx: click.Context, shell: str) -> str:
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    problem = f"There is no completion for '{name}'" if name else "SHELL is not set"
    raise click.UsageError(f"{problem}. Choose a shell: {', '.join(SHELLS)}.", ctx)


def _script(ctx: click.Context, shell: str) -> str:
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"click does not support completion for {shell}.", ctx)
    return completion(ctx.command, {}, PROGRAM, VARIABLE).source()


def _add_line(file: Path, line: str) -> None:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if line not in text.splitlines():
        file.write_text(
            f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n", encoding="utf-8"
        )
