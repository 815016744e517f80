"""Set-up of operators: their row decides what a link makes of them, whatever happens at the same time."""

import asyncio

import msgspec
import pytest

from authfactor import errors
from authfactor.models import Enrollment, Operator, OperatorLink, Role
from authfactor.rules.console.operator_set_up import SetUpLinkRefused
from authfactor.rules.console.operator_sign_in import StartedSession
from authfactor.store import Tx
from authfactor.store.tables.operators import OperatorsTable
from tests.support.clock import DAY
from tests.support.installation import Installation
from tests.support.operators import (
    EMAIL,
    OperatorAccount,
    add_operator,
    assert_refused,
    begin_set_up,
    context_of,
    first_token,
    set_up,
    start_session,
)

RACES = 50


async def invite(
    installation: Installation, role: Role, email: str = "lee@example.org"
) -> tuple[Operator, str]:
    return await installation.af.run(installation.af.operators.invite(email, role))


async def find(installation: Installation, operator: Operator) -> Operator:
    return await installation.af.read(installation.af.operators.find(operator.id))


async def finish(
    installation: Installation, token: str, enrolled: Enrollment
) -> StartedSession | errors.AuthfactorError:
    """Finish a set-up and start the first session, as the page does; return the refusal, if any."""
    af = installation.af
    unit = af.operator_set_up.finish_set_up(token, installation.code(enrolled))
    try:
        started = await af.run(af.operator_sign_in.finish_set_up(unit, None, None))
    except errors.AuthfactorError as refusal:
        return refusal
    assert isinstance(started, StartedSession)
    return started


@pytest.mark.parametrize(("invited_as", "changed_to"), [("owner", "viewer"), ("viewer", "support")])
@pytest.mark.parametrize("begun", [False, True])
async def test_role_changed_since_the_invitation_counts(
    installation: Installation, kim: OperatorAccount, invited_as: Role, changed_to: Role, *, begun: bool
) -> None:
    invited, token = await invite(installation, invited_as)
    if begun:
        await begin_set_up(installation, token)
    await installation.af.run(installation.af.operators.change_role(invited.id, changed_to))
    shown = await installation.af.read(installation.af.operator_set_up.find_link(token))
    assert shown.operator is not None
    assert shown.operator.role == changed_to
    account = await set_up(installation, token)
    assert (account.operator.role, account.operator.state) == (changed_to, "active")


async def test_begun_set_up_of_a_disabled_operator_cannot_be_finished_or_begun_again(
    installation: Installation, kim: OperatorAccount
) -> None:
    invited, token = await invite(installation, "owner")
    enrolled = await begin_set_up(installation, token)
    await installation.af.run(installation.af.operators.disable(invited.id))
    assert isinstance(await finish(installation, token, enrolled), SetUpLinkRefused)
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, token)
    assert (await find(installation, invited)).state == "disabled"


@pytest.mark.parametrize("state", ["active", "disabled"])
async def test_link_of_an_operator_who_is_not_invited_is_refused_even_if_it_was_left_behind(
    installation: Installation, kim: OperatorAccount, state: str
) -> None:
    invited, token = await invite(installation, "owner")
    enrolled = await begin_set_up(installation, token)
    installation.sql("UPDATE operators SET state = ? WHERE id = ?", state, invited.id)
    assert isinstance(await finish(installation, token, enrolled), SetUpLinkRefused)
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, token)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.read(installation.af.operator_set_up.find_link(token))


async def test_link_whose_set_up_has_not_begun_cannot_be_finished(
    installation: Installation, kim: OperatorAccount
) -> None:
    _, token = await invite(installation, "owner")
    assert isinstance(await finish(installation, token, kim.enrolled), SetUpLinkRefused)


async def test_first_link_left_behind_ends_when_an_owner_can_sign_in(installation: Installation) -> None:
    token = await first_token(installation)
    [row] = installation.sql("SELECT token_hash, created_at, expires_at FROM operator_links")
    await set_up(installation, token)
    # As if a starting server had stored it while the first owner finished.
    installation.sql(
        "INSERT INTO operator_links (token_hash, operator_id, role, first, created_at, expires_at, used_at)"
        " VALUES (?, NULL, 'owner', 1, ?, ?, NULL)",
        b"left behind",
        *row[1:],
    )
    installation.sql("UPDATE operator_links SET token_hash = ? WHERE token_hash = ?", b"used", row[0])
    installation.sql("UPDATE operator_links SET token_hash = ? WHERE token_hash = ?", row[0], b"left behind")
    with pytest.raises(SetUpLinkRefused):
        await begin_set_up(installation, token, "second@example.org")


