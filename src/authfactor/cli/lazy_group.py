"""A group whose commands are imported when they are called: a help text must not wait for all of them."""

import importlib
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyCommand(NamedTuple):
    """Where a command is found, and the line about it in lists; a test holds it to the command's own."""

    module: str
    about: str


class _LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is asked for."""

    def __init__(self, listed: dict[str, LazyCommand]) -> None:
        self._listed: Final = listed

    def __getitem__(self, name: str) -> click.Command:
        found: click.Command = getattr(importlib.import_module(self._listed[name].module), name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError("commands are listed, not added")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are listed, not taken away")


class LazyGroup(click.Group):
    """Shows its commands from a list in the order of it, and imports only the one that runs."""

    def __init__(self, listed: dict[str, LazyCommand], **said: object) -> None:
        """Take the list; everything else is click's."""
        super().__init__(**said)  # type: ignore[arg-type]  # passed on as it came
        self.listed: Final = listed
        self.commands = _LazyCommands(listed)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's name and shape
        """Name the commands in the order of the list."""
        return list(self.listed)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, late.about) for name, late in self.listed.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Complete a command's name, or an option."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=late.about)
            for name, late in self.listed.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]
