"""Sealing, deleting and checking events while another process does so too, and seals that do not parse."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authfactor import ids
from authfactor.models import AuditEntry
from authfactor.rules.audit import event_digests, event_sealing
from authfactor.rules.audit.audit_log import Actor
from authfactor.rules.audit.event_digests import CLEANED, SEALED, EventDigest
from authfactor.rules.audit.event_sealing import HORIZON, INTERVAL
from authfactor.rules.audit.hash_chain import ChainVerifier
from authfactor.store import Store
from tests.support.installation import Installation, Opener

DUE = (HORIZON + INTERVAL) / 1000 + 1
KIM = Actor("operator", "operator_1", "kim@example.org")


class InterruptedStore:
    """A store that lets another process run before the n-th call of one method."""

    def __init__(
        self, store: Store, method: str, number: int, other: Callable[[], Awaitable[object]]
    ) -> None:
        self._store = store
        self._method = method
        self._left = number
        self._other = other

    async def read(self, unit: Any) -> Any:  # noqa: ANN401 - as Store.read
        await self._before("read")
        return await self._store.read(unit)

    async def write(self, unit: Any) -> Any:  # noqa: ANN401 - as Store.write
        await self._before("write")
        return await self._store.write(unit)

    async def _before(self, method: str) -> None:
        if method == self._method:
            self._left -= 1
            if self._left == 0:
                await self._other()


async def sealed(installation: Installation, events: int = 3) -> None:
    """Create users, and so events, and seal the events."""
    for _ in range(events):
        await installation.user()
    installation.clock.advance(DUE)
    assert await installation.af.event_sealing.run(installation.af.store) == events


async def actions(installation: Installation, action: str) -> list[AuditEntry]:
    entries = await installation.af.read(lambda tx: tx.audit.entries_after("", 1000))
    return [entry for entry in entries if entry.action == action]


async def test_process_that_lost_its_lease_while_reading_seals_nothing(open_installation: Opener) -> None:
    slow, other = await open_installation(), await open_installation()
    for _ in range(3):
        await slow.user()
    slow.clock.advance(DUE)

    async def take_over() -> None:
        slow.clock.advance(event_sealing.LEASE_MS / 1000)
        assert await other.af.event_sealing.run(other.af.store) == 3

    interrupted: Any = InterruptedStore(slow.af.store, "read", 3, take_over)
    assert await slow.af.event_sealing.run(interrupted) == 0
    assert len(await actions(slow, SEALED)) == 1


async def test_deletion_is_recorded_once_by_processes_that_find_it_due_together(
    open_installation: Opener,
) -> None:
    first, second = await open_installation(), await open_installation()
    await sealed(first)
    limit = ids.first(ids.EVENT, first.clock.now)

    async def record() -> None:
        await second.af.event_sealing.may_delete_before(second.af.store, limit)

    interrupted: Any = InterruptedStore(first.af.store, "write", 1, record)
    upto = await first.af.event_sealing.may_delete_before(interrupted, limit)
    assert [entry.target for entry in await actions(first, CLEANED)] == [upto]


async def test_log_that_breaks_during_a_check_is_reported_instead_of_findings(
    installation: Installation,
) -> None:
    await sealed(installation)
    af = installation.af
    verifier = ChainVerifier(await af.audit.keys(af.store))
    assert await af.audit.follow(af.store, verifier) is None
    installation.sql("UPDATE events SET data = '{}'")
    await af.run(lambda tx: af.audit.append(tx, KIM, "user.unlock", "user_1"))
    installation.sql("UPDATE audit SET target = 'user_2' WHERE action = 'user.unlock'")

    checked, broken = await af.event_verification.check(af.store, verifier, frozenset(), lambda *_: None)
    assert broken is not None
    assert checked.findings == ()


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "no JSON",
        '{"from":"event_1","count":1,"sha256":"00","parts":"AAAA","ids":"0"}',
        '{"from":"event_1","count":1,"sha256":"zz","parts":"","ids":"0"}',
    ],
    ids=["none", "text", "too few parts", "digest is not hexadecimal"],
)
def test_seal_that_does_not_parse_is_no_seal_and_its_reason_is_shown(reason: str | None) -> None:
    entry = AuditEntry("1", "server", None, "server", SEALED, None, "event_2", reason, None, 0, b"")

    assert event_digests.decode_seal(entry) is None
    assert event_digests.reason_text(entry) == reason


def test_seal_that_parses_is_shown_as_a_count() -> None:
    reason = event_digests.encode_seal("event_1", EventDigest())
    entry = AuditEntry("1", "server", None, "server", SEALED, None, "event_2", reason, None, 0, b"")

    assert event_digests.reason_text(entry) == "0 events from event_1"


def test_forged_id_without_a_time_counts_as_the_oldest() -> None:
    assert event_digests.time_of(ids.EVENT + ids.ulid(1_700_000_000_000, 0)) == 1_700_000_000_000
    assert event_digests.time_of("event_!") == 0
