"""The audit log: entries are committed with their change, in order, and tampering is detected."""

import asyncio

import msgspec
import pytest

from authfactor import errors
from authfactor.models import AuditEntry, PageQuery
from authfactor.rules.audit import hash_chain
from authfactor.rules.audit.audit_log import COMMAND_LINE, Actor
from authfactor.rules.audit.hash_chain import numbered
from authfactor.store import Tx
from tests.support.installation import Installation, Opener

KIM = Actor("operator", "operator_1", "kim@example.org")


async def append(installation: Installation, action: str, actor: Actor = KIM, target: str = "user_1") -> None:
    await installation.af.run(
        lambda tx: installation.af.audit.append(tx, actor, action, target, environment=1, reason="why")
    )


async def all_entries(installation: Installation) -> list[AuditEntry]:
    return await installation.af.read(lambda tx: tx.audit.entries_after("", 100))


async def entries(installation: Installation, *filters: str | None) -> list[AuditEntry]:
    return (await installation.af.read(installation.af.audit.page(PageQuery(limit=100), *filters))).items


async def test_entries_are_complete_and_numbered_without_gaps(installation: Installation) -> None:
    for action in ("one", "two", "three"):
        await append(installation, action)
    newest, _, oldest = await entries(installation)
    assert (newest.action, newest.id) == ("three", "audit_000000000000003")
    assert (oldest.actor, oldest.target, oldest.reason, oldest.environment) == (
        "kim@example.org",
        "user_1",
        "why",
        1,
    )
    assert oldest.created_at == installation.clock.now


async def test_concurrent_entries_form_one_chain(installation: Installation) -> None:
    await asyncio.gather(*(append(installation, f"action {number}") for number in range(4)))
    found = await installation.af.audit.check(installation.af.store)
    assert (found.entries, found.broken) == (4, None)


async def test_entry_is_rolled_back_with_its_change(installation: Installation) -> None:
    async def failing(tx: Tx) -> None:
        await installation.af.audit.append(tx, KIM, "lost", "user_1")
        raise errors.Conflict("x", "x")

    with pytest.raises(errors.Conflict):
        await installation.af.run(failing)
    assert await entries(installation) == []


async def test_entries_are_filtered_by_action_actor_and_target(installation: Installation) -> None:
    await append(installation, "one")
    await append(installation, "two", COMMAND_LINE, "user_2")
    assert [item.action for item in await entries(installation, "one")] == ["one"]
    assert [item.action for item in await entries(installation, None, "command line")] == ["two"]
    assert [item.action for item in await entries(installation, None, None, "user_2")] == ["two"]
    assert await entries(installation, "one", "command line") == []


async def test_entries_are_paged_and_an_unknown_cursor_is_refused(installation: Installation) -> None:
    for number in range(5):
        await append(installation, str(number))
    first = await installation.af.read(installation.af.audit.page(PageQuery(limit=3)))
    rest = await installation.af.read(installation.af.audit.page(PageQuery(limit=3, after=first.after)))
    assert [item.action for item in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    with pytest.raises(errors.InvalidRequest):
        await installation.af.read(installation.af.audit.page(PageQuery(after="audit_x")))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET reason = 'better' WHERE id = 'audit_000000000000002'", 2),
        ("UPDATE audit SET actor = 'mallory' WHERE id = 'audit_000000000000003'", 3),
        ("DELETE FROM audit WHERE id = 'audit_000000000000002'", 3),
        ("DELETE FROM audit WHERE id = 'audit_000000000000001'", 2),
        ("UPDATE audit SET created_at = created_at + 1 WHERE id = 'audit_000000000000001'", 1),
    ],
)
async def test_changed_or_deleted_entry_breaks_the_chain(
    installation: Installation, statement: str, broken: int
) -> None:
    for number in range(4):
        await append(installation, str(number))
    installation.sql(statement)
    found = await installation.af.audit.check(installation.af.store)
    assert found.broken == f"audit_{broken:015d}"


async def test_log_rewritten_without_the_key_is_detected(installation: Installation) -> None:
    for number in range(4):
        await append(installation, str(number))
    forged = await all_entries(installation)
    # Change the second entry and recompute the hashes, as an attacker with the database can.
    forged[1] = msgspec.structs.replace(forged[1], reason="better")
    previous_hash = hash_chain.BEGINNING
    for entry in forged:
        previous_hash = hash_chain.hash_of(entry, previous_hash)
        installation.sql(
            "UPDATE audit SET reason = ?, hash = ? WHERE id = ?", entry.reason, previous_hash, entry.id
        )
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, found.why) == (numbered(2), "its signature is wrong")


@pytest.mark.parametrize("first", [2, 4])
async def test_entries_stripped_of_their_signatures_are_detected(
    installation: Installation, first: int
) -> None:
    for number in range(4):
        await append(installation, str(number))
    entries = await all_entries(installation)
    previous_hash = entries[first - 2].hash
    for entry in entries[first - 1 :]:
        unsigned = msgspec.structs.replace(entry, key_id=None, mac=None, address=None)
        previous_hash = hash_chain.hash_of(unsigned, previous_hash)
        installation.sql(
            "UPDATE audit SET key_id = NULL, mac = NULL, hash = ? WHERE id = ?", previous_hash, entry.id
        )
    found = await installation.af.audit.check(installation.af.store)
    assert found.broken == numbered(first)
    assert "not signed" in str(found.why)
    accepted = frozenset(numbered(number) for number in range(first, 5))
    accepting = await installation.af.audit.check(installation.af.store, accept=accepted)
    assert (accepting.broken, accepting.unsigned) == (None, 5 - first)