async def test_first_session_is_not_started_for_an_operator_who_is_no_longer_active(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    await installation.af.run(installation.af.operators.disable(lee.operator.id))
    challenge = await installation.enroll_alone()
    outcome = await installation.answer(challenge, installation.code(challenge))

    async def finished(_: Tx) -> object:
        return lee.operator, outcome

    with pytest.raises(errors.Unauthorized):
        await installation.af.run(
            installation.af.operator_sign_in.finish_set_up(finished, None, None)  # type: ignore[arg-type]  # what the unit returns
        )
    assert (await find(installation, lee.operator)).state == "disabled"
    assert installation.sql(
        "SELECT count(*) FROM operator_sessions WHERE operator_id = ?", lee.operator.id
    ) == [(0,)]


async def test_wrong_code_starts_no_session(installation: Installation, kim: OperatorAccount) -> None:
    invited, token = await invite(installation, "viewer")
    enrolled = await begin_set_up(installation, token)
    af = installation.af
    unit = af.operator_set_up.finish_set_up(token, installation.wrong(enrolled))
    outcome = await af.run(af.operator_sign_in.finish_set_up(unit, None, None))
    assert not isinstance(outcome, StartedSession)
    assert not outcome.valid
    assert (await find(installation, invited)).state == "invited"


async def test_operator_disabled_while_the_set_up_finishes_stays_disabled(
    installation: Installation, kim: OperatorAccount
) -> None:
    """Of each pair, either comes first, but no disabled operator is active or has a session afterwards."""
    af = installation.af
    begun = []
    for number in range(RACES):
        invited, token = await invite(installation, "owner", f"op{number}@example.org")
        email = f"op{number}@example.org"
        begun.append((invited, token, await begin_set_up(installation, token, email)))
    races = [
        asyncio.gather(finish(installation, token, enrolled), af.run(af.operators.disable(invited.id)))
        if number % 2
        else asyncio.gather(af.run(af.operators.disable(invited.id)), finish(installation, token, enrolled))
        for number, (invited, token, enrolled) in enumerate(begun)
    ]
    await asyncio.gather(*races)
    left = {item.id: item for item in await af.read(lambda tx: tx.operators.all())}
    assert {left[invited.id].state for invited, _, _ in begun} == {"disabled"}
    assert {left[invited.id].password_hash for invited, _, _ in begun} == {None}
    live = "SELECT count(*) FROM operator_sessions WHERE ended_at IS NULL"
    assert installation.sql(live) == [(0,)]
    assert await af.run(af.operators.first_link()) is None


async def test_operator_demoted_while_the_set_up_finishes_is_no_owner(
    installation: Installation, kim: OperatorAccount
) -> None:
    af = installation.af
    begun = []
    for number in range(RACES):
        email = f"op{number}@example.org"
        invited, token = await invite(installation, "owner", email)
        begun.append((invited, token, await begin_set_up(installation, token, email)))
    await asyncio.gather(
        *(finish(installation, token, enrolled) for _, token, enrolled in begun),
        *(af.run(af.operators.change_role(invited.id, "viewer")) for invited, _, _ in begun),
    )
    roles = {item.email: (item.role, item.state) for item in await af.read(lambda tx: tx.operators.all())}
    assert roles.pop(EMAIL) == ("owner", "active")
    assert set(roles.values()) == {("viewer", "active")}


async def test_one_of_many_concurrent_finishes_spends_the_link(
    installation: Installation, kim: OperatorAccount
) -> None:
    _, token = await invite(installation, "viewer")
    enrolled = await begin_set_up(installation, token)
    outcomes = await asyncio.gather(*(finish(installation, token, enrolled) for _ in range(RACES)))
    assert sum(isinstance(outcome, StartedSession) for outcome in outcomes) == 1


async def test_concurrent_starts_with_the_first_link_create_one_operator(installation: Installation) -> None:
    token = await first_token(installation)
    await asyncio.gather(
        *(begin_set_up(installation, token, f"op{number}@example.org") for number in range(8)),
        return_exceptions=True,
    )
    assert len(await installation.af.read(lambda tx: tx.operators.all())) == 1


async def test_first_link_that_another_request_has_just_bound_leads_to_its_operator(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await first_token(installation)
    await begin_set_up(installation, token)
    read = OperatorsTable.link_by_hash

    async def before_the_other(table: OperatorsTable, token_hash: bytes) -> OperatorLink | None:
        link = await read(table, token_hash)
        return None if link is None else msgspec.structs.replace(link, operator_id=None)

    monkeypatch.setattr(OperatorsTable, "link_by_hash", before_the_other)
    again = await begin_set_up(installation, token)
    assert isinstance(await finish(installation, token, again), StartedSession)
    assert len(await installation.af.read(lambda tx: tx.operators.all())) == 1


async def test_repeated_start_with_an_email_that_is_taken_keeps_the_earlier_factor(
    installation: Installation,
) -> None:
    token = await first_token(installation)
    enrolled = await begin_set_up(installation, token)
    await invite(installation, "viewer", "lee@example.org")
    with pytest.raises(errors.Conflict) as refusal:
        await begin_set_up(installation, token, "lee@example.org")
    assert refusal.value.code == "operator_exists"
    assert isinstance(await finish(installation, token, enrolled), StartedSession)


async def test_sole_owner_cannot_be_reset_away_but_from_the_command_line(
    installation: Installation, kim: OperatorAccount
) -> None:
    af = installation.af
    await add_operator(installation, role="support")
    with pytest.raises(errors.Conflict) as refusal:
        await af.run(af.operators.reset(kim.operator.id))
    assert refusal.value.code == "last_owner"
    assert isinstance(await start_session(installation, kim), StartedSession)
    # An administrator at the command line has the database anyway, and the owner may have lost the phone.
    _, token = await af.run(af.operators.reset(kim.operator.id, even_last_owner=True))
    assert (await set_up(installation, token)).operator.role == "owner"


async def test_concurrent_resets_leave_an_owner(installation: Installation, kim: OperatorAccount) -> None:
    af = installation.af
    owners = [kim, *[await add_operator(installation, f"op{number}@example.org") for number in range(5)]]
    results = await asyncio.gather(
        *(af.run(af.operators.reset(each.operator.id)) for each in owners), return_exceptions=True
    )
    assert sum(isinstance(result, errors.Conflict) for result in results) == 1
    assert sum(item.state == "active" for item in await af.read(lambda tx: tx.operators.all())) == 1


async def test_a_change_of_role_leaves_the_other_columns_alone(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    session = await start_session(installation, lee)
    before = await find(installation, lee.operator)
    changed = await installation.af.run(
        installation.af.operators.change_role(lee.operator.id, "support", if_updated_at=before.updated_at)
    )
    assert changed.updated_at > before.updated_at
    assert (changed.password_hash, changed.factor_id, changed.last_sign_in_at, changed.state) == (
        before.password_hash,
        before.factor_id,
        before.last_sign_in_at,
        "active",
    )
    assert await context_of(installation, session.token) is not None


async def test_change_of_role_from_an_older_version_is_refused(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    operators = installation.af.operators
    seen = (await find(installation, lee.operator)).updated_at
    await installation.af.run(operators.change_role(lee.operator.id, "support", if_updated_at=seen))
    # Not even when both happen within a millisecond.
    with pytest.raises(errors.Outdated):
        await installation.af.run(operators.change_role(lee.operator.id, "owner", if_updated_at=seen))
    assert (await find(installation, lee.operator)).role == "support"


async def test_sign_in_does_not_undo_a_change_of_the_operator(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    before = await find(installation, lee.operator)
    installation.clock.advance(DAY)
    await start_session(installation, lee)
    after = await find(installation, lee.operator)
    # Signing in is no change of the operator: a form that was open meanwhile is not outdated by it.
    assert after.updated_at == before.updated_at
    assert after.last_sign_in_at == installation.clock.now - 30_000


async def test_set_up_after_a_reset_keeps_the_new_role(
    installation: Installation, kim: OperatorAccount
) -> None:
    lee = await add_operator(installation)
    _, token = await installation.af.run(installation.af.operators.reset(lee.operator.id))
    await installation.af.run(installation.af.operators.change_role(lee.operator.id, "viewer"))
    assert (await set_up(installation, token)).operator.role == "viewer"
    await assert_refused(installation, lee)
