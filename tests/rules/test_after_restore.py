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


async def mark(installation: "Installation") -> RestoreMarks:
    return await AfterRestore(installation.clock, installation.af.settings, installation.af.audit).mark(
        installation.af.store, "a test"
    )


@pytest.mark.parametrize("ahead", [-1, 0, 1])
async def test_no_code_of_up_to_now_is_good_after_a_restore(installation: "Installation", ahead: int) -> None:
    enrolled = await installation.enroll_alone()
    # The backup is from before this code was used: here it never was.
    await mark(installation)
    refused = await installation.answer(enrolled, installation.code(enrolled, ahead))
    assert (refused.valid, refused.reason) == (False, "code_already_used")


async def test_the_first_step_after_it_is_good_and_only_once(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    done = await mark(installation)
    assert done.not_before == installation.clock.now // 30_000 + 2
    installation.clock.advance(30)
    ahead = installation.code(enrolled, 1)
    assert (await installation.answer(enrolled, ahead)).valid
    assert not (await installation.answer(enrolled, ahead)).valid


async def test_every_factor_of_every_environment_is_marked_in_batches(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_restore, "BATCH", 2)
    for _ in range(5):
        await installation.enroll_alone()
    installation.sql("UPDATE factors SET environment = 2 WHERE id = (SELECT min(id) FROM factors)")
    done = await mark(installation)
    assert done.factors == 5
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT DISTINCT last_step FROM factors"))
    assert [tuple(row) for row in rows] == [(done.not_before - 1,)]


async def test_a_mark_never_goes_back(installation: "Installation") -> None:
    await installation.enroll_alone()
    first = await mark(installation)
    installation.clock.advance(-3600)
    assert (await mark(installation)).factors == 0
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT last_step FROM factors"))
    assert rows[0][0] == first.not_before - 1


async def test_an_open_challenge_has_expired_and_a_verified_one_stays_verified(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll_alone()
    verified, waiting = await installation.challenge(enrolled), await installation.challenge(enrolled)
    assert (await installation.verify(verified, installation.code(enrolled))).valid
    assert (await mark(installation)).expired == 1
    installation.clock.advance(90)
    with pytest.raises(errors.ChallengeExpired):
        await installation.verify(waiting, installation.code(enrolled))
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(verified, installation.code(enrolled))


async def test_it_is_in_the_audit_list_and_the_chain_holds(installation: "Installation") -> None:
    await mark(installation)
    page = await installation.af.read(installation.af.audit.page(PageQuery()))
    assert [(entry.action, entry.reason) for entry in page.items] == [("database.restored", "a test")]
    assert (await installation.af.audit.check(installation.af.store)).broken is None


async def test_links_and_page_sessions_have_expired(open_installation: "Opener") -> None:
    installation = await open_installation()
    user = await installation.user()
    unopened = await enrollment(installation, user)
    browser = await opened(installation, await enrollment(installation, user))
    await mark(installation)
    with pytest.raises(errors.LinkExpired):
        await opened(installation, unopened)
    with pytest.raises(errors.LinkExpired):
        await browser.view()


async def test_set_up_links_and_sessions_of_operators_end(installation: "Installation") -> None:
    invited = await installation.af.run(installation.af.operators.invite("kim@example.org", "owner"))
    await mark(installation)
    rows = installation.sql(
        "SELECT count(*) FROM operator_links WHERE expires_at > ?", installation.clock.now
    )
    assert (bool(invited), rows) == (True, [(0,)])
