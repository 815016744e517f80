"""Audit entries of refused console sign-ins: each kind leaves some, and no stranger can fill the disk."""

import pytest

from authfactor import errors
from authfactor.models import AuditEntry, PageQuery
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.console.operator_sign_in import SignInForm
from authfactor.rules.console.refused_attempts import BURST, INTERVAL, STRANGERS_BURST
from tests.support.clock import DAY
from tests.support.installation import Installation, Opener
from tests.support.operators import (
    EMAIL,
    PASSWORD,
    OperatorAccount,
    add_operator,
    assert_refused,
    first_token,
    set_up,
)

UNLIMITED = 1_000_000


async def refused(installation: Installation) -> list[AuditEntry]:
    rows = await installation.af.read(
        lambda tx: tx.db.all("SELECT id FROM audit WHERE action = 'operator.sign_in_refused' ORDER BY id")
    )
    entries = [await installation.af.read(lambda tx, row=row: tx.audit.by_id(row[0])) for row in rows]  # type: ignore[misc]  # bound per row
    return [entry for entry in entries if entry is not None]


async def guess(installation: Installation, email: str, address: str, password: str = "wrong") -> None:
    origin = Origin("request", address)
    form = SignInForm(email=email, password=password, code="000000", ip_address=address, origin=origin)
    with pytest.raises(errors.SignInRefused):
        await installation.af.run(
            await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, form)
        )


async def test_wrong_password_and_wrong_code_leave_entries_that_say_which(
    installation: Installation, kim: OperatorAccount
) -> None:
    await guess(installation, EMAIL, "203.0.113.7")
    await guess(installation, EMAIL, "203.0.113.7", PASSWORD)
    entries = await refused(installation)
    assert [entry.reason for entry in entries] == ["wrong password", "right password, wrong code"]
    assert {(entry.actor, entry.target, entry.address, entry.request_id) for entry in entries} == {
        (EMAIL, kim.operator.id, "203.0.113.7", "request")
    }


async def test_unknown_email_leaves_an_entry_without_what_was_typed(
    installation: Installation, kim: OperatorAccount
) -> None:
    await guess(installation, "typed my password here", "203.0.113.7")
    [entry] = await refused(installation)
    assert (entry.actor_kind, entry.actor, entry.target) == ("server", "server", "unknown")
    assert b"typed my password here" not in installation.files()


@pytest.fixture
async def unlocked(open_installation: Opener) -> Installation:
    """Open an installation in which wrong guesses never lock, so that only the slots bound the entries."""
    opened: Installation = await open_installation(
        lock_after=UNLIMITED,
        failures_per_day=UNLIMITED,
        doubling_after=UNLIMITED,
        failures_per_month=UNLIMITED,
    )
    return opened


async def test_wrong_passwords_of_an_operator_leave_few_entries(unlocked: Installation) -> None:
    kim = await set_up(unlocked, await first_token(unlocked))
    for number in range(BURST + 15):
        await guess(unlocked, EMAIL, f"203.0.113.{number}")
    assert len(await refused(unlocked)) == BURST
    # A wrong code after the right password is worth knowing, whatever noise there was before.
    await assert_refused(unlocked, kim, code=unlocked.wrong(kim.enrolled))
    assert [entry.reason for entry in await refused(unlocked)][BURST:] == ["right password, wrong code"]
    unlocked.clock.advance(INTERVAL / 1000)
    for _ in range(5):
        await guess(unlocked, EMAIL, "203.0.113.7")
    assert len(await refused(unlocked)) == BURST + 2


async def test_each_operator_has_slots_of_their_own(unlocked: Installation) -> None:
    await set_up(unlocked, await first_token(unlocked))
    await add_operator(unlocked, "lee@example.org")
    for number in range(BURST + 1):
        await guess(unlocked, EMAIL, f"203.0.113.{number}")
    await guess(unlocked, "lee@example.org", "203.0.113.7")
    assert [entry.actor for entry in await refused(unlocked)][BURST:] == ["lee@example.org"]


async def test_unknown_emails_of_one_network_leave_few_entries(unlocked: Installation) -> None:
    for number in range(BURST + 15):
        await guess(unlocked, f"{number}@example.org", f"2001:db8::{number}")
        # As often as the network's pace allows.
        unlocked.clock.advance(30)
    assert len(await refused(unlocked)) == BURST
    await guess(unlocked, "x@example.org", "2001:db8:0:1::1")
    assert len(await refused(unlocked)) == BURST + 1


async def test_unknown_emails_from_everywhere_leave_few_entries(unlocked: Installation) -> None:
    for number in range(STRANGERS_BURST + 20):
        await guess(unlocked, f"{number}@example.org", f"198.51.{number}.1")
    assert len(await refused(unlocked)) == STRANGERS_BURST


async def test_slots_do_not_outlive_their_time(unlocked: Installation) -> None:
    await guess(unlocked, "x@example.org", "203.0.113.7")
    unlocked.clock.advance(DAY)
    await unlocked.af.retention.run(unlocked.af.store)
    assert unlocked.sql("SELECT count(*) FROM throttles WHERE environment = 0") == [(0,)]


async def test_log_with_refused_attempts_verifies(installation: Installation, kim: OperatorAccount) -> None:
    await guess(installation, EMAIL, "203.0.113.7")
    await guess(installation, "x@example.org", "203.0.113.7")
    assert (await installation.af.audit.check(installation.af.store)).broken is None
    page = await installation.af.read(installation.af.audit.page(PageQuery()))
    assert len(page.items) >= 2
