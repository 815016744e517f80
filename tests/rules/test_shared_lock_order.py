"""Two processes that verify codes of the same users at once never deadlock (decision 0040)."""

import asyncio

import pytest

from authfactor.store import migrations
from tests.support.installation import Installation, Opener
from tests.support.postgres_server import PostgresServer

USERS = 8
# Slow enough that the statements of both processes overlap.
SLOW_FAILURES = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON failures FOR EACH ROW EXECUTE FUNCTION wait();
"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'"


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> str:
    """Create a database with slow failure records that finds deadlocks before a lock times out."""
    name = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), name)
    postgres_server.sql(SLOW_FAILURES, name)
    postgres_server.sql(f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'")
    return postgres_server.url(name)


async def test_records_of_users_are_locked_in_one_order(
    open_installation: Opener, database_url: str, postgres_server: PostgresServer
) -> None:
    first: Installation = await open_installation()
    second: Installation = await open_installation()
    users = [await first.user() for _ in range(USERS)]
    enrolled = [await first.enroll(user) for user in users]
    for each in enrolled:
        assert (await first.verify(each.challenge, first.code(each))).valid
    first.clock.now += 60_000
    # Ids increase, so the challenges of the two processes are in opposite orders too.
    ours = [await first.challenge(each) for each in enrolled]
    theirs = [await first.challenge(each) for each in reversed(enrolled)]
    outcomes = await asyncio.gather(
        *(first.verify(challenge, first.code(each)) for challenge, each in zip(ours, enrolled, strict=True)),
        *(
            second.verify(challenge, first.code(each))
            for challenge, each in zip(theirs, reversed(enrolled), strict=True)
        ),
    )
    for at in range(USERS):
        assert {outcomes[at].reason, outcomes[-1 - at].reason} == {None, "code_already_used"}
    name = database_url.rpartition("/")[2]
    await first.af.close()
    await second.af.close()
    assert postgres_server.sql(DEADLOCKS.format(name=name)) == "0"
