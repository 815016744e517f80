"""Retention: only expired rows are deleted, in small batches and by one process at a time."""

from typing import TYPE_CHECKING, Final

import pytest

from authfactor import ids
from authfactor.core import Authfactor
from authfactor.rules.maintenance.retention import LEASE_MS
from authfactor.store import Store, Tx
from authfactor.store.queries.retention import BATCH_ROWS, ExpiredRows
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.clock import DAY
from tests.support.installation import Installation

if TYPE_CHECKING:
    from tests.support.installation import Opener

# For each table whose rows expire: an INSERT of rows that differ by their key.
BULK: Final = {
    "challenges": (
        "(environment, id, factor_id, attempts, created_at, expires_at)"
        " VALUES ($1, $2, 'auth_factor_1', 0, 1, 1)"
    ),
    "events": "(environment, id, name, data, created_at) VALUES ($1, $2, 'user.created', '{}', 1)",
    "deliveries": (
        "(environment, id, endpoint_id, event_id, state, attempts, due_at, created_at, updated_at)"
        " VALUES ($1, $2, 'we_1', 'event_1', 'delivered', 1, 1, 1, 1)"
    ),
    "sessions": (
        "(environment, id, user_id, auth_method, amr, authenticated_at, last_active_at, expires_at,"
        " created_at, updated_at) VALUES ($1, $2, 'user_1', 'password', 'pwd', 1, 1, 1, 1, 1)"
    ),
    "links": (
        "(environment, id, purpose, user_id, created_at, expires_at, token_hash)"
        " VALUES ($1, $2, 'enrollment', 'user_1', 1, 1, $3)"
    ),
    "refresh_tokens": "(environment, token_hash, session_id, created_at) VALUES ($1, $3, $2, 1)",
    "idempotency": "(environment, key, body_hash, expires_at) VALUES ($1, $2, $2, 1)",
    "pending_sign_ins": (
        "(environment, token_hash, user_id, password_mark, created_at, expires_at)"
        " VALUES ($1, $2, 'user_1', $2, 1, 1)"
    ),
    "messages": (
        "(environment, id, channel, kind, recipient, locale, state, attempts, due_at, expires_at, created_at,"
        " updated_at) VALUES ($1, $2, 'mail', 'magic_auth', 'a@example.com', 'en', 'sent', 1, 1, 1, 1, 1)"
    ),
    "send_limits": (
        "(environment, subject, last_kind, last_at, hour_at, hour_count, day_at, day_count)"
        " VALUES ($1, $2, 'magic_auth', 1, 1, 1, 1, 1)"
    ),
    "passkey_ceremonies": (
        "(environment, id, purpose, challenge, expires_at) VALUES ($1, $2, 'registration', $3, 1)"
    ),
}
PREFIXES: Final = {
    "challenges": ids.CHALLENGE,
    "events": ids.EVENT,
    "deliveries": ids.DELIVERY,
    "sessions": ids.SESSION,
    "links": ids.LINK,
    "refresh_tokens": ids.SESSION,
    "messages": ids.MESSAGE,
    "send_limits": "to:",
    "passkey_ceremonies": "passkey_registration_",
}


