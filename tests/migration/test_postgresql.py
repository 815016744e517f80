"""The same revisions for PostgreSQL, as SQL to read or to run by hand."""

import re

import pytest

from authfactor.store import migrations


@pytest.fixture
def sql(capsys: pytest.CaptureFixture[str]) -> str:
    migrations.upgrade_sql("postgresql://")
    return capsys.readouterr().out


def test_the_sql_is_one_transaction_that_ends_with_the_version(sql: str) -> None:
    statements = [statement.strip() for statement in sql.split(";") if statement.strip()]
    assert statements[0] == "BEGIN"
    assert statements[-1] == "COMMIT"
    assert "INSERT INTO alembic_version (version_num) VALUES ('0001')" in sql


def test_it_makes_the_tables_that_sqlite_has_with_64_bit_times(sql: str) -> None:
    made = set(re.findall(r"CREATE TABLE (\w+)", sql))
    assert made >= {"environments", "api_keys", "users", "factors", "challenges", "failures", "idempotency"}
    times = re.findall(r"^\s+(\w+_at|locked_until|claimed_until|signs_from|last_step) (\w+)", sql, re.MULTILINE)
    assert len(times) > 20
    assert {kind for _, kind in times} == {"BIGINT"}


def test_it_needs_no_sequences_triggers_or_foreign_keys(sql: str) -> None:
    assert not re.search(r"\b(SERIAL|SEQUENCE|TRIGGER|REFERENCES|GENERATED)\b", sql, re.IGNORECASE)


def test_no_secret_of_a_url_is_in_the_sql(capsys: pytest.CaptureFixture[str]) -> None:
    migrations.upgrade_sql("postgresql://user:hunter2@127.0.0.1/db")
    assert "hunter2" not in capsys.readouterr().out
