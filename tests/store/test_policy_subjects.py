"""What policies decide by is read by index, one user or one batch at a time."""

from pathlib import Path

import pytest

from authfactor.store import Store
from authfactor.store.queries import policy_subjects
from authfactor.store.sqlite.connection import SqliteDb, connect


@pytest.mark.parametrize("statement", [policy_subjects.OF_USER, policy_subjects.BATCH])
async def test_no_statement_walks_all_factors_of_the_environment(
    empty_database: Path, statement: str
) -> None:
    connection = connect(empty_database, read_only=True)
    parameters = (1, "user_1", 5)[: statement.count("$")]
    steps = [row[3] for row in await SqliteDb(connection).all(f"EXPLAIN QUERY PLAN {statement}", *parameters)]
    connection.close()
    assert not [step for step in steps if "SCAN" in step or step.endswith("(environment=?)")]
    assert sum("factors_user" in step for step in steps) == 2


async def test_subject_of_an_unknown_user_is_none(store: Store) -> None:
    assert await store.read(lambda tx: tx.policy_subjects.of_user(1, "user_x")) is None
    assert await store.read(lambda tx: tx.policy_subjects.batch(1, "", 5)) == []
