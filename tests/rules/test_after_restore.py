"""What a restored database must not do again."""

from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import PageQuery
from authfactor.rules.maintenance import after_restore
from authfactor.rules.maintenance.after_restore import AfterRestore, RestoreMarks
from tests.rules.test_links import enrollment, opened

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener


async def mark(desk: "Installation") -> RestoreMarks:
    return await AfterRestore(desk.clock, desk.af.settings, desk.af.audit).mark(desk.af.store, "a test")


@pytest.mark.parametrize("ahead", [-1, 0, 1])
async def test_no_code_of_up_to_now_is_good_after_a_restore(desk: "Installation", ahead: int) -> None:
    enrolled = await desk.enroll_alone()
    # The backup is from before this code was used: here it never was.
    await mark(desk)
    refused = await desk.answer(enrolled, desk.code(enrolled, ahead))
    assert (refused.valid, refused.reason) == (False, "code_already_used")


async def test_the_first_step_after_it_is_good_and_only_once(desk: "Installation") -> None:
    enrolled = await desk.enroll_alone()
    done = await mark(desk)
    assert done.not_before == desk.clock.now // 30_000 + 2
    desk.clock.advance(30)
    ahead = desk.code(enrolled, 1)
    assert (await desk.answer(enrolled, ahead)).valid
    assert not (await desk.answer(enrolled, ahead)).valid


async def test_every_factor_of_every_environment_is_marked_in_batches(
    desk: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_restore, "BATCH", 2)
    for _ in range(5):
        await desk.enroll_alone()
    desk.sql("UPDATE factors SET environment = 2 WHERE id = (SELECT min(id) FROM factors)")
    done = await mark(desk)
    assert done.factors == 5
    rows = await desk.af.read(lambda tx: tx.db.all("SELECT DISTINCT last_step FROM factors"))
    assert [tuple(row) for row in rows] == [(done.not_before - 1,)]


async def test_a_mark_never_goes_back(desk: "Installation") -> None:
    await desk.enroll_alone()
    first = await mark(desk)
    desk.clock.advance(-3600)
    assert (await mark(desk)).factors == 0
    rows = await desk.af.read(lambda tx: tx.db.all("SELECT last_step FROM factors"))
    assert rows[0][0] == first.not_before - 1


async def test_an_open_challenge_has_expired_and_a_verified_one_stays_verified(desk: "Installation") -> None:
    enrolled = await desk.enroll_alone()
    verified, waiting = await desk.challenge(enrolled), await desk.challenge(enrolled)
    assert (await desk.verify(verified, desk.code(enrolled))).valid
    assert (await mark(desk)).expired == 1
    desk.clock.advance(90)
    with pytest.raises(errors.ChallengeExpired):
        await desk.verify(waiting, desk.code(enrolled))
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await desk.verify(verified, desk.code(enrolled))


async def test_it_is_in_the_audit_list_and_the_chain_holds(desk: "Installation") -> None:
    await mark(desk)
    page = await desk.af.read(desk.af.audit.page(PageQuery()))
    assert [(entry.action, entry.reason) for entry in page.items] == [("database.restored", "a test")]
    assert (await desk.af.audit.check(desk.af.store)).broken is None


async def test_links_and_page_sessions_have_expired(open_desk: "Opener") -> None:
    desk = await open_desk()
    user = await desk.user()
    unopened = await enrollment(desk, user)
    browser = await opened(desk, await enrollment(desk, user))
    await mark(desk)
    with pytest.raises(errors.LinkExpired):
        await opened(desk, unopened)
    with pytest.raises(errors.LinkExpired):
        await browser.view()


async def test_set_up_links_and_sessions_of_operators_end(desk: "Installation") -> None:
    invited = await desk.af.run(desk.af.operators.invite("kim@example.org", "owner"))
    await mark(desk)
    rows = desk.sql("SELECT count(*) FROM operator_links WHERE expires_at > ?", desk.clock.now)
    assert (bool(invited), rows) == (True, [(0,)])
