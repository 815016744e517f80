"""The fixtures of PostgreSQL, for this folder."""

from tests.postgres.server import migrated_database, postgres_server

__all__ = ["migrated_database", "postgres_server"]
