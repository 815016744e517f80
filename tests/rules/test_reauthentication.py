"""Re-authentication of operators: a code in this session, on their own budget, once, for five minutes."""

import asyncio
from typing import get_args

import msgspec
import pytest

from authfactor import errors
from authfactor.models import OperatorContext, PageQuery
from authfactor.otp import totp
from authfactor.rules.console.operator_sign_in import StartedSession
from authfactor.rules.console.reauthentication import (
    RECENT_MILLISECONDS,
    ConfirmationRefused,
    ReauthenticationRequired,
    require_recent_authentication,
)
from authfactor.rules.console.roles import NEED_RECENT_AUTHENTICATION, Action, NotAllowed
from authfactor.store import Unit
from authfactor.store.sqlite.store import SqliteStore
from tests.support.clock import MINUTE
from tests.support.installation import Installation
from tests.support.operators import (
    OperatorAccount,
    add_operator,
    assert_refused,
    context_of,
    sign_in,
    start_session,
)

AT_ONCE = 50


async def confirm(installation: Installation, session: StartedSession, code: str, token: str = "") -> str:
    return await installation.af.run(
        installation.af.reauthentication.confirm(session.context, token or session.token, code)
    )


async def assert_wrong(installation: Installation, session: StartedSession, code: str) -> ConfirmationRefused:
    with pytest.raises(ConfirmationRefused) as refusal:
        await confirm(installation, session, code)
    return refusal.value


def invite(
    installation: Installation, context: OperatorContext, *, action: Action = "operator.invite"
) -> Unit[object]:
    """Prepare an action of an operator that needs a recent code."""
    return installation.af.console_actions.act(
        context,
        action,
        installation.af.operators.invite("new@example.org", "viewer"),
        target="new",
        reason="x",
    )


async def emails(installation: Installation) -> list[str]:
    return [item.email for item in await installation.af.read(lambda tx: tx.operators.all())]


@pytest.mark.parametrize(
    ("at", "recent"),
    [(0, True), (1, True), (RECENT_MILLISECONDS - 1, True), (RECENT_MILLISECONDS, False), (-1, False)],
)
async def test_second_factor_counts_for_five_minutes(
    installation: Installation, kim: OperatorAccount, at: int, *, recent: bool
) -> None:
    session = (await start_session(installation, kim)).context.session
    assert session.authenticated_at is not None
    if recent:
        require_recent_authentication(session, session.authenticated_at + at)
    else:
        with pytest.raises(ReauthenticationRequired):
            require_recent_authentication(session, session.authenticated_at + at)


async def test_session_without_a_time_needs_a_code(installation: Installation, kim: OperatorAccount) -> None:
    session = (await start_session(installation, kim)).context.session
    with pytest.raises(ReauthenticationRequired):
        require_recent_authentication(
            msgspec.structs.replace(session, authenticated_at=None), session.created_at
        )


