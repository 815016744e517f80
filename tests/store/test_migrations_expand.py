"""A revision only adds, so that the release before goes on working: tables, columns that may be left out.

What is taken away is listed here with the release that used it last, and goes one release later.
"""

import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from alembic.script import ScriptDirectory

from authfactor.store import migrations

# Revision that takes it away: the tables, or table and column, that no supported release uses any more.
TAKEN_AWAY: Final[dict[str, set[str]]] = {}


class Column(NamedTuple):
    """What matters to a statement that does not know the column."""

    may_be_left_out: bool


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


def broken_by(before: dict[str, Column], after: dict[str, Column], taken_away: set[str]) -> list[str]:
    """List what a release made for `before` would stumble over."""
    known = {name.partition(".")[0] for name in before}
    gone = [name for name in before if name not in after and not {name, name.partition(".")[0]} & taken_away]
    demanded = [
        name
        for name, column in after.items()
        if name not in before and name.partition(".")[0] in known and not column.may_be_left_out
    ]
    return sorted(gone + demanded)


def test_no_revision_takes_away_or_demands_what_the_release_before_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "authfactor.db"
    states = [(revision, columns_at(path, revision)) for revision in revisions()]
    for (_, before), (revision, after) in itertools.pairwise(states):
        assert broken_by(before, after, TAKEN_AWAY.get(revision, set())) == [], revision


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        ({"a.x": Column(may_be_left_out=False)}, []),
        ({"a.x": Column(may_be_left_out=False), "a.y": Column(may_be_left_out=True)}, []),
        ({"a.x": Column(may_be_left_out=False), "a.y": Column(may_be_left_out=False)}, ["a.y"]),
        ({"a.x": Column(may_be_left_out=False), "b.y": Column(may_be_left_out=False)}, []),
        ({}, ["a.x"]),
    ],
)
def test_the_check_finds_it(after: dict[str, Column], broken: list[str]) -> None:
    assert broken_by({"a.x": Column(may_be_left_out=False)}, after, set()) == broken
    assert broken_by({"a.x": Column(may_be_left_out=False)}, {}, {"a.x"}) == []