async def test_unsigned_entries_of_older_releases_are_valid_but_protected(
    installation: Installation,
) -> None:
    previous_hash = hash_chain.BEGINNING
    for number in (1, 2):
        old = AuditEntry(numbered(number), "operator", "o", "kim", "x", 1, "t", None, None, 5, b"")
        previous_hash = hash_chain.hash_of(old, previous_hash)
        installation.sql(
            "INSERT INTO audit"
            " (id, actor_kind, actor_id, actor, action, environment, target, created_at, hash)"
            " VALUES (?, 'operator', 'o', 'kim', 'x', 1, 't', 5, ?)",
            old.id,
            previous_hash,
        )
    await append(installation, "new")
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, found.entries, found.unsigned) == (None, 3, 2)
    installation.sql("UPDATE audit SET target = 'u' WHERE id = ?", numbered(1))
    assert (await installation.af.audit.check(installation.af.store)).broken == numbered(1)


async def test_two_swapped_entries_are_detected(installation: Installation) -> None:
    for number in range(3):
        await append(installation, str(number))
    for old, new in ((2, 9), (3, 2), (9, 3)):
        installation.sql("UPDATE audit SET id = ? WHERE id = ?", numbered(new), numbered(old))
    assert (await installation.af.audit.check(installation.af.store)).broken == numbered(2)


async def test_entry_inserted_between_two_is_detected(installation: Installation) -> None:
    for number in range(2):
        await append(installation, str(number))
    installation.sql(
        "INSERT INTO audit SELECT 'audit_000000000000001b', actor_kind, actor_id, actor, action, environment,"
        " target, reason, request_id, created_at, hash, mac, key_id, address FROM audit"
        " WHERE id = 'audit_000000000000001'"
    )
    assert (await installation.af.audit.check(installation.af.store)).broken == "audit_000000000000001b"


async def test_truncated_log_is_detected_with_a_saved_hash(installation: Installation) -> None:
    for number in range(4):
        await append(installation, str(number))
    last = (await installation.af.audit.check(installation.af.store)).last
    assert last is not None
    saved = {last.id: last.hash}
    assert (await installation.af.audit.check(installation.af.store, expect=saved)).broken is None
    installation.sql("DELETE FROM audit WHERE id >= ?", numbered(3))
    assert (await installation.af.audit.check(installation.af.store)).broken is None
    found = await installation.af.audit.check(installation.af.store, expect=saved)
    assert (found.broken, "cut off" in str(found.why)) == (last.id, True)
    # The server appends until the log is as long again: only the hash differs.
    for number in range(4):
        await append(installation, str(number + 10))
    assert (await installation.af.audit.check(installation.af.store, expect=saved)).broken == last.id


async def test_entry_signed_with_a_replaced_key_is_detected(
    installation: Installation,
) -> None:
    await append(installation, "before")
    await installation.af.run(installation.af.audit.renew_key)
    await append(installation, "after")
    assert [entry.key_id for entry in await all_entries(installation)] == ["000001", "000002"]
    assert (await installation.af.audit.check(installation.af.store)).broken is None
    keys = await installation.af.audit.keys(installation.af.store)
    last = (await all_entries(installation))[-1]
    forged = AuditEntry(
        numbered(3), "api_key", None, "x", "x", None, "x", None, None, 5, b"", None, "000001", None
    )
    hashed = hash_chain.hash_of(forged, last.hash)
    installation.sql(
        "INSERT INTO audit (id, actor_kind, actor, action, target, created_at, hash, mac, key_id)"
        " VALUES (?, 'api_key', 'x', 'x', 'x', 5, ?, ?, '000001')",
        forged.id,
        hashed,
        hash_chain.mac_of(hashed, keys["000001"]),
    )
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, "replaced earlier" in str(found.why)) == (numbered(3), True)


async def test_forged_audit_key_is_detected(installation: Installation) -> None:
    await append(installation, "one")
    installation.sql("UPDATE audit_keys SET secret = 'v1:000000:AAAA'")
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, "cannot be unsealed" in str(found.why)) == (numbered(1), True)


async def test_concurrent_servers_form_one_chain(open_installation: Opener) -> None:
    first, second = await open_installation(), await open_installation()
    await asyncio.gather(
        *(append(installation, str(number)) for number in range(30) for installation in (first, second))
    )
    found = await first.af.audit.check(second.af.store)
    assert (found.entries, found.broken) == (60, None)


async def test_key_rotation_during_concurrent_entries_keeps_the_chain(open_installation: Opener) -> None:
    first, second = await open_installation(), await open_installation()
    await append(first, "before")

    async def rotate() -> None:
        async def unit(tx: Tx) -> None:
            await second.af.audit.renew_key(tx)
            await second.af.audit.append(tx, KIM, "vault.rotate", "key")

        await second.af.run(unit)

    many = (append(installation, str(number)) for number in range(15) for installation in (first, second))
    await asyncio.gather(*many, *(rotate() for _ in range(5)))
    found = await first.af.audit.check(second.af.store)
    assert (found.entries, found.broken, found.why) == (36, None, None)
