"""Events are sealed in the audit log, and changes to sealed events are detected."""

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from authfactor import ids
from authfactor.models import AuditEntry, PageQuery
from authfactor.rules.audit import event_digests, event_sealing
from authfactor.rules.audit.audit_log import SERVER
from authfactor.rules.audit.event_digests import CLEANED, SEALED, EventSeal
from authfactor.rules.audit.event_sealing import HORIZON, HOUR, INTERVAL, EventSealing
from authfactor.rules.audit.event_verification import VerifiedEvents
from authfactor.rules.audit.hash_chain import ChainResult, ChainVerifier
from authfactor.store import Tx
from tests.support.clock import DAY
from tests.support.installation import Installation

if TYPE_CHECKING:
    from tests.support.installation import Opener

DUE: Final = (HORIZON + INTERVAL) / 1000 + 1
INSERT_EVENT: Final = (
    "INSERT INTO events (environment, id, name, user_id, data, created_at) VALUES (?, ?, 'x', ?, ?, ?)"
)


async def seal(installation: Installation) -> int:
    return await installation.af.event_sealing.run(installation.af.store)


async def seals(installation: Installation) -> list[EventSeal]:
    entries = await installation.af.read(lambda tx: tx.audit.entries_after("", 1000))
    found = [event_digests.decode_seal(entry) for entry in entries if entry.action == SEALED]
    return [each for each in found if each is not None]


async def removals(installation: Installation) -> list[AuditEntry]:
    entries = await installation.af.read(lambda tx: tx.audit.entries_after("", 1000))
    return [entry for entry in entries if entry.action == CLEANED]


async def verify(installation: Installation, *accept: str) -> tuple[VerifiedEvents, ChainResult | None]:
    verifier = ChainVerifier(await installation.af.audit.keys(installation.af.store))
    assert await installation.af.audit.follow(installation.af.store, verifier) is None
    return await installation.af.event_verification.check(
        installation.af.store, verifier, frozenset(accept), lambda *_: None
    )


async def findings(installation: Installation) -> list[str]:
    checked, broken = await verify(installation)
    assert broken is None
    return [str(finding) for finding in checked.findings]


def insert_event(
    installation: Installation, at: int, *, environment: int = 1, number: int = 0, data: str = "{}"
) -> str:
    """Insert an event of a time in milliseconds, as a slow server or an intruder would; return its id."""
    event_id = f"{ids.EVENT}{ids.ulid(at, number)}"
    installation.sql(INSERT_EVENT, environment, event_id, "user_1", data, at)
    return event_id


@pytest.fixture
async def sealed(installation: Installation) -> Installation:
    """Seal twelve events, of two environments and the operators' environment, in two audit entries."""
    for number in range(3):
        for environment in (0, 1, 2):
            insert_event(
                installation, installation.clock.now + number, environment=environment, number=environment
            )
    installation.clock.advance(DUE)
    assert await seal(installation) == 9
    for environment in (0, 1, 2):
        insert_event(installation, installation.clock.now, environment=environment, number=environment)
    installation.clock.advance(DUE)
    assert await seal(installation) == 3
    assert await findings(installation) == []
    return installation


async def test_events_are_not_sealed_before_they_are_old_enough(installation: Installation) -> None:
    assert await seal(installation) == 0
    insert_event(installation, installation.clock.now)
    installation.clock.advance((HORIZON + INTERVAL) / 1000)
    assert await seal(installation) == 0
    assert installation.sql("SELECT count(*) FROM audit") == [(0,)]
    assert installation.sql("SELECT count(*) FROM turns") == [(0,)]
    installation.clock.advance(1)
    assert await seal(installation) == 1
    assert await seal(installation) == 0
    [one] = await seals(installation)
    assert one.count == 1


