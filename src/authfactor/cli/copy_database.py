"""`authfactor copy`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from urllib.parse import urlsplit

import click

from authfactor import errors
from authfactor.cli import context, progress
from authfactor.settings import PREFIX, Settings


@click.command("copy")
@click.option("--from", "source", required=True, help="Source database: sqlite:///… or postgresql://…")
@click.option(
    "--to",
    "target",
    required=True,
    help="Target database; it must be empty. For both, - reads the URL from the next line of standard input,"
    " so that process lists do not show its password.",
)
@click.option(
    "--reseal",
    type=click.Path(path_type=Path),
    help="Key ring file of the target: re-encrypt every secret with its newest key.",
)
@click.pass_context
def copy(ctx: click.Context, source: str, target: str, reseal: Path | None) -> None:
    """Copy an installation to another database, SQLite or PostgreSQL.

    Stop the servers first: the source is locked against writes during the copy. The command creates the
    schema in the target, copies every row, and then compares both databases row by row. If it is
    interrupted, run it again to continue. It rejects a target that has other content, and no server starts
    on an incomplete copy.

    Secrets stay encrypted with the same keys, so the target's servers need the same key ring. With --reseal,
    they are decrypted with this installation's key ring and encrypted with another one.

    Example: authfactor copy --from sqlite:////var/lib/authfactor/authfactor.db --to - < target-url
    """
    options = context.global_options(ctx)
    settings = context.read_settings(options)
    source, target = context.secret_argument(source), context.secret_argument(target)
    try:
        with progress.bar("opening the databases", silent=options.as_json) as report:
            counts, keys = context.run_async(_copy(settings, source, target, reseal, report))
    except context.expected_errors() as error:
        context.fail(error)
    shape = {
        "from": _without_password(source),
        "to": _without_password(target),
        "rows": sum(counts.values()),
        "tables": counts,
        "resealed": reseal is not None,
    }
    context.print_result(
        options,
        shape,
        lambda: _print_result(counts, target, keys),
    )


async def _copy(
    settings: Settings, source: str, target: str, reseal: Path | None, report: progress.Report
) -> tuple[dict[str, int], str]:
    """Copy; return the rows of each table, and the setting that names the target's key ring."""
    from authfactor.crypto import keyring
    from authfactor.crypto.vault import Vault
    from authfactor.store import copying, opening

    if _is_same_database(source, target):
        raise errors.InvalidRequest(message="--from and --to are the same database.")
    old = _of_source(settings, source)
    new = dataclasses.replace(settings, database_url=target)
    sealing = None
    if reseal is not None:
        rings = keyring.source_of(old).read(), keyring.read(reseal)
        sealing = copying.ReopenAndSeal(*(Vault(ring, os.urandom) for ring in rings))  # noqa: TID251 - a nonce, in a command
    found = await opening.schema_version(old)
    opening.check_exact_schema(found)
    keys = _keys_variable(reseal) if reseal is not None else await _keys_setting(old)
    await opening.upgrade(new)
    here, there = await opening.open_copy_endpoint(old), await opening.open_copy_endpoint(new)
    try:
        await here.lock()
        counts = await copying.copy(
            here, there, lambda step, table, done, total: report(f"{step} {table}", done, total), sealing
        )
        return counts, keys
    finally:
        await there.close()
        await here.close()


def _of_source(settings: Settings, source: str) -> Settings:
    """Return the settings of the installation to copy: a SQLite database has its key ring beside it."""
    old = dataclasses.replace(settings, database_url=source)
    if settings.keys or settings.key_command or old.sqlite_path is None:
        return old
    beside = dataclasses.replace(old, data=old.sqlite_path.parent)
    return beside if beside.keys_path.exists() else old


async def _keys_setting(old: Settings) -> str:
    """Return the setting that names the source's key ring, or that the ring is not where it was looked for.

    Raises `errors.Unavailable`.
    """
    from authfactor.core import system_clock
    from authfactor.crypto import keyring
    from authfactor.rules.maintenance.key_rotation import KeyRotation
    from authfactor.store import opening

    source = keyring.source_of(old)
    ring: tuple[str, ...] = ()
    # Copying itself needs no key, so a ring that cannot be read is no reason to fail.
    with contextlib.suppress(keyring.KeyRingUnusable):
        ring = tuple(key.id for key in source.read()) if source.exists() else ()
    store = opening.open_existing_store(old)
    try:
        missing = await KeyRotation(system_clock, "").missing_keys(store, ring)
    finally:
        await store.close()
    if ring and not missing:
        return f"{PREFIX}KEY_COMMAND={old.key_command}" if old.key_command else _keys_variable(old.keys_path)
    what = f"lacks the keys {', '.join(missing)} of this database" if ring else "cannot be read"
    return f"{PREFIX}KEYS=…, the source's key ring. It is not {source.description}, which {what}."


def _keys_variable(path: Path) -> str:
    return f"{PREFIX}KEYS={path.absolute()}"


def _is_same_database(source: str, target: str) -> bool:
    if source.startswith("sqlite:///") and target.startswith("sqlite:///"):
        return Path(source[10:]).resolve() == Path(target[10:]).resolve()
    return source == target


def _print_result(counts: dict[str, int], target: str, keys: str) -> None:
    context.print_table(["table", "rows"], [[table, str(rows)] for table, rows in counts.items() if rows], "")
    print(f"Copied and compared {sum(counts.values())} rows. Now set:")
    print(f"  {PREFIX}DATABASE_URL={_without_password(target)}")
    print(f"  {keys}")


def _without_password(url: str) -> str:
    """Replace the password in a URL by `***`."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()
