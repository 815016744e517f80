"""Finding the database that the settings name, and bringing its schema up to date."""

from pathlib import Path

from authfactor import errors
from authfactor.settings import Settings
from authfactor.store import schema
from authfactor.store.base import Store
from authfactor.store.sqlite import SqliteStore


class WrongSchema(errors.AuthfactorError):
    """The database's schema is not the one this release needs; the message says what to run."""

    code = "wrong_schema"


async def open_store(settings: Settings) -> Store:
    """Open the database. SQLite is migrated on the spot; PostgreSQL by `authfactor migrate`.

    Raises `WrongSchema` when the schema is older and not ours to migrate here, or newer than this release.
    """
    path = settings.sqlite_path
    if path is None:
        raise errors.AuthfactorError("PostgreSQL is not supported by this release yet.")
    return await _open_sqlite(path)


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