async def test_each_seal_starts_where_the_previous_one_ended(sealed: Installation) -> None:
    first, second = await seals(sealed)
    assert first.end == second.start
    assert (first.count, second.count) == (9, 3)
    [entry] = await sealed.af.read(lambda tx: tx.audit.entries_after("audit_000000000000001", 1))
    assert (entry.actor_kind, entry.actor, entry.environment) == ("server", "server", None)
    checked, _ = await verify(sealed)
    assert (checked.seals, checked.events) == (2, 12)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{\"a\":1}' WHERE id = ?",
        "UPDATE events SET name = 'y' WHERE id = ?",
        "UPDATE events SET user_id = NULL WHERE id = ?",
        "UPDATE events SET user_id = 'user_2' WHERE id = ?",
        "UPDATE events SET created_at = created_at - 1 WHERE id = ?",
        "UPDATE events SET environment = 3 WHERE id = ?",
    ],
)
async def test_changed_event_is_reported(sealed: Installation, statement: str) -> None:
    [(target,)] = sealed.sql("SELECT id FROM events WHERE environment = 2 ORDER BY id LIMIT 1 OFFSET 1")
    sealed.sql(statement, target)
    [found] = await findings(sealed)
    assert found.startswith("Changed: ")
    assert str(target) in found
    first = (await seals(sealed))[0]
    assert f"{first.entry} sealed 9 events from {first.start}" in found


async def test_removed_event_is_reported(sealed: Installation) -> None:
    [(target,)] = sealed.sql("SELECT id FROM events WHERE environment = 0 ORDER BY id LIMIT 1")
    sealed.sql("DELETE FROM events WHERE id = ?", target)
    [found] = await findings(sealed)
    assert found.startswith(f"Removed: {target}. ")
    assert found.endswith("; 8 exist.")


async def test_several_removed_events_are_counted(sealed: Installation) -> None:
    sealed.sql("DELETE FROM events WHERE environment = 1")
    first, second = await findings(sealed)
    assert first.startswith("Removed: 3 of them. ")
    assert second.startswith("Removed: event_")
    sealed.sql("DELETE FROM events")
    assert [found[:13] for found in await findings(sealed)] == ["Removed: 9 of", "Removed: 3 of"]


@pytest.mark.parametrize("environment", [0, 1, 77])
async def test_event_inserted_among_sealed_ones_is_reported(sealed: Installation, environment: int) -> None:
    inserted = insert_event(
        sealed, sealed.clock.now - round(DUE * 1000) - 2, environment=environment, number=99
    )
    [found] = await findings(sealed)
    assert found.startswith(f"Inserted: {inserted}. ")


async def test_event_replaced_by_another_is_reported(sealed: Installation) -> None:
    [(target, at)] = sealed.sql("SELECT id, created_at FROM events WHERE environment = 1 ORDER BY id LIMIT 1")
    sealed.sql("DELETE FROM events WHERE id = ?", target)
    replacement = insert_event(sealed, int(str(at)), number=99)
    [found] = await findings(sealed)
    assert found.startswith("Changed: ")
    assert replacement in found


async def test_event_with_an_impossible_id_is_reported(sealed: Installation) -> None:
    for name in ("event_zzz", "zzz"):
        sealed.sql(INSERT_EVENT, 1, name, "user_1", "{}", 1)
        [found] = await findings(sealed)
        assert found.startswith(f"Inserted: {name}. ")
        sealed.sql("DELETE FROM events WHERE id = ?", name)
    assert await seal(sealed) == 0


async def test_findings_of_accepted_seals_are_not_reported(sealed: Installation) -> None:
    first, second = await seals(sealed)
    sealed.sql("DELETE FROM events")
    checked, _ = await verify(sealed, first.entry)
    assert [finding.seal for finding in checked.findings] == [second]
    checked, _ = await verify(sealed, first.entry, second.entry)
    assert checked.findings == ()


async def test_event_committed_late_is_in_the_next_seal(installation: Installation) -> None:
    """As by a server whose database is slow or whose clock is late."""
    insert_event(installation, installation.clock.now)
    installation.clock.advance(DUE)
    insert_event(installation, installation.clock.now)
    assert await seal(installation) == 1
    insert_event(installation, installation.clock.now - HORIZON)
    assert await findings(installation) == []
    installation.clock.advance(DUE)
    assert await seal(installation) == 2
    assert await findings(installation) == []