async def count(af: Authfactor, table: str) -> int:
    row = await af.read(lambda tx: tx.db.one(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a name from above
    assert row is not None
    return int(row[0])


async def fill(installation: Installation, table: str, rows: int, environment: int) -> None:
    """Insert rows of the year 1970."""

    async def unit(tx: Tx) -> None:
        for number in range(rows):
            key = bytes([environment]) + number.to_bytes(4, "big")
            old_id = PREFIXES.get(table, "") + ids.ulid(1000 + number, 0)
            values = [old_id, key] if "$3" in BULK[table] else [old_id if table in PREFIXES else key]
            await tx.db.run(f"INSERT INTO {table} {BULK[table]}", environment, *values)

    await installation.af.run(unit)


@pytest.mark.parametrize("table", list(BULK))
async def test_expired_rows_are_deleted_in_batches_of_at_most_a_thousand(
    installation: Installation, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await count(installation.af, table)
    await fill(installation, table, BATCH_ROWS + 5, installation.environment.number)
    await fill(installation, table, 7, installation.other.number)
    batches: list[int] = []
    original = getattr(ExpiredRows, table)

    async def recorded(self: ExpiredRows, *arguments: int) -> int:
        batches.append(await original(self, *arguments))
        return batches[-1]

    monkeypatch.setattr(ExpiredRows, table, recorded)
    assert await installation.af.retention.run(installation.af.store) == BATCH_ROWS + 12
    assert await count(installation.af, table) == before
    assert max(batches) == BATCH_ROWS
    assert sum(batches) == BATCH_ROWS + 12
    assert await installation.af.retention.run(installation.af.store) == 0


async def test_rows_are_not_deleted_before_they_expire(installation: Installation) -> None:
    """With a new challenge, one that expired an hour ago, and yesterday's event and its delivery."""
    await installation.af.run(
        installation.af.webhooks.create(
            installation.environment, CreateWebhookEndpoint("https://example.org/hook", ["user.created"])
        )
    )
    user = await installation.user()
    enrolled = await installation.enroll(user)
    counts = {table: await count(installation.af, table) for table in BULK}
    assert counts["challenges"] == counts["deliveries"] == 1
    assert counts["events"] >= 2
    installation.clock.advance(DAY)
    await installation.challenge(enrolled)
    assert await installation.af.retention.run(installation.af.store) == 0
    installation.clock.advance(3601)
    assert (
        await installation.af.retention.run(installation.af.store) == 1
    )  # the first challenge, a day after its expiry
    assert await count(installation.af, "challenges") == 1
    installation.clock.advance(installation.af.settings.event_life)
    assert (
        await installation.af.retention.run(installation.af.store)
        == 1 + counts["events"] + counts["deliveries"]
    )
    assert await count(installation.af, "factors") == await count(installation.af, "users") == 1


async def test_pending_messages_and_limits_of_today_are_kept(installation: Installation) -> None:
    await fill(installation, "messages", 2, installation.environment.number)
    installation.sql("UPDATE messages SET state = 'pending' WHERE id = (SELECT MIN(id) FROM messages)")
    await fill(installation, "send_limits", 2, installation.environment.number)
    recent = installation.clock.now - DAY * 1000
    installation.sql(
        "UPDATE send_limits SET last_at = ? WHERE subject = (SELECT MIN(subject) FROM send_limits)", recent
    )
    assert await installation.af.retention.run(installation.af.store) == 2
    assert installation.sql("SELECT state FROM messages") == [("pending",)]
    assert installation.sql("SELECT last_at FROM send_limits") == [(recent,)]


async def test_another_process_cleans_up_after_the_lease_expires(open_installation: "Opener") -> None:
    first, second = await open_installation(), await open_installation()
    assert await first.af.retention.run(first.af.store) == 0
    assert await second.af.retention.run(second.af.store) is None
    first.clock.advance(60)
    assert await first.af.retention.run(first.af.store) == 0  # its own lease, renewed
    first.clock.advance(LEASE_MS / 1000 - 1)
    assert await second.af.retention.run(second.af.store) is None
    first.clock.advance(1)
    assert await second.af.retention.run(second.af.store) == 0
    assert await first.af.retention.run(first.af.store) is None


async def test_cleanup_stops_when_its_lease_is_lost(
    open_installation: "Opener", monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = await open_installation(), await open_installation()
    await fill(slow, "challenges", 2 * BATCH_ROWS, 1)
    original = ExpiredRows.challenges

    async def remove_slowly(self: ExpiredRows, environment: int, older_than: str) -> int:
        removed = await original(self, environment, older_than)
        if removed:
            slow.clock.advance(LEASE_MS / 1000)
        return removed

    monkeypatch.setattr(ExpiredRows, "challenges", remove_slowly)
    removed_by_other: list[int | None] = []
    renew = slow.af.retention._acquire_lease

    async def renew_after_the_other(store: Store) -> bool:
        if slow.clock.now > 1_700_000_010_000:
            monkeypatch.setattr(ExpiredRows, "challenges", original)
            removed_by_other.append(await other.af.retention.run(other.af.store))
        return bool(await renew(store))

    monkeypatch.setattr(slow.af.retention, "_acquire_lease", renew_after_the_other)
    assert await slow.af.retention.run(slow.af.store) == BATCH_ROWS
    assert removed_by_other == [BATCH_ROWS]
