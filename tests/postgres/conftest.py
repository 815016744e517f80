"""The temporary PostgreSQL, for every test of this folder."""

from tests.postgres.server import migrated_database, postgres_database, postgres_server

__all__ = ["migrated_database", "postgres_database", "postgres_server"]
