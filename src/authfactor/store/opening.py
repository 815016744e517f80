"""Open the database that the settings name, and migrate its schema."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from authfactor import errors
from authfactor.models import Entropy
from authfactor.settings import Settings
from authfactor.store import schema
from authfactor.store.protocol import Store
from authfactor.store.sqlite.store import SqliteStore
from authfactor.store.tables.leases import OUTDATED_EMAIL_KEYS
from authfactor.store.transaction import Tx

if TYPE_CHECKING:
    from authfactor.store.copying.table_schema import CopyEndpoint
    from authfactor.store.postgres.store import PostgresStore

log = logging.getLogger("authfactor.store")


class WrongSchema(errors.AuthfactorError):
    """The database's schema does not match this release; the message names the command to run."""

    code = "wrong_schema"


class UnfinishedCopy(WrongSchema):
    """`authfactor copy` started filling this database and has not finished."""

    code = "half_copied"


class NoInstallation(errors.AuthfactorError):
    """There is no installation where a command looked for one; such a command never creates one."""

    code = "no_installation"

    def __init__(self, settings: Settings) -> None:
        """Name the place, and what to do."""
        path = settings.sqlite_path
        where = "the database" if path is None else path.parent.absolute()
        super().__init__(
            f"There is no installation in {where}. Name its directory with --data, or create one with:"
            " authfactor serve"
        )


async def open_store(settings: Settings, entropy: Entropy | None = None, *, create: bool = True) -> Store:
    """Open the database. SQLite is migrated here if needed; PostgreSQL only by `authfactor migrate`.

    Keys of emails that a migration has marked as outdated are recomputed here on either database.
    `entropy` provides the jitter of PostgreSQL retries after a conflict. Raises `WrongSchema` when a
    PostgreSQL schema is too old or any schema is newer than this release supports, `UnfinishedCopy`,
    `errors.Unavailable`, and without `create` `NoInstallation` if there is no SQLite database yet.
    """
    path = settings.sqlite_path
    if not create and not exists(settings):
        raise NoInstallation(settings)
    store: Store = await (_open_postgres(settings, entropy) if path is None else _open_sqlite(path))
    try:
        await store.read(_refuse_unfinished_copy)
        if await store.read(lambda tx: tx.leases.exists(OUTDATED_EMAIL_KEYS)):
            await _recompute_email_keys(store)
    except BaseException:
        await store.close()
        raise
    return store


def exists(settings: Settings) -> bool:
    """Return whether there is a database file with content; always True for PostgreSQL."""
    path = settings.sqlite_path
    return path is None or (path.exists() and (not path.is_file() or path.stat().st_size > 0))


async def _recompute_email_keys(store: Store) -> None:
    from authfactor.store import email_keys  # noqa: PLC0415 - after an upgrade only

    await email_keys.recompute(store)


async def _refuse_unfinished_copy(tx: Tx) -> None:
    if await tx.leases.exists(schema.COPY_MARK):
        raise UnfinishedCopy(
            "This database is an unfinished copy. Run the same authfactor copy command again."
        )


async def open_copy_endpoint(settings: Settings) -> "CopyEndpoint":
    """Open an already migrated database for copying. Raises `errors.Unavailable`."""
    path = settings.sqlite_path
    if path is not None:
        from authfactor.store.copying.sqlite import SqliteEndpoint  # noqa: PLC0415 - for one command

        return SqliteEndpoint(path)
    from authfactor.store.copying.postgres import PostgresEndpoint  # noqa: PLC0415 - the driver is an extra

    return await PostgresEndpoint.connect(settings.database_url)


def check_exact_schema(version: str | None) -> None:
    """Raise `WrongSchema` unless the database to copy from has exactly this release's schema."""
    if version != schema.NEEDED:
        found = "is empty or missing" if version is None else f"has schema {version}"
        raise WrongSchema(f"The database to copy from {found}; this release copies schema {schema.NEEDED}.")


async def schema_version(settings: Settings) -> str | None:
    """Return the database's schema revision without changing it; None when it is empty or missing."""
    path = settings.sqlite_path
    if path is None:
        store: Store = postgres_store(settings, None)
    elif exists(settings):
        store = SqliteStore(path)
    else:
        return None
    try:
        return await store.schema_version()
    finally:
        await store.close()


