"""Alembic's entry point: runs the revisions online, or prints them as SQL."""

from alembic import context
from sqlalchemy import create_engine, pool

url = context.config.attributes["url"]

if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Two processes may start on a new file at the same moment: the second waits, then finds it done.
            connection.exec_driver_sql("PRAGMA busy_timeout=10000")
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