async def test_confirmation_replaces_the_token_and_keeps_the_session(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    installation.clock.advance(10 * MINUTE)
    token = await confirm(installation, started, installation.code(kim.enrolled))
    assert await context_of(installation, started.token) is None
    context = await context_of(installation, token)
    assert context is not None
    assert context.session.id == started.context.session.id
    assert context.session.authenticated_at == installation.clock.now
    assert token.encode() not in installation.files()


async def test_one_of_many_concurrent_confirmations_gets_the_session(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    code = installation.code(kim.enrolled)
    results = await asyncio.gather(
        *(confirm(installation, started, code) for _ in range(AT_ONCE)), return_exceptions=True
    )
    tokens = [result for result in results if isinstance(result, str)]
    assert len(tokens) == 1
    assert await context_of(installation, tokens[0]) is not None
    # A form that was sent twice is no guess.
    assert all(isinstance(result, errors.Unauthorized) for result in results if not isinstance(result, str))
    assert installation.sql("SELECT count(*) FROM failures") == [(0,)]


async def test_code_is_accepted_once_across_sign_in_and_confirmation(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    code = installation.code(kim.enrolled)
    await confirm(installation, started, code)
    device = started.device
    await assert_refused(installation, kim, "one_time_code_previously_used", code=code, device=device)


@pytest.mark.parametrize(
    ("steps", "text"),
    [(None, "This code is wrong."), (-1, "This code was used before."), (-5, "This code is old.")],
)
async def test_refused_code_says_why_and_leaves_the_session_as_it_was(
    installation: Installation, kim: OperatorAccount, steps: int | None, text: str
) -> None:
    installation.clock.advance(10 * MINUTE)
    started = await start_session(installation, kim)
    code = installation.wrong(kim.enrolled) if steps is None else installation.code(kim.enrolled, steps)
    refusal = await assert_wrong(installation, started, code)
    assert refusal.message.startswith(text)
    assert (refusal.code, refusal.session_ended) == ("confirmation_refused", False)
    context = await context_of(installation, started.token)
    assert context is not None
    assert context.session.authenticated_at == started.context.session.authenticated_at


async def test_what_cannot_be_a_code_is_neither_counted_nor_audited_at_a_confirmation(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    installation.clock.advance(30)
    entries = installation.sql("SELECT count(*) FROM audit")
    for malformed in ("", "12345", "abcdef") * 5:
        refusal = await assert_wrong(installation, started, malformed)
        assert (refusal.message, refusal.session_ended) == (
            "A code is six digits. Enter the current one.",
            False,
        )
    assert installation.sql("SELECT count(*) FROM audit") == entries
    assert await confirm(installation, started, installation.code(kim.enrolled))


async def test_wrong_confirmations_count_with_the_sign_ins_and_the_lock_ends_the_session(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    wrong = installation.wrong(kim.enrolled)
    for _ in range(4):
        await assert_refused(installation, kim, code=wrong)
    for number in range(6):
        assert await context_of(installation, started.token) is not None
        assert (await assert_wrong(installation, started, wrong)).session_ended == (number == 5)
    assert await context_of(installation, started.token) is None
    with pytest.raises(errors.TooManyAttempts):
        await sign_in(installation, kim, device=started.device)
    listed = (await installation.af.read(installation.af.audit.page(PageQuery(limit=50)))).items
    actions = [item.action for item in listed]
    assert actions.count("operator.confirmation_refused") == 6
    assert actions.count("operator.locked") == 1


async def test_confirmation_under_a_lock_is_refused_without_ending_the_session(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    for _ in range(10):
        await assert_refused(installation, kim, code=installation.wrong(kim.enrolled))
    with pytest.raises(errors.TooManyAttempts):
        await confirm(installation, started, installation.code(kim.enrolled))
    assert await context_of(installation, started.token) is not None


@pytest.mark.parametrize("change", ["sign out", "disable", "expire"])
async def test_code_in_a_session_that_has_ended_is_refused_and_not_spent(
    installation: Installation, kim: OperatorAccount, change: str
) -> None:
    lee = await add_operator(installation)
    started = await start_session(installation, lee)
    af = installation.af
    if change == "sign out":
        await af.run(af.operator_sign_in.sign_out(started.token))
    elif change == "disable":
        await af.run(af.operators.disable(lee.operator.id))
    else:
        installation.clock.advance(12 * 60 * MINUTE)
    code = installation.code(lee.enrolled)
    with pytest.raises(errors.Unauthorized):
        await confirm(installation, started, code)
    if change != "disable":
        again = await start_session(installation, lee)
        assert again.context.operator.id == lee.operator.id


async def test_code_with_another_sessions_token_is_not_spent(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    lee = await add_operator(installation)
    other = (await start_session(installation, lee)).token
    code = installation.code(kim.enrolled)
    for token in ("A" * 43, other):
        with pytest.raises(errors.Unauthorized):
            await confirm(installation, started, code, token=token)
    assert await context_of(installation, other) is not None
    assert await confirm(installation, started, code)


async def test_session_that_ends_while_the_code_is_checked_is_not_renewed_and_the_code_not_spent(
    installation: Installation, kim: OperatorAccount
) -> None:
    if not isinstance(installation.af.store, SqliteStore):
        pytest.skip("the trigger that stands for the other process is written for SQLite")
    started = await start_session(installation, kim)
    code = installation.code(kim.enrolled)
    installation.sql(
        "CREATE TRIGGER sign_out AFTER UPDATE ON factors BEGIN UPDATE operator_sessions SET ended_at = 1; END"
    )
    with pytest.raises(errors.Unauthorized):
        await confirm(installation, started, code)
    installation.sql("DROP TRIGGER sign_out")
    # Rolled back, sign-out and all.
    assert await confirm(installation, started, code)


async def test_operator_without_a_factor_cannot_confirm(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    installation.sql("DELETE FROM factors WHERE environment = 0")
    await assert_wrong(installation, started, "123456")


def test_actions_that_change_who_can_sign_in_need_a_recent_code() -> None:
    dangerous = {name for name in get_args(Action) if name.startswith(("factor.", "operator."))}
    dangerous -= {"factor.rename"}
    own = {"operator_passkey.create", "operator_passkey.delete"}
    others = {"api_key.create", "link.create", "user.set_mfa_policy", "redirect_uri.create", "sender.set"}
    assert dangerous | own | others == NEED_RECENT_AUTHENTICATION


@pytest.mark.parametrize("action", sorted(NEED_RECENT_AUTHENTICATION))
async def test_action_prepared_with_an_old_code_is_refused(
    installation: Installation, kim: OperatorAccount, action: Action
) -> None:
    context = (await start_session(installation, kim)).context
    installation.clock.advance(5 * MINUTE)
    with pytest.raises(ReauthenticationRequired):
        invite(installation, context, action=action)


async def test_rules_look_at_the_stored_session_and_not_at_the_callers_copy(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    installation.clock.advance(5 * MINUTE)
    session = msgspec.structs.replace(started.context.session, authenticated_at=installation.clock.now)
    forged = invite(installation, msgspec.structs.replace(started.context, session=session))
    with pytest.raises(ReauthenticationRequired):
        await installation.af.run(forged)
    assert "new@example.org" not in await emails(installation)


async def test_action_of_a_session_that_has_just_ended_is_refused(
    installation: Installation, kim: OperatorAccount
) -> None:
    started = await start_session(installation, kim)
    unit = invite(installation, started.context)
    await installation.af.run(installation.af.operator_sign_in.sign_out(started.token))
    with pytest.raises(errors.Unauthorized):
        await installation.af.run(unit)
    assert "new@example.org" not in await emails(installation)


async def test_owners_who_disable_each_other_at_once_do_not_both_succeed(
    installation: Installation, kim: OperatorAccount
) -> None:
    """The owner who is disabled first can act no more: their action comes before that or not at all."""
    af = installation.af
    for number in range(10):
        pair = [await add_operator(installation, f"{name}{number}@example.org") for name in ("a", "b")]
        contexts = [(await start_session(installation, each)).context for each in pair]
        units = [
            af.console_actions.act(
                context,
                "operator.disable",
                af.operators.disable(other.operator.id),
                target=other.operator.id,
                reason="x",
            )
            for context, other in zip(contexts, reversed(pair), strict=True)
        ]
        results = await asyncio.gather(*(af.run(unit) for unit in units), return_exceptions=True)
        refused = [result for result in results if isinstance(result, NotAllowed | errors.Unauthorized)]
        assert len(refused) == 1, results
        installation.clock.advance(totp.PERIOD_SECONDS)
