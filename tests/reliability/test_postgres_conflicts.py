"""A fifth of all transactions fail with a conflict, half of them only at the commit; no request fails."""

import asyncio
import uuid
from pathlib import Path
from typing import Final

from authfactor.store import migrations
from tests.support import authenticator
from tests.support.concurrent_requests import Connection
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import running

CLIENTS: Final = 16
LIFECYCLES: Final = 12  # of a factor, per client
# Each transaction may fail at its first change and at its commit: together one in five does.
# Sequences count transactions and failures, because they are not rolled back. Requests share transactions, so
# their number says nothing.
DICE: Final = """
CREATE SEQUENCE thrown;
CREATE SEQUENCE transactions;
CREATE FUNCTION throw() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mark text := 'dice.' || TG_ARGV[0];
BEGIN
    IF current_setting(mark, true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config(mark, pg_current_xact_id()::text, false);
        IF TG_ARGV[0] = 'early' THEN
            PERFORM nextval('transactions');
        END IF;
        IF random() < 0.106 THEN
            IF nextval('thrown') % 2 = 0 THEN
                RAISE SQLSTATE '40001' USING MESSAGE = 'thrown';
            ELSE
                RAISE SQLSTATE '40P01' USING MESSAGE = 'thrown';
            END IF;
        END IF;
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('CREATE TRIGGER early AFTER INSERT OR UPDATE OR DELETE ON %I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION throw(''early'')', name);
        EXECUTE format('CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OR DELETE ON %I'
            ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION throw(''late'')', name);
    END LOOP;
END $$;
"""


def test_conflicts_in_a_fifth_of_transactions_fail_no_request(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    database = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), database)
    postgres_server.sql(DICE, database)
    settings = {"AUTHFACTOR_DATABASE_URL": postgres_server.url(database), "AUTHFACTOR_POOL_WAIT": "20000"}
    with running(tmp_path / "data", settings) as server:

        async def run() -> None:
            connections = [await Connection.open(server) for _ in range(CLIENTS)]
            await asyncio.gather(*map(_run_lifecycles, connections))
            for connection in connections:
                await connection.close()

        asyncio.run(run())
    thrown = int(postgres_server.sql("SELECT last_value FROM thrown", database))
    transactions = int(postgres_server.sql("SELECT last_value FROM transactions", database))
    assert 0.12 < thrown / transactions < 0.28
    assert thrown > 100


async def _run_lifecycles(connection: Connection) -> None:
    """Run factors through their life cycle; every request must succeed."""

    async def post(path: str, body: dict[str, str], key: str = "") -> dict[str, object]:
        status, response = await connection.post(path, body, key)
        assert status == 201, (path, status, response)
        return response

    for _ in range(LIFECYCLES):
        user = await post("/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org"})
        path, key = f"/user_management/users/{user['id']}/auth_factors", str(uuid.uuid4())
        made = await post(path, {"type": "totp"}, key)
        assert await post(path, {"type": "totp"}, key) == made
        factor, challenge = made["authentication_factor"], made["authentication_challenge"]
        assert isinstance(factor, dict)
        assert isinstance(challenge, dict)
        secret = factor["totp"]["secret"]
        wrong = await post(
            f"/auth/challenges/{challenge['id']}/verify", {"code": authenticator.wrong_code(secret)}
        )
        assert (wrong["valid"], wrong["attempts_remaining"]) == (False, 4)
        code = {"code": authenticator.code(secret)}
        assert (await post(f"/auth/challenges/{challenge['id']}/verify", code))["valid"] is True
        other = await post(f"/auth/factors/{factor['id']}/challenge", {})
        spent = await post(f"/auth/challenges/{other['id']}/verify", code)
        assert (spent["valid"], spent["reason"]) == (False, "code_already_used")
