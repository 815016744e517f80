"""Finding the database that the settings name, and bringing its schema up to date."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from authfactor import errors
from authfactor.models import Entropy
from authfactor.settings import Settings
from authfactor.store import schema
from authfactor.store.protocol import Store
from authfactor.store.sqlite.store import SqliteStore
from authfactor.store.transaction import Tx

if TYPE_CHECKING:
    from authfactor.store.copying.table_schema import CopyEndpoint
    from authfactor.store.postgres.store import PostgresStore

log = logging.getLogger("authfactor.store")


class WrongSchema(errors.AuthfactorError):
    """The database's schema is not the one this release needs; the message says what to run."""

    code = "wrong_schema"


class UnfinishedCopy(WrongSchema):
    """`authfactor copy` began to fill this database and has not come to its end."""

    code = "half_copied"


async def open_store(settings: Settings, entropy: Entropy | None = None) -> Store:
    """Open the database. SQLite is migrated on the spot; PostgreSQL by `authfactor migrate`.

    `entropy` spreads repeated attempts of PostgreSQL's clients after a conflict. Raises `WrongSchema` when
    the schema is older and not ours to migrate here, or newer than this release; `errors.Unavailable`.
    """
    path = settings.sqlite_path
    store: Store = await (_open_postgres(settings, entropy) if path is None else _open_sqlite(path))
    try:
        await store.read(_refuse_unfinished_copy)
    except BaseException:
        await store.close()
        raise
    return store


async def _refuse_unfinished_copy(tx: Tx) -> None:
    from authfactor.store.copying.table_schema import COPY_MARK  # noqa: PLC0415 - no help text needs it

    if await tx.leases.exists(COPY_MARK):
        raise UnfinishedCopy(
            "This database is a half-finished copy. Give the same authfactor copy command again."
        )


async def open_copy_endpoint(settings: Settings) -> "CopyEndpoint":
    """Open a migrated database for copying. Raises `errors.Unavailable`."""
    path = settings.sqlite_path
    if path is not None:
        from authfactor.store.copying.sqlite import SqliteEndpoint  # noqa: PLC0415 - for one command

        return SqliteEndpoint(path)
    from authfactor.store.copying.postgres import PostgresEndpoint  # noqa: PLC0415 - the driver is an extra

    return await PostgresEndpoint.connect(settings.database_url)


def check_exact_schema(version: str | None) -> None:
    """Refuse (`WrongSchema`) a database to copy from that is not of this very schema."""
    if version != schema.NEEDED:
        found = "is empty or not there" if version is None else f"has schema {version}"
        raise WrongSchema(f"The database to copy from {found}, this release copies {schema.NEEDED}.")


async def schema_version(settings: Settings) -> str | None:
    """Return the revision of the database as it is, changing nothing; None when it is empty or not there."""
    path = settings.sqlite_path
    if path is None:
        store: Store = postgres_store(settings, None)
    elif path.exists():
        store = SqliteStore(path)
    else:
        return None
    try:
        return await store.schema_version()
    finally:
        await store.close()


def postgres_store(settings: Settings, entropy: Entropy | None) -> "PostgresStore":
    """Make the store on PostgreSQL, without a look at it. Raises when the driver is not installed."""
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
    """Open an existing database of the right schema, changing nothing. Raises `errors.Unavailable`."""
    path = settings.sqlite_path
    return postgres_store(settings, None) if path is None else SqliteStore(path)


async def upgrade(settings: Settings) -> str | None:
    """Bring the schema up to date and return the revision found before; again changes nothing.

    Raises `errors.Unavailable`, and for a schema too new for this release `WrongSchema`.
    """
    before = await schema_version(settings)
    if before is not None and before >= schema.NEEDED:
        check_schema(before)
        return before
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, needed once an upgrade

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
    """Write the SQL that `upgrade` runs on a database of this revision; nothing when it is up to date."""
    if version is not None and version >= schema.NEEDED:
        return ""
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, needed once an upgrade

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
    """Refuse (`WrongSchema`) an older schema, and one more than a revision newer.

    One revision newer is what the processes of the old release meet, and restart on, during an upgrade;
    every change of the schema keeps that release working.
    """
    needed = schema.NEEDED
    if version is None or version < needed:
        found = "is empty" if version is None else f"has schema {version}"
        raise WrongSchema(f"The database {found}, this release needs {needed}. Run: authfactor migrate")
    if int(version) > int(needed) + 1:
        raise WrongSchema(
            f"The database has schema {version}, newer than this release can use ({needed})."
            " Run the newer release, or restore a backup made before the upgrade."
        )
    if version > needed:
        log.warning("the database has schema %s, this release was made for %s", version, needed)


async def _open_sqlite(path: Path) -> SqliteStore:
    _make_file(path)
    store = SqliteStore(path)
    version = await store.schema_version()
    if version == schema.NEEDED:
        return store
    await store.close()
    if version is not None and version > schema.NEEDED:
        raise WrongSchema(
            f"The database {path} has schema {version}, newer than this release knows ({schema.NEEDED})."
            " Run the newer release, or restore a backup made before the upgrade."
        )
    from authfactor.store import migrations  # noqa: PLC0415 - half a second of imports, needed once an upgrade

    migrations.upgrade(f"sqlite:///{path}")
    return SqliteStore(path)


def _make_file(path: Path) -> None:
    """Make an empty file that only its owner may read: SQLite would ask the umask."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
