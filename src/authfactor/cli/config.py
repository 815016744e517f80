"""`authfactor config`: show the settings and their origins, and check whether a server could start."""

from dataclasses import fields
from typing import Any

import click

from authfactor.cli import context, terminal
from authfactor.settings import Settings, doubtful, masked
from authfactor.settings.reading import DEFAULT


@click.group("config", no_args_is_help=True)
def config() -> None:
    """Show and check the settings."""


@config.command("show")
@click.option("--changed", is_flag=True, help="Show only settings that differ from their default.")
@click.pass_context
def show(ctx: click.Context, changed: bool) -> None:
    """List every setting with its value, unit and origin. Secrets are masked.

    Example: authfactor --config /etc/authfactor.toml config show --changed
    """
    options = context.global_options(ctx)
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
        [name, str(item["value"]), str(item["unit"]), str(item["origin"])] for name, item in found.items()
    ]
    context.print_result(
        options,
        found,
        lambda: context.print_table(
            ["setting", "value", "unit", "origin"], rows, "Every setting has its default value."
        ),
    )


@config.command("check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check the settings, the key ring, the TLS files and the database schema. Changes nothing.

    Exits with code 8 if a server could not start with them. Warns about settings that are valid and probably
    not meant, and says what to do; that does not change the exit code.

    Example: authfactor --config /etc/authfactor.toml config check
    """
    options = context.global_options(ctx)
    settings = context.read_settings(options)
    try:
        facts = context.run_async(_check(settings))
    except context.expected_errors() as error:
        context.fail(error)
    found = doubtful.warnings(settings)

    def print_text() -> None:
        context.print_pairs(list(facts.items()))
        for text in found:
            terminal.show(f"\nwarning: {text}")

    context.print_result(options, {**facts, "warnings": found}, print_text)


async def _check(settings: Settings) -> dict[str, str]:
    """Check everything that a server start needs. Raises what a start would raise."""
    from authfactor.crypto import keyring
    from authfactor.server import tls
    from authfactor.store import opening, schema

    facts = {"settings": "valid"}
    source = keyring.source_of(settings)
    where = "from the key command" if settings.key_command else str(settings.keys_path)
    if source.exists():
        source.read()
        facts["key ring"] = f"readable ({where})"
    else:
        facts["key ring"] = f"will be created ({where})"
    if settings.tls_cert:
        tls.certificate(settings)
        facts["TLS"] = f"certificate and key match ({settings.tls_cert})"
    version = await opening.schema_version(settings)
    if version is None and settings.sqlite_path is not None:
        facts["database"] = f"will be created ({settings.sqlite_path})"
    elif version != schema.NEEDED and settings.sqlite_path is not None and str(version) < schema.NEEDED:
        facts["database"] = f"has schema {version}, will be upgraded to {schema.NEEDED}"
    else:
        opening.check_schema(version)
        facts["database"] = f"has schema {version}"
    return facts


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, int | str) else str(value)
