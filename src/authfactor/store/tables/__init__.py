"""The statements, one module a table: named SQL at the top, the typed calls that run it below.

SQL here is plain enough for SQLite 3.38 and PostgreSQL 13 alike: text ids made by us, integers for
times (milliseconds) and flags (0 or 1), no sequences, triggers or cascades. `FOR UPDATE` is for
databases that lock rows; the SQLite driver drops it. `INDEXED BY` is for SQLite, which without statistics
would walk a whole environment in key order to save a sort; the PostgreSQL driver drops it.
"""
