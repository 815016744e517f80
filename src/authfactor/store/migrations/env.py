"""Alembic's entry point: runs the revisions on SQLite, or writes them as SQL for either database."""

import sqlite3

from alembic import context
from sqlalchemy import Connection, create_engine, event, pool

attributes = context.config.attributes

if context.is_offline_mode():
    context.configure(
        dialect_name=attributes["dialect"],
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        transactional_ddl=attributes["transaction"],
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(attributes["url"], poolclass=pool.NullPool)

    # One write transaction around everything, begun before the version is read: of two processes that start
    # on a new file at the same time, the second waits and then finds the schema up to date.
    @event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=10000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
