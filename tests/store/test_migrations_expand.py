"""Revisions only add tables and optional columns, so that the previous release keeps working.

Removals are listed here, and happen one release after the last release that used them.
"""

import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from alembic.script import ScriptDirectory

from authfactor.store import migrations

# Per revision: the removed tables, or `table.column`, that no supported release uses anymore.
REMOVED: Final[dict[str, set[str]]] = {}


class Column(NamedTuple):
    """Whether an INSERT may omit the column."""

    optional: bool


def columns_at(path: Path, revision: str) -> dict[str, Column]:
    """Migrate to a revision and describe every column, by `table.column`."""
    migrations.upgrade(f"sqlite:///{path}", revision)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            'SELECT t.name, c.name, c."notnull", c.dflt_value, c.pk'
            " FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
        ).fetchall()
    return {
        f"{table}.{name}": Column(not (not_null or key) or default is not None)
        for table, name, not_null, default, key in rows
    }


def revisions() -> list[str]:
    walked = ScriptDirectory.from_config(migrations.configuration()).walk_revisions()
    return [script.revision for script in walked][::-1]


def broken_by(before: dict[str, Column], after: dict[str, Column], removed: set[str]) -> list[str]:
    """List the tables and columns that break a release made for `before`."""
    tables = {name.partition(".")[0] for name in before}
    missing = [name for name in before if name not in after and not {name, name.partition(".")[0]} & removed]
    required = [
        name
        for name, column in after.items()
        if name not in before and name.partition(".")[0] in tables and not column.optional
    ]
    return sorted(missing + required)


def test_no_revision_breaks_the_previous_release(tmp_path: Path) -> None:
    path = tmp_path / "authfactor.db"
    states = [(revision, columns_at(path, revision)) for revision in revisions()]
    for (_, before), (revision, after) in itertools.pairwise(states):
        assert broken_by(before, after, REMOVED.get(revision, set())) == [], revision


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        ({"a.x": Column(optional=False)}, []),
        ({"a.x": Column(optional=False), "a.y": Column(optional=True)}, []),
        ({"a.x": Column(optional=False), "a.y": Column(optional=False)}, ["a.y"]),
        ({"a.x": Column(optional=False), "b.y": Column(optional=False)}, []),
        ({}, ["a.x"]),
    ],
)
def test_missing_and_required_columns_are_detected(after: dict[str, Column], broken: list[str]) -> None:
    assert broken_by({"a.x": Column(optional=False)}, after, set()) == broken
    assert broken_by({"a.x": Column(optional=False)}, {}, {"a.x"}) == []
