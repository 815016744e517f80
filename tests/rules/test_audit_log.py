"""The audit list: written with its change, in order, and broken by whoever touches it."""

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


async def note(installation: Installation, action: str, actor: Actor = KIM, target: str = "user_1") -> None:
    await installation.af.run(
        lambda tx: installation.af.audit.append(tx, actor, action, target, environment=1, reason="why")
    )


async def everything(installation: Installation) -> list[AuditEntry]:
    return await installation.af.read(lambda tx: tx.audit.entries_after("", 100))


async def entries(installation: Installation, *filters: str | None) -> list[AuditEntry]:
    return (await installation.af.read(installation.af.audit.page(PageQuery(limit=100), *filters))).items


async def test_entries_are_numbered_without_gaps_and_say_everything(installation: Installation) -> None:
    for action in ("one", "two", "three"):
        await note(installation, action)
    newest, _, oldest = await entries(installation)
    assert (newest.action, newest.id) == ("three", "audit_000000000000003")
    assert (oldest.actor, oldest.target, oldest.reason, oldest.environment) == (
        "kim@example.org",
        "user_1",
        "why",
        1,
    )
    assert oldest.created_at == installation.clock.now


async def test_many_at_once_make_one_chain(installation: Installation) -> None:
    await asyncio.gather(*(note(installation, f"action {number}") for number in range(4)))
    found = await installation.af.audit.check(installation.af.store)
    assert (found.entries, found.broken) == (4, None)


async def test_an_entry_is_kept_only_with_its_change(installation: Installation) -> None:
    async def failing(tx: Tx) -> None:
        await installation.af.audit.append(tx, KIM, "lost", "user_1")
        raise errors.Conflict("x", "x")

    with pytest.raises(errors.Conflict):
        await installation.af.run(failing)
    assert await entries(installation) == []


async def test_filters(installation: Installation) -> None:
    await note(installation, "one")
    await note(installation, "two", COMMAND_LINE, "user_2")
    assert [item.action for item in await entries(installation, "one")] == ["one"]
    assert [item.action for item in await entries(installation, None, "command line")] == ["two"]
    assert [item.action for item in await entries(installation, None, None, "user_2")] == ["two"]
    assert await entries(installation, "one", "command line") == []


async def test_pages_are_walked_and_a_wrong_cursor_is_refused(installation: Installation) -> None:
    for number in range(5):
        await note(installation, str(number))
    first = await installation.af.read(installation.af.audit.page(PageQuery(limit=3)))
    rest = await installation.af.read(installation.af.audit.page(PageQuery(limit=3, after=first.after)))
    assert [item.action for item in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    with pytest.raises(errors.InvalidRequest):
        await installation.af.read(installation.af.audit.page(PageQuery(after="audit_x")))


@pytest.mark.parametrize(
    ("touch", "broken"),
    [
        ("UPDATE audit SET reason = 'better' WHERE id = 'audit_000000000000002'", 2),
        ("UPDATE audit SET actor = 'somebody' WHERE id = 'audit_000000000000003'", 3),
        ("DELETE FROM audit WHERE id = 'audit_000000000000002'", 3),
        ("DELETE FROM audit WHERE id = 'audit_000000000000001'", 2),
        ("UPDATE audit SET created_at = created_at + 1 WHERE id = 'audit_000000000000001'", 1),
    ],
)
async def test_whoever_touches_the_list_breaks_the_chain(
    installation: Installation, touch: str, broken: int
) -> None:
    for number in range(4):
        await note(installation, str(number))
    installation.sql(touch)
    found = await installation.af.audit.check(installation.af.store)
    assert found.broken == f"audit_{broken:015d}"


async def test_who_writes_the_list_anew_without_the_key_is_found(installation: Installation) -> None:
    for number in range(4):
        await note(installation, str(number))
    forged = await everything(installation)
    # Hashes that fit, made as anyone can who has the database: the second entry says something else.
    forged[1] = msgspec.structs.replace(forged[1], reason="better")
    before = hash_chain.BEGINNING
    for entry in forged:
        before = hash_chain.hash_of(entry, before)
        installation.sql("UPDATE audit SET reason = ?, hash = ? WHERE id = ?", entry.reason, before, entry.id)
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, found.why) == (numbered(2), "its signature is wrong")


@pytest.mark.parametrize("first", [2, 4])
async def test_entries_made_plain_are_found(installation: Installation, first: int) -> None:
    for number in range(4):
        await note(installation, str(number))
    entries = await everything(installation)
    before = entries[first - 2].hash
    for entry in entries[first - 1 :]:
        plain = msgspec.structs.replace(entry, key_id=None, mac=None, address=None)
        before = hash_chain.hash_of(plain, before)
        installation.sql(
            "UPDATE audit SET key_id = NULL, mac = NULL, hash = ? WHERE id = ?", before, entry.id
        )
    found = await installation.af.audit.check(installation.af.store)
    assert found.broken == numbered(first)
    assert "not signed" in str(found.why)
    accepted = frozenset(numbered(number) for number in range(first, 5))
    accepting = await installation.af.audit.check(installation.af.store, accept=accepted)
    assert (accepting.broken, accepting.unsigned) == (None, 5 - first)


