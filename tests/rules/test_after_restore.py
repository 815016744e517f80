"""Marking a restored database: earlier codes, challenges and links are no longer accepted."""

from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import PageQuery
from authfactor.rules.maintenance import after_restore
from authfactor.rules.maintenance.after_restore import AfterRestore, RestoreMarks
from tests.rules.test_links import enrollment_link, open_link
from tests.rules.test_message_outbox import queue, set_sender

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener


async def mark(installation: "Installation") -> RestoreMarks:
    return await AfterRestore(installation.clock, installation.af.settings, installation.af.audit).mark(
        installation.af.store, "a test"
    )


@pytest.mark.parametrize("step", [-1, 0, 1])
async def test_codes_of_the_current_window_are_refused_after_a_restore(
    installation: "Installation", step: int
) -> None:
    enrolled = await installation.enroll_alone()
    # The backup may predate the use of this code, so the database does not know whether it was used.
    await mark(installation)
    refused = await installation.answer(enrolled, installation.code(enrolled, step))
    assert (refused.valid, refused.reason) == (False, "code_already_used")


async def test_first_code_after_the_refused_window_is_accepted_once(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    marks = await mark(installation)
    assert marks.not_before == installation.clock.now // 30_000 + 4
    installation.clock.advance(90)
    code = installation.code(enrolled, 1)
    assert (await installation.answer(enrolled, code)).valid
    assert not (await installation.answer(enrolled, code)).valid


async def test_codes_of_clocks_that_are_ahead_are_refused_after_a_restore(
    installation: "Installation",
) -> None:
    """One had drifted before the backup, one may have drifted since."""
    known, learned = await installation.enroll_alone(), await installation.enroll_alone()
    installation.sql("UPDATE factors SET drift = 7, last_step = ? WHERE id = ?", 56666000, known.factor.id)
    used = {known.factor.id: installation.code(known, 8), learned.factor.id: installation.code(learned, 3)}
    await mark(installation)
    for enrolled, later in ((known, 30), (learned, 60)):
        installation.clock.advance(later)
        refused = await installation.answer(enrolled, used[enrolled.factor.id])
        assert refused.reason == "code_already_used"


async def test_without_learning_a_restore_refuses_only_the_window(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(learn_drift=False)
    assert (await mark(installation)).not_before == installation.clock.now // 30_000 + 2


async def test_factors_of_every_environment_are_marked_in_batches(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_restore, "BATCH", 2)
    for _ in range(5):
        await installation.enroll_alone()
    installation.sql("UPDATE factors SET environment = 2 WHERE id = (SELECT min(id) FROM factors)")
    marks = await mark(installation)
    assert marks.factors == 5
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT DISTINCT last_step FROM factors"))
    assert [tuple(row) for row in rows] == [(marks.not_before - 1,)]


async def test_marking_never_decreases_the_last_step(installation: "Installation") -> None:
    await installation.enroll_alone()
    first = await mark(installation)
    installation.clock.advance(-3600)
    assert (await mark(installation)).factors == 0
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT last_step FROM factors"))
    assert rows[0][0] == first.not_before - 1


async def test_marking_expires_open_challenges_but_not_verified_ones(
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


async def test_marking_ends_the_repeating_of_results(installation: "Installation") -> None:
    enrolled = await installation.enroll_alone()
    challenge, code = await installation.challenge(enrolled), installation.code(enrolled)
    assert (await installation.verify(challenge, code)).valid
    assert (await installation.verify(challenge, code)).repeated
    await mark(installation)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(challenge, code)


async def test_marking_appends_a_valid_audit_entry(installation: "Installation") -> None:
    await mark(installation)
    page = await installation.af.read(installation.af.audit.page(PageQuery()))
    assert [(entry.action, entry.reason) for entry in page.items] == [("database.restored", "a test")]
    assert (await installation.af.audit.check(installation.af.store)).broken is None


async def test_marking_expires_links_and_page_sessions(open_installation: "Opener") -> None:
    installation = await open_installation()
    user = await installation.user()
    unopened = await enrollment_link(installation, user)
    browser = await open_link(installation, await enrollment_link(installation, user))
    await mark(installation)
    with pytest.raises(errors.LinkExpired):
        await open_link(installation, unopened)
    with pytest.raises(errors.LinkExpired):
        await browser.view()


async def test_marking_cancels_codes_that_wait_to_be_sent_but_no_notices(open_installation: "Opener") -> None:
    installation = await open_installation(base_url="http://127.0.0.1:8080")
    await set_sender(installation)
    await queue(installation)
    await queue(installation, "factor_added", user_id="user_1")
    await mark(installation)
    rows = installation.sql("SELECT kind, state FROM messages ORDER BY id")
    assert rows == [("magic_auth", "canceled"), ("factor_added", "pending")]
    assert installation.sql("SELECT count(*) FROM messages WHERE content IS NULL") == [(1,)]


async def test_marking_expires_set_up_links_of_operators(installation: "Installation") -> None:
    invited = await installation.af.run(installation.af.operators.invite("kim@example.org", "owner"))
    await mark(installation)
    rows = installation.sql(
        "SELECT count(*) FROM operator_links WHERE expires_at > ?", installation.clock.now
    )
    assert (bool(invited), rows) == (True, [(0,)])