def postgres_store(settings: Settings, entropy: Entropy | None) -> "PostgresStore":
    """Create the PostgreSQL store without connecting.

    Raises `errors.AuthfactorError` when the driver is not installed.
    """
    try:
        from authfactor.store.postgres import store  # noqa: PLC0415 - the driver is an extra
    except ModuleNotFoundError as error:
        raise errors.AuthfactorError(
            "PostgreSQL needs its driver. Run: pip install 'authfactor[postgres]'"
        ) from error

    def jitter() -> float:
        return entropy(1)[0] / 255 if entropy else 0.5

    return store.PostgresStore(
        settings.database_url,
        size=settings.pool_size,
        acquire_timeout=settings.pool_wait / 1000,
        jitter=jitter,
    )


def open_existing_store(settings: Settings) -> Store:
    """Open an existing, migrated database without checking its schema. Raises `errors.Unavailable`."""
    path = settings.sqlite_path
    return postgres_store(settings, None) if path is None else SqliteStore(path)


async def upgrade(settings: Settings) -> str | None:
    """Migrate the schema to this release's revision and return the previous one; idempotent.

    Recomputes the keys of emails each time: servers of the previous release may have written some meanwhile.
    Raises `errors.Unavailable`, and `WrongSchema` when the schema is newer than this release supports.
    """
    before = await schema_version(settings)
    if before is not None and before > schema.NEEDED:
        check_schema(before)
        return before
    if before != schema.NEEDED:
        before = await _migrate(settings, before)
    store = open_existing_store(settings)
    try:
        await _recompute_email_keys(store)
    finally:
        await store.close()
    return before


async def _migrate(settings: Settings, before: str | None) -> str | None:
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, for upgrades only

    path = settings.sqlite_path
    if path is not None:
        _make_file(path)
        migrations.upgrade(f"sqlite:///{path}")
        return before
    from authfactor.store.migrations import postgres  # noqa: PLC0415 - the driver is an extra

    return await postgres.upgrade(
        settings.database_url,
        lambda version: migrations.script("postgresql", version, transaction=False),
        schema.NEEDED,
    )


def upgrade_script(settings: Settings, version: str | None) -> str:
    """Return the SQL that `upgrade` runs on a database at `version`; empty when it is up to date."""
    if version is not None and version >= schema.NEEDED:
        return ""
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, for upgrades only

    return migrations.script("postgresql" if settings.sqlite_path is None else "sqlite", version)


async def _open_postgres(settings: Settings, entropy: Entropy | None) -> "PostgresStore":
    store = postgres_store(settings, entropy)
    try:
        check_schema(await store.schema_version())
    except BaseException:
        await store.close()
        raise
    return store


def check_schema(version: str | None) -> None:
    """Raise `WrongSchema` for an older schema, and for one more than one revision newer.

    One revision newer is accepted: processes of the old release see it, and may restart on it, during a
    rolling upgrade. Every migration keeps the previous release working.
    """
    needed = schema.NEEDED
    if version is None or version < needed:
        found = "is empty" if version is None else f"has schema {version}"
        raise WrongSchema(f"The database {found}; this release needs {needed}. Run: authfactor migrate")
    if int(version) > int(needed) + 1:
        raise WrongSchema(
            f"The database has schema {version}, newer than this release can use ({needed})."
            " Run the newer release, or restore a backup made before the upgrade."
        )
    if version > needed:
        log.warning("the database has schema %s; this release was built for %s", version, needed)


async def _open_sqlite(path: Path) -> SqliteStore:
    _make_file(path)
    store = SqliteStore(path)
    version = await store.schema_version()
    if version == schema.NEEDED:
        return store
    await store.close()
    if version is not None and version > schema.NEEDED:
        raise WrongSchema(
            f"The database {path} has schema {version}, newer than this release can use ({schema.NEEDED})."
            " Run the newer release, or restore a backup made before the upgrade."
        )
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, for upgrades only

    migrations.upgrade(f"sqlite:///{path}")
    return SqliteStore(path)


def _make_file(path: Path) -> None:
    """Create an empty file with mode 600; SQLite would create it with the process's umask."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
