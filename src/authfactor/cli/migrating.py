"""`authfactor migrate`."""

import asyncio
from typing import Annotated

import typer

from authfactor.cli import session
from authfactor.settings import Settings
from authfactor.store import opening, schema


def migrate(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 8 when there is something to do.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Change nothing; print the SQL that would be run.")
    ] = False,
) -> None:
    """Bring the database's schema to the one that this release needs.

    Needed on PostgreSQL before the first start and before the processes of a new release start; the old
    release goes on working meanwhile. The embedded database does it by itself. Running it again, or several
    at once, is safe.

    Example: authfactor migrate --check
    """
    options = session.chosen(context)
    settings = session.read_settings(options)
    try:
        if sql:
            version = asyncio.run(opening.schema_version(settings))
            print(opening.upgrade_script(settings, version), end="")
            return
        found = asyncio.run(_check(settings) if check else opening.upgrade(settings))
    except session.Known as error:
        session.fail(error)
    now = found if found is not None and found > schema.NEEDED else schema.NEEDED
    session.show(
        options,
        {"found": found, "now": now, "needed": schema.NEEDED},
        lambda: print(_sentence(found, now)),
    )


async def _check(settings: Settings) -> str | None:
    found = await opening.schema_version(settings)
    opening.check_schema(found)
    return found


def _sentence(found: str | None, now: str) -> str:
    if found == now:
        return f"The schema is {now}: nothing to do."
    return f"The schema is now {now} (before: {found or 'an empty database'})."