async def test_long_ranges_are_split_into_adjacent_seals(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_sealing, "MAX_PER_ENVIRONMENT", 7)
    monkeypatch.setattr(event_sealing, "BATCH", 3)
    for number in range(20):
        insert_event(installation, installation.clock.now + number, environment=1 + number % 2)
    insert_event(installation, installation.clock.now, environment=0)
    installation.clock.advance(DUE)
    assert await seal(installation) == 21
    found_seals = await seals(installation)
    assert sum(each.count for each in found_seals) == 21
    assert max(each.count for each in found_seals) <= 3 * 7
    assert len(found_seals) == 2
    assert await findings(installation) == []
    installation.sql(
        "DELETE FROM events WHERE environment = 2 AND id = (SELECT max(id) FROM events WHERE environment = 2)"
    )
    [finding] = await findings(installation)
    assert finding.startswith("Removed: event_")


async def test_servers_sealing_concurrently_leave_no_gap_or_overlap(
    open_installation: "Opener", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without the lease: the unit that appends a seal checks the previous one."""
    first, second = await open_installation(), await open_installation()
    monkeypatch.setattr(EventSealing, "_acquire_lease", _always)
    monkeypatch.setattr(event_sealing, "MAX_PER_ENVIRONMENT", 5)
    for _ in range(3):
        for number in range(20):
            insert_event(first, first.clock.now + number, environment=1 + number % 2)
        first.clock.advance(DUE)
        counts = await asyncio.gather(*(seal(installation) for installation in (first, second) * 2))
        assert sum(counts) == 20
    found_seals = await seals(first)
    assert [each.start for each in found_seals[1:]] == [each.end for each in found_seals[:-1]]
    assert await findings(second) == []


async def _always(*_: object) -> bool:
    return True


async def test_another_server_seals_after_the_lease_of_a_killed_one(
    open_installation: "Opener", monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await open_installation(), await open_installation()
    insert_event(first, first.clock.now)
    first.clock.advance(DUE)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as killed:
        killed.setattr(event_digests.EventDigest, "update", die)
        with pytest.raises(RuntimeError, match="killed"):
            await seal(first)
    assert await seals(first) == []
    assert await seal(second) == 0  # the lease of the killed server
    first.clock.advance(event_sealing.LEASE_MS / 1000)
    assert await seal(second) == 1
    assert await findings(second) == []


async def test_seal_that_skips_events_is_detected(sealed: Installation) -> None:
    """A correctly signed seal that does not start where the previous one ended."""

    async def unit(tx: Tx) -> None:
        last = (await seals(sealed))[-1]
        start = ids.first(ids.EVENT, ids.milliseconds_of(last.end) + 1000)
        reason = event_digests.encode_seal(start, event_digests.EventDigest())
        await sealed.af.audit.append(tx, SERVER, SEALED, start + "Z", reason=reason)

    async def unreadable(tx: Tx) -> None:
        await sealed.af.audit.append(tx, SERVER, SEALED, "event_x", reason="nothing")

    for wrong, why in ((unit, "the previous seal ended at"), (unreadable, "cannot be read")):
        await sealed.af.run(wrong)
        broken = await sealed.af.audit.check(sealed.af.store)
        assert why in str(broken.why)
        sealed.sql("DELETE FROM audit WHERE id = ?", broken.broken)


async def test_only_sealed_events_are_removed_and_an_audit_entry_comes_first(sealed: Installation) -> None:
    insert_event(sealed, sealed.clock.now)
    sealed.clock.advance(sealed.af.settings.event_life + DUE)
    # The last event is not sealed.
    assert await sealed.af.retention.run(sealed.af.store) == 12
    assert sealed.sql("SELECT count(*) FROM events") == [(1,)]
    [removal] = await removals(sealed)
    assert removal.target == (await seals(sealed))[-1].end
    assert await findings(sealed) == []
    assert await sealed.af.retention.run(sealed.af.store) == 0
    assert await seal(sealed) == 1
    assert await findings(sealed) == []
    sealed.clock.advance(HOUR / 1000)
    assert await sealed.af.retention.run(sealed.af.store) == 1
    checked, _ = await verify(sealed)
    assert (checked.findings, checked.seals) == ((), 0)
    assert checked.cleaned_upto == checked.sealed_upto


async def test_events_are_removed_only_by_whole_expired_seals(sealed: Installation) -> None:
    first, second = await seals(sealed)
    sealed.clock.advance(sealed.af.settings.event_life - DUE - HORIZON / 1000 - 2)
    assert await sealed.af.retention.run(sealed.af.store) == 9
    assert [entry.target for entry in await removals(sealed)] == [first.end]
    assert await findings(sealed) == []
    sealed.sql("DELETE FROM events")
    [found] = await findings(sealed)
    assert second.entry in found


async def test_raising_the_event_lifetime_causes_no_finding(
    sealed: Installation, open_installation: "Opener"
) -> None:
    sealed.clock.advance(sealed.af.settings.event_life + 60)
    assert await sealed.af.retention.run(sealed.af.store) == 12
    longer = await open_installation(event_life=5 * sealed.af.settings.event_life)
    longer.clock.advance(event_sealing.LEASE_MS / 1000)
    assert await longer.af.retention.run(longer.af.store) == 0
    assert await findings(longer) == []


async def test_event_lifetime_shorter_than_the_horizon_works(
    open_installation: "Opener", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_sealing, "HORIZON", 2 * DAY * 1000)
    installation = await open_installation(event_life=DAY)
    for _ in range(8):
        insert_event(installation, installation.clock.now)
        installation.clock.advance(DAY / 2 + 1)
        await seal(installation)
        await installation.af.retention.run(installation.af.store)
        assert await findings(installation) == []
    # Four are too young to be sealed, and one is the youngest sealed event.
    assert 4 <= int(str(installation.sql("SELECT count(*) FROM events")[0][0])) <= 5
    assert len(await removals(installation)) >= 2


async def test_first_seal_skips_events_that_expire_within_a_day(installation: Installation) -> None:
    """A server of a release without seals may still be running next to this one."""
    life = installation.af.settings.event_life * 1000
    old = insert_event(installation, installation.clock.now - life + 1000)
    insert_event(installation, installation.clock.now - life + DAY * 1000 + 1000)
    assert await seal(installation) == 1
    installation.sql("DELETE FROM events WHERE id = ?", old)
    assert await findings(installation) == []
    insert_event(installation, installation.clock.now - life + 1000)
    installation.clock.advance(2)
    assert await installation.af.retention.run(installation.af.store) == 1
    assert await removals(installation) == []


async def test_removal_during_a_check_causes_no_finding(
    sealed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.clock.advance(sealed.af.settings.event_life + 60)
    verifier = ChainVerifier(await sealed.af.audit.keys(sealed.af.store))
    assert await sealed.af.audit.follow(sealed.af.store, verifier) is None
    assert await sealed.af.retention.run(sealed.af.store) == 12
    checked, broken = await sealed.af.event_verification.check(
        sealed.af.store, verifier, frozenset(), lambda *_: None
    )
    assert (checked.findings, broken) == ((), None)


async def test_clock_set_back_puts_no_new_event_into_a_sealed_range(
    sealed: Installation, open_installation: "Opener"
) -> None:
    sealed.clock.advance(-HOUR / 1000)
    restarted = await open_installation()
    await restarted.user()
    assert await findings(restarted) == []
    restarted.clock.advance(HOUR / 1000 + DUE)
    assert await seal(restarted) > 0
    assert await findings(restarted) == []


async def test_sealing_lag_follows_the_oldest_unsealed_event(installation: Installation) -> None:
    assert await installation.af.event_sealing.unsealed_since(installation.af.store) is None
    at = installation.clock.now
    insert_event(installation, at)
    assert await installation.af.event_sealing.unsealed_since(installation.af.store) == at
    installation.clock.advance(DUE)
    await seal(installation)
    assert await installation.af.event_sealing.unsealed_since(installation.af.store) is None


async def test_unfiltered_audit_list_omits_entries_of_servers(sealed: Installation) -> None:
    async def listed(*filters: str | None) -> list[str]:
        page = await sealed.af.read(sealed.af.audit.page(PageQuery(limit=100), *filters))
        return [entry.action for entry in page.items]

    assert await listed() == []
    assert await listed(SEALED) == [SEALED, SEALED]
    assert await listed(None, "server") == [SEALED, SEALED]
