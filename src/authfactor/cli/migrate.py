"""`authfactor migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context, progress

if TYPE_CHECKING:
    from authfactor.settings import Settings


@click.command("migrate")
@click.option("--check", is_flag=True, help="Change nothing; exit with code 8 if an upgrade is needed.")
@click.option("--sql", is_flag=True, help="Change nothing; print the SQL statements.")
@click.pass_context
def migrate(ctx: click.Context, check: bool, sql: bool) -> None:
    """Upgrade the database schema to the version that this release needs.

    With PostgreSQL, run it before the first start and before the servers of a new release start; servers of
    the old release keep working. With SQLite, servers do it when they start. Running it again, or several
    times at once, is safe.

    Example: authfactor migrate --check
    """
    from authfactor.store import opening, schema

    options = context.global_options(ctx)
    settings = context.read_settings(options)
    try:
        if sql:
            version = context.run_async(opening.schema_version(settings))
            print(opening.upgrade_script(settings, version), end="")
            return
        with progress.bar("reading the schema" if check else "upgrading the schema", silent=options.as_json):
            found = context.run_async(_check(settings) if check else opening.upgrade(settings))
    except context.expected_errors() as error:
        context.fail(error)
    now = found if found is not None and found > schema.NEEDED else schema.NEEDED
    context.print_result(
        options,
        {"found": found, "now": now, "needed": schema.NEEDED},
        lambda: print(_sentence(found, now)),
    )


async def _check(settings: Settings) -> str | None:
    from authfactor.store import opening

    found = await opening.schema_version(settings)
    opening.check_schema(found)
    return found


def _sentence(found: str | None, now: str) -> str:
    if found == now:
        return f"The schema is {now}. No upgrade is needed."
    return f"Upgraded the schema from {found or 'an empty database'} to {now}."
