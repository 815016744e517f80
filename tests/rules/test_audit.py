"""The audit list: written with its change, in order, and broken by whoever touches it."""

import asyncio

import pytest

from authfactor import errors
from authfactor.models import AuditEntry, PageQuery
from authfactor.rules.audit import COMMAND_LINE, Actor
from authfactor.store import Tx
from tests.rules.conftest import Desk

KIM = Actor("operator", "operator_1", "kim@example.org")


async def note(desk: Desk, action: str, actor: Actor = KIM, target: str = "user_1") -> None:
    await desk.af.run(lambda tx: desk.af.audit.note(tx, actor, action, target, environment=1, reason="why"))


async def entries(desk: Desk, *filters: str | None) -> list[AuditEntry]:
    return (await desk.af.read(desk.af.audit.page(PageQuery(limit=100), *filters))).items


async def test_entries_are_numbered_without_gaps_and_say_everything(desk: Desk) -> None:
    for action in ("one", "two", "three"):
        await note(desk, action)
    newest, _, oldest = await entries(desk)
    assert (newest.action, newest.id) == ("three", "audit_000000000000003")
    assert (oldest.actor, oldest.target, oldest.reason, oldest.environment) == (
        "kim@example.org",
        "user_1",
        "why",
        1,
    )
    assert oldest.created_at == desk.clock.now


async def test_many_at_once_make_one_chain(desk: Desk) -> None:
    await asyncio.gather(*(note(desk, f"action {number}") for number in range(4)))
    chain = await desk.af.audit.check(desk.af.store)
    assert (chain.entries, chain.broken) == (4, None)


async def test_an_entry_is_kept_only_with_its_change(desk: Desk) -> None:
    async def failing(tx: Tx) -> None:
        await desk.af.audit.note(tx, KIM, "lost", "user_1")
        raise errors.Conflict("x", "x")

    with pytest.raises(errors.Conflict):
        await desk.af.run(failing)
    assert await entries(desk) == []


async def test_filters(desk: Desk) -> None:
    await note(desk, "one")
    await note(desk, "two", COMMAND_LINE, "user_2")
    assert [item.action for item in await entries(desk, "one")] == ["one"]
    assert [item.action for item in await entries(desk, None, "command line")] == ["two"]
    assert [item.action for item in await entries(desk, None, None, "user_2")] == ["two"]
    assert await entries(desk, "one", "command line") == []


async def test_pages_are_walked_and_a_wrong_cursor_is_refused(desk: Desk) -> None:
    for number in range(5):
        await note(desk, str(number))
    first = await desk.af.read(desk.af.audit.page(PageQuery(limit=3)))
    rest = await desk.af.read(desk.af.audit.page(PageQuery(limit=3, after=first.after)))
    assert [item.action for item in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    with pytest.raises(errors.InvalidRequest):
        await desk.af.read(desk.af.audit.page(PageQuery(after="audit_x")))


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
async def test_whoever_touches_the_list_breaks_the_chain(desk: Desk, touch: str, broken: int) -> None:
    for number in range(4):
        await note(desk, str(number))
    desk.sql(touch)
    chain = await desk.af.audit.check(desk.af.store)
    assert chain.broken is not None
    assert chain.broken.id == f"audit_{broken:015d}"
