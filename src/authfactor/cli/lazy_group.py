"""A click group that imports a command's module only when the command runs, so that `--help` is fast."""

import importlib
import keyword
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyCommand(NamedTuple):
    """A command's module and its one-line help, which a test compares with the command's own help."""

    module: str
    about: str


class _LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name; reading one imports its module."""

    def __init__(self, listed: dict[str, LazyCommand]) -> None:
        self._listed: Final = listed

    def __getitem__(self, name: str) -> click.Command:
        # `import` cannot be the name of a function.
        function = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
        found: click.Command = getattr(importlib.import_module(self._listed[name].module), function)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError("the commands of a LazyGroup cannot be changed")

    def __delitem__(self, name: str) -> None:
        raise TypeError("the commands of a LazyGroup cannot be changed")


class LazyGroup(click.Group):
    """A group that lists its commands from a table, in its order, without importing them."""

    def __init__(self, listed: dict[str, LazyCommand], **options: object) -> None:
        """`listed` maps names to commands; `options` are those of `click.Group`."""
        super().__init__(**options)  # type: ignore[arg-type]  # passed through unchanged
        self.listed: Final = listed
        self.commands = _LazyCommands(listed)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands' names in the order of the table."""
        return list(self.listed)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the commands' one-line help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.about) for name, command in self.listed.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Complete the name of a command or of an option."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=command.about)
            for name, command in self.listed.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]
