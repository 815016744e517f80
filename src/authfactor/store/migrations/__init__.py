"""Schema migrations, one file each for both databases. Imported only when there is something to migrate.

Every migration keeps the previous release working (expand and contract): add first, move data, and remove
only a release later.
"""

import io
import sqlite3
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from authfactor.store.sqlite.connection import to_unavailable

LOCATION: Final = Path(__file__).parent


def configuration(output: io.StringIO | None = None, **attributes: object) -> Config:
    """Return an in-memory Alembic configuration; there is no ini file."""
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(LOCATION))
    config.attributes.update(attributes)
    return config


def upgrade(sqlalchemy_url: str, revision: str = "head") -> None:
    """Migrate a SQLite database to a revision; idempotent.

    Raises `errors.Unavailable`, for example when the disk is full or the file is read-only.
    """
    try:
        command.upgrade(configuration(url=sqlalchemy_url), revision)
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise to_unavailable(error.orig) from error
        raise


def script(
    dialect: str, start: str | None = None, revision: str = "head", *, transaction: bool = True
) -> str:
    """Return the SQL that migrates from revision `start` (None: an empty database) to `revision`.

    `dialect` is `sqlite` or `postgresql`; `transaction` adds BEGIN and COMMIT.
    """
    output = io.StringIO()
    config = configuration(output, dialect=dialect, transaction=transaction)
    command.upgrade(config, f"{start}:{revision}" if start else revision, sql=True)
    return output.getvalue()
