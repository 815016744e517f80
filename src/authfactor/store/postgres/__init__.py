"""PostgreSQL: a connection pool and a transaction for each unit."""
