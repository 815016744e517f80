"""The revisions as SQL for PostgreSQL, to read or to run by hand."""

import re

import pytest

from authfactor.store import migrations, schema


@pytest.fixture(scope="module")
def sql() -> str:
    return migrations.script("postgresql")


def test_script_is_one_transaction_that_ends_with_the_version(sql: str) -> None:
    statements = [statement.strip() for statement in sql.split(";") if statement.strip()]
    assert statements[0] == "BEGIN"
    assert statements[-1] == "COMMIT"
    assert "INSERT INTO alembic_version (version_num) VALUES ('0001')" in sql
    assert f"'{schema.NEEDED}'" in statements[-2]


def test_script_creates_all_tables_with_64_bit_times(sql: str) -> None:
    tables = set(re.findall(r"CREATE TABLE (\w+)", sql))
    assert tables >= {"environments", "api_keys", "users", "factors", "challenges", "failures", "idempotency"}
    times = re.findall(
        r"^\s+(\w+_at|locked_until|claimed_until|signs_from|last_step) (\w+)", sql, re.MULTILINE
    )
    assert len(times) > 20
    assert {kind for _, kind in times} == {"BIGINT"}


def test_script_uses_no_sequences_triggers_or_foreign_keys(sql: str) -> None:
    assert not re.search(r"\b(SERIAL|SEQUENCE|TRIGGER|REFERENCES|GENERATED)\b", sql, re.IGNORECASE)


def test_script_without_a_transaction_omits_only_begin_and_commit(sql: str) -> None:
    bare = migrations.script("postgresql", transaction=False)
    assert bare.strip() == sql.strip().removeprefix("BEGIN;").removesuffix("COMMIT;").strip()


def test_script_for_the_current_schema_has_no_statements() -> None:
    statements = migrations.script("postgresql", schema.NEEDED).split(";")
    assert {statement.strip() for statement in statements} <= {"BEGIN", "COMMIT", ""}
