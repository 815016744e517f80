"""`authfactor migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context

if TYPE_CHECKING:
    from authfactor.settings import Settings


@click.command("migrate")
@click.option("--check", is_flag=True, help="Change nothing; exit code 8 when there is something to do.")
@click.option("--sql", is_flag=True, help="Change nothing; print the SQL that would be run.")
@click.pass_context
def migrate(ctx: click.Context, check: bool, sql: bool) -> None:
    """Bring the database's schema to the one that this release needs.

    Needed on PostgreSQL before the first start and before the processes of a new release start; the old
    release goes on working meanwhile. The embedded database does it by itself. Running it again, or several
    at once, is safe.

    Example: authfactor migrate --check
    """
    from authfactor.store import opening, schema

    options = context.chosen(ctx)
    settings = context.read_settings(options)
    try:
        if sql:
            version = context.finish(opening.schema_version(settings))
            print(opening.upgrade_script(settings, version), end="")
            return
        found = context.finish(_check(settings) if check else opening.upgrade(settings))
    except context.known() as error:
        context.fail(error)
    now = found if found is not None and found > schema.NEEDED else schema.NEEDED
    context.show(
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
        return f"The schema is {now}: nothing to do."
    return f"The schema is now {now} (before: {found or 'an empty database'})."
