"""The version of the SQLite library that Python was built with."""

from sqlite3 import sqlite_version

SQLITE_VERSION = sqlite_version
