"""The statements, one module a table: named SQL at the top, the typed calls that run it below.

SQL here is plain enough for SQLite 3.38 and PostgreSQL 13 alike: text ids made by us, integers for
times (milliseconds) and flags (0 or 1), no sequences, triggers or cascades. `FOR UPDATE` is for
databases that lock rows; the SQLite driver drops it.
"""
