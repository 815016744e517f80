"""`authfactor migrate` and `authfactor serve` on PostgreSQL."""

from pathlib import Path

import pytest

from authfactor.store import schema
from tests.support.postgres_server import PostgresServer, find_programs
from tests.support.server_process import command_line, fields, running


@pytest.fixture
def empty(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.create_database())


def test_migrate_checks_prints_and_applies_the_upgrade_once(empty: str, tmp_path: Path) -> None:
    def migrate(*options: str) -> tuple[int, str]:
        done = command_line("--data", str(tmp_path), "migrate", *options, AUTHFACTOR_DATABASE_URL=empty)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    code, output = migrate("--check")
    assert (code, "Run: authfactor migrate" in output) == (8, True)
    code, output = migrate("--sql")
    assert (code, "CREATE TABLE factors" in output) == (0, True)
    assert migrate() == (0, f"Upgraded the schema from an empty database to {schema.NEEDED}.\n")
    for options in ((), ("--check",)):
        assert migrate(*options) == (0, f"The schema is {schema.NEEDED}. No upgrade is needed.\n")
    assert migrate("--sql") == (0, "")


def test_serve_on_an_older_schema_names_the_command_and_exits(empty: str, tmp_path: Path) -> None:
    done = command_line("serve", "--port", "0", "--data", str(tmp_path), AUTHFACTOR_DATABASE_URL=empty)
    assert done.returncode == 8
    assert "Run: authfactor migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_requests_get_503_during_a_database_outage_and_recover(tmp_path: Path) -> None:
    database = PostgresServer(find_programs())
    try:
        database.start()
        url = database.url(database.create_database())
        assert command_line("migrate", AUTHFACTOR_DATABASE_URL=url).returncode == 0
        with (
            running(tmp_path / "server", {"AUTHFACTOR_DATABASE_URL": url}) as server,
            server.client() as client,
        ):
            user = fields(client.post("/user_management/users", json={"email": "kim@example.com"}), 201)
            path = f"/user_management/users/{user['id']}"
            database.kill()
            for response in (client.get(path), client.post(f"{path}/auth_factors", json={"type": "totp"})):
                assert fields(response, 503)["code"] == "service_unavailable"
                assert response.headers["retry-after"] == "1"
            assert client.get("/healthz").status_code == 200
            database.start()
            assert fields(client.get(path), 200) == user
            fields(client.post(f"{path}/auth_factors", json={"type": "totp"}), 201)
    finally:
        database.stop()
