"""Schema changes, one file for both databases. Imported only when there is something to migrate.

Every change keeps the release before it working: add first, move what is stored, take away a release later.
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
    """Make alembic's configuration in memory: there is no ini file to keep in step."""
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(LOCATION))
    config.attributes.update(attributes)
    return config


def upgrade(sqlalchemy_url: str, revision: str = "head") -> None:
    """Bring an embedded database up to a revision; running it again changes nothing.

    Raises `errors.Unavailable` when the disk is full, the file read-only and the like.
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
    """Write the SQL that leads from a revision (None: an empty database) to another.

    `dialect` is `sqlite` or `postgresql`; `transaction` puts BEGIN and COMMIT around it.
    """
    output = io.StringIO()
    config = configuration(output, dialect=dialect, transaction=transaction)
    command.upgrade(config, f"{start}:{revision}" if start else revision, sql=True)
    return output.getvalue()
