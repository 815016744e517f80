"""Commands are imported when they are called: their registry is complete, and completion knows them all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from authfactor.cli import COMMANDS, app
from tests.support.skip_or_fail import skip_or_fail

PROGRAM = Path(sys.executable).parent / "authfactor"


@pytest.mark.parametrize("name", COMMANDS)
def test_listed_summary_matches_the_commands_own_help(name: str) -> None:
    command = app.commands[name]

    assert command.name == name
    assert COMMANDS[name].about == command.get_short_help_str(limit=200)


def names_below(group: click.Group) -> Iterator[str]:
    for name, command in group.commands.items():
        yield name
        if isinstance(command, click.Group):
            yield from names_below(command)


def test_every_command_is_registered() -> None:
    folder = Path(sys.modules["authfactor.cli"].__file__ or "").parent
    modules = [file.stem for file in folder.glob("*.py") if "\n@click." in file.read_text()]
    groups = {
        (f"authfactor.cli.{module}", found.name)
        for module in modules
        if module != "__init__"
        for found in vars(__import__(f"authfactor.cli.{module}", fromlist=["x"])).values()
        if isinstance(found, click.Command)
    }
    below = {
        (late.module, inner)
        for name, late in COMMANDS.items()
        if isinstance(command := app.commands[name], click.Group)
        for inner in names_below(command)
    }
    assert groups == below | {(late.module, name) for name, late in COMMANDS.items()}


def test_the_command_list_is_read_only() -> None:
    assert "serve" in app.commands
    assert "server" not in app.commands
    assert len(app.commands) == len(COMMANDS)
    with pytest.raises(TypeError):
        app.add_command(click.Command("another"))
    with pytest.raises(TypeError):
        del app.commands["serve"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["user"], "No such command 'user'. (Did you mean one of: 'serve', 'users'?)"),
        (["users", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["users", "list", "--limt", "3"], "No such option '--limt'. Did you mean '--limit'?"),
    ],
)
def test_a_misspelled_word_gets_a_suggestion(words: list[str], message: str) -> None:
    done = CliRunner().invoke(app, words)

    assert done.exit_code == 2
    assert message in done.stderr


# As a shell does on TAB: load the script and let the function that it names fill COMPREPLY.
TAB = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
wanted=$(complete -p authfactor | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
"$wanted" authfactor
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["authfactor", "migr"], {"migrate"}),
        (["authfactor", "users", "u"], {"update", "unlock"}),
        (["authfactor", "keys", "create", "--n"], {"--name"}),
        (["authfactor", "--env"], {"--environment"}),
        (["authfactor", "environments", "create", "x", "--mfa-policy", "re"], {"required"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    tmp_path: Path, words: list[str], found: set[str]
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        skip_or_fail("bash")
    script = tmp_path / "completion"
    script.write_text(subprocess.check_output([PROGRAM, "--show-completion", "bash"], text=True))
    done = subprocess.run(
        [bash, "-c", TAB, "tab", script, *words],
        env={**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.split()) == found, done.stderr


@pytest.mark.parametrize(
    ("shell", "file", "line"),
    [
        (
            "bash",
            ".bash_completions/authfactor.sh",
            (".bashrc", "source '{home}/.bash_completions/authfactor.sh'"),
        ),
        ("zsh", ".zfunc/_authfactor", (".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")),
        ("fish", ".config/fish/completions/authfactor.fish", None),
    ],
)
def test_completion_is_installed_where_the_shell_reads_it(
    tmp_path: Path, shell: str, file: str, line: tuple[str, str] | None
) -> None:
    if line is not None:
        (tmp_path / line[0]).write_text("# mine")
    for arguments in (["--install-completion", shell], ["--install-completion"]):
        done = CliRunner(env={"HOME": str(tmp_path), "SHELL": f"/bin/{shell}"}).invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert file in done.stdout

    shown = CliRunner().invoke(app, ["--show-completion", shell])
    assert (tmp_path / file).read_text().strip() == shown.stdout.strip()
    if line is not None:
        expected = line[1].format(home=tmp_path)
        assert (tmp_path / line[0]).read_text() == f"# mine\n{expected}\n"


def test_an_unsupported_shell_is_reported() -> None:
    named = CliRunner().invoke(app, ["--show-completion", "tcsh"])
    unknown = CliRunner(env={"SHELL": ""}).invoke(app, ["--install-completion"])

    assert named.exit_code == unknown.exit_code == 2
    assert "There is no completion for 'tcsh'. Choose a shell: bash, zsh, fish." in named.stderr
    assert "SHELL is not set. Choose a shell: bash, zsh, fish." in unknown.stderr
