"""`authfactor config`: what is set, where it came from, and whether a server could start with it."""

from dataclasses import fields
from typing import Any

import click

from authfactor.cli import context
from authfactor.settings import Settings, masked
from authfactor.settings.reading import DEFAULT


@click.group("config", no_args_is_help=True)
def config() -> None:
    """Show and check the settings."""


@config.command("show")
@click.option("--changed", is_flag=True, help="Leave out settings that have their default.")
@click.pass_context
def show(ctx: click.Context, changed: bool) -> None:
    """List every setting: value, unit, and where the value came from. Secrets are masked.

    Example: authfactor --config /etc/authfactor.toml config show --changed
    """
    options = context.chosen(ctx)
    loaded = context.load_settings(options)
    found = {
        item.name: {
            "value": _plain(masked(item.metadata, getattr(loaded.settings, item.name))),
            "origin": loaded.origins[item.name],
            "default": _plain(item.default),
            "unit": item.metadata["unit"],
            "reload": item.metadata["reload"],
        }
        for item in fields(Settings)
        if not changed or loaded.origins[item.name] != DEFAULT
    }
    rows = [
        [name, str(said["value"]), str(said["unit"]), str(said["origin"])] for name, said in found.items()
    ]
    context.show(
        options,
        found,
        lambda: context.table(["setting", "value", "unit", "origin"], rows, "Every setting has its default."),
    )


@config.command("check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check settings, key ring, TLS files and the database's schema, changing nothing; exit code 8 if bad.

    Example: authfactor --config /etc/authfactor.toml config check
    """
    options = context.chosen(ctx)
    settings = context.read_settings(options)
    try:
        facts = context.finish(_look(settings))
    except context.known() as error:
        context.fail(error)
    context.show(options, facts, lambda: context.pairs(list(facts.items())))


async def _look(settings: Settings) -> dict[str, str]:
    """Look at everything a start needs. Raises what a start would raise."""
    from authfactor.crypto import keyring
    from authfactor.server import tls
    from authfactor.store import opening, schema

    facts = {"settings": "right"}
    source = keyring.source_of(settings)
    where = "from the key command" if settings.key_command else str(settings.keys_path)
    if source.exists():
        source.read()
        facts["key ring"] = f"readable ({where})"
    else:
        facts["key ring"] = f"will be made ({where})"
    if settings.tls_cert:
        tls.certificate(settings)
        facts["TLS"] = f"certificate and key belong together ({settings.tls_cert})"
    version = await opening.schema_version(settings)
    if version is None and settings.sqlite_path is not None:
        facts["database"] = f"will be made ({settings.sqlite_path})"
    elif version != schema.NEEDED and settings.sqlite_path is not None and str(version) < schema.NEEDED:
        facts["database"] = f"has schema {version}, will be brought to {schema.NEEDED}"
    else:
        opening.check_schema(version)
        facts["database"] = f"has schema {version}"
    return facts


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON has a type for
    return value if isinstance(value, int | str) else str(value)