async def test_entries_of_an_older_release_stay_good_and_the_next_one_covers_them(
    installation: Installation,
) -> None:
    before = hash_chain.BEGINNING
    for number in (1, 2):
        old = AuditEntry(numbered(number), "operator", "o", "kim", "x", 1, "t", None, None, 5, b"")
        before = hash_chain.hash_of(old, before)
        installation.sql(
            "INSERT INTO audit"
            " (id, actor_kind, actor_id, actor, action, environment, target, created_at, hash)"
            " VALUES (?, 'operator', 'o', 'kim', 'x', 1, 't', 5, ?)",
            old.id,
            before,
        )
    await note(installation, "new")
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, found.entries, found.unsigned) == (None, 3, 2)
    installation.sql("UPDATE audit SET target = 'u' WHERE id = ?", numbered(1))
    assert (await installation.af.audit.check(installation.af.store)).broken == numbered(1)


async def test_two_entries_that_change_places_are_found(installation: Installation) -> None:
    for number in range(3):
        await note(installation, str(number))
    for old, new in ((2, 9), (3, 2), (9, 3)):
        installation.sql("UPDATE audit SET id = ? WHERE id = ?", numbered(new), numbered(old))
    assert (await installation.af.audit.check(installation.af.store)).broken == numbered(2)


async def test_an_entry_put_in_between_is_found(installation: Installation) -> None:
    for number in range(2):
        await note(installation, str(number))
    installation.sql(
        "INSERT INTO audit SELECT 'audit_000000000000001b', actor_kind, actor_id, actor, action, environment,"
        " target, reason, request_id, created_at, hash, mac, key_id, address FROM audit"
        " WHERE id = 'audit_000000000000001'"
    )
    assert (await installation.af.audit.check(installation.af.store)).broken == "audit_000000000000001b"


async def test_an_end_that_was_cut_off_shows_against_what_was_kept(installation: Installation) -> None:
    for number in range(4):
        await note(installation, str(number))
    last = (await installation.af.audit.check(installation.af.store)).last
    assert last is not None
    kept = {last.id: last.hash}
    assert (await installation.af.audit.check(installation.af.store, expect=kept)).broken is None
    installation.sql("DELETE FROM audit WHERE id >= ?", numbered(3))
    assert (await installation.af.audit.check(installation.af.store)).broken is None
    cut = await installation.af.audit.check(installation.af.store, expect=kept)
    assert (cut.broken, "cut off" in str(cut.why)) == (last.id, True)
    # The server goes on, and the list is as long as before: the hash tells.
    for number in range(4):
        await note(installation, str(number + 10))
    assert (await installation.af.audit.check(installation.af.store, expect=kept)).broken == last.id


async def test_after_a_rotation_all_entries_fit_and_the_old_key_signs_nothing_more(
    installation: Installation,
) -> None:
    await note(installation, "before")
    await installation.af.run(installation.af.audit.renew_key)
    await note(installation, "after")
    assert [entry.key_id for entry in await everything(installation)] == ["000001", "000002"]
    assert (await installation.af.audit.check(installation.af.store)).broken is None
    keys = await installation.af.audit.keys(installation.af.store)
    last = (await everything(installation))[-1]
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


async def test_a_key_that_was_put_in_by_hand_signs_nothing(installation: Installation) -> None:
    await note(installation, "one")
    installation.sql("UPDATE audit_keys SET secret = 'v1:000000:AAAA'")
    found = await installation.af.audit.check(installation.af.store)
    assert (found.broken, "cannot be unsealed" in str(found.why)) == (numbered(1), True)


async def test_servers_that_write_at_once_make_one_chain(open_installation: Opener) -> None:
    first, second = await open_installation(), await open_installation()
    await asyncio.gather(
        *(note(installation, str(number)) for number in range(30) for installation in (first, second))
    )
    found = await first.af.audit.check(second.af.store)
    assert (found.entries, found.broken) == (60, None)


async def test_a_new_key_among_many_entries_breaks_nothing(open_installation: Opener) -> None:
    first, second = await open_installation(), await open_installation()
    await note(first, "before")

    async def rotate() -> None:
        async def unit(tx: Tx) -> None:
            await second.af.audit.renew_key(tx)
            await second.af.audit.append(tx, KIM, "vault.rotate", "key")

        await second.af.run(unit)

    many = (note(installation, str(number)) for number in range(15) for installation in (first, second))
    await asyncio.gather(*many, *(rotate() for _ in range(5)))
    found = await first.af.audit.check(second.af.store)
    assert (found.entries, found.broken, found.why) == (36, None, None)
