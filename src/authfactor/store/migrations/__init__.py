"""Schema changes, one file for both databases. Imported only when there is something to migrate."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config

LOCATION: Final = Path(__file__).parent


def configuration(sqlalchemy_url: str) -> Config:
    """Make alembic's configuration in memory: there is no ini file to keep in step."""
    config = Config()
    config.set_main_option("script_location", str(LOCATION))
    config.attributes["url"] = sqlalchemy_url
    return config


def upgrade(sqlalchemy_url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; running it again changes nothing."""
    command.upgrade(configuration(sqlalchemy_url), revision)


def upgrade_sql(sqlalchemy_url: str, revision: str = "head") -> None:
    """Print the SQL that `upgrade` would run on an empty database."""
    command.upgrade(configuration(sqlalchemy_url), revision, sql=True)
