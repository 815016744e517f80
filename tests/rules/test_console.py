"""The console: operators who change meanwhile are refused; reasons; the dashboard's caches."""

import pytest

from authfactor import errors
from authfactor.models import OperatorContext
from authfactor.rules.console import dashboard_counts, roles
from authfactor.rules.console.dashboard_counts import CACHE_TTL_MS
from authfactor.rules.console.operator_set_up import SetUpLinkRefused
from authfactor.rules.console.operator_sign_in import SignInForm
from authfactor.store import Tx
from authfactor.store.tables.operators import OperatorsTable
from tests.support.installation import Installation
from tests.support.operators import EMAIL, PASSWORD, OperatorAccount, begin_set_up, first_token, start_session


async def context(installation: Installation, account: OperatorAccount) -> OperatorContext:
    form = SignInForm(
        email=account.operator.email, password=PASSWORD, code=installation.code(account.enrolled)
    )
    started = await installation.af.run(
        await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, form)
    )
    found = await installation.af.operator_sign_in.context_of(installation.af.store, started.token)
    assert found is not None
    return found


async def nothing(_: Tx) -> None:
    """Do nothing."""


@pytest.mark.parametrize(("email", "role"), [("no email", "owner"), ("lee@example.org", "king")])
async def test_invalid_invitation_is_refused(installation: Installation, email: str, role: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        installation.af.operators.invite(email, role)  # type: ignore[arg-type]  # an unknown role


async def test_unknown_operator_is_not_found(installation: Installation) -> None:
    operators = installation.af.operators
    for unit in (operators.find("none"), operators.disable("none"), operators.change_role("none", "viewer")):
        with pytest.raises(errors.NotFound):
            await installation.af.run(unit)


async def test_email_taken_during_a_set_up_is_refused(installation: Installation) -> None:
    token = await first_token(installation)
    unit = await installation.af.operator_set_up.prepare_set_up(installation.af.store, token, EMAIL, PASSWORD)
    await installation.af.run(installation.af.operators.invite(EMAIL, "viewer"))

    with pytest.raises(errors.Conflict) as refused:
        await installation.af.run(unit)
    assert refused.value.code == "operator_exists"
    assert installation.sql("SELECT count(*) FROM factors") == [(0,)]


async def test_set_up_cannot_finish_before_it_began(installation: Installation) -> None:
    token = await first_token(installation)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operator_set_up.finish_set_up(token, "000000"))


async def test_set_up_cannot_finish_without_its_factor(installation: Installation) -> None:
    token = await first_token(installation)
    enrolled = await begin_set_up(installation, token)
    code = installation.code(enrolled)
    installation.sql("DELETE FROM factors")

    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operator_set_up.finish_set_up(token, code))


async def test_set_up_link_spent_meanwhile_activates_no_operator(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await first_token(installation)
    code = installation.code(await begin_set_up(installation, token))

    async def lost(*_: object) -> bool:
        return False

    monkeypatch.setattr(OperatorsTable, "spend_link", lost)
    with pytest.raises(SetUpLinkRefused):
        await installation.af.run(installation.af.operator_set_up.finish_set_up(token, code))
    assert (await installation.af.read(installation.af.operators.find(EMAIL))).state == "invited"


async def test_deleted_factor_admits_no_operator(installation: Installation, kim: OperatorAccount) -> None:
    installation.sql("DELETE FROM factors")
    with pytest.raises(errors.SignInRefused) as refused:
        await context(installation, kim)
    assert refused.value.code == "invalid_credentials"


async def test_old_code_is_reported_as_clock_drift(installation: Installation, kim: OperatorAccount) -> None:
    device = (await start_session(installation, kim)).device
    old = installation.code(kim.enrolled, -5)
    form = SignInForm(email=EMAIL, password=PASSWORD, code=old, device=device)
    with pytest.raises(errors.SignInRefused, match="sets its clock automatically") as refused:
        await installation.af.run(
            await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, form)
        )
    assert refused.value.code == "invalid_one_time_code"


async def test_operator_changed_after_the_hash_was_compared_has_to_try_again(
    installation: Installation, kim: OperatorAccount
) -> None:
    form = SignInForm(email=EMAIL, password=PASSWORD, code=installation.code(kim.enrolled))
    unit = await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, form)
    installation.sql("UPDATE operators SET password_hash = 'another'")

    with pytest.raises(errors.Unavailable, match="just been changed"):
        await installation.af.run(unit)


async def test_deleted_operator_cannot_act(installation: Installation, kim: OperatorAccount) -> None:
    act = installation.af.console_actions.act(
        await context(installation, kim), "environment.create", nothing, target="environment_1"
    )
    installation.sql("DELETE FROM operators")

    with pytest.raises(errors.Unauthorized):
        await installation.af.run(act)


def test_reason_is_required_for_what_takes_something_away_and_bounded() -> None:
    assert roles.check_reason("user.delete", "  asked\0 by\n mail ") == "asked by mail"
    assert roles.check_reason("environment.create", " ") is None
    for reason, code in ((" ", "reason_required"), ("x" * (roles.MAX_REASON + 1), "reason_too_long")):
        with pytest.raises(errors.InvalidRequest) as refused:
            roles.check_reason("user.delete", reason)
        assert [item.code for item in refused.value.items] == [code]


async def test_counts_are_cached_for_seconds(installation: Installation) -> None:
    dashboard, store, environment = installation.af.dashboard, installation.af.store, installation.environment
    await installation.user()
    first = await dashboard.counts(store, environment, "day")
    assert (first.users, first.total("users")) == (1, 1)
    await installation.user()
    assert await dashboard.counts(store, environment, "day") is first

    installation.clock.advance(CACHE_TTL_MS / 1000)
    assert (await dashboard.counts(store, environment, "day")).users == 2


async def test_full_cache_of_past_buckets_is_cleared_and_counts_stay_right(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_counts, "MAX_CACHED", 10)
    dashboard, store, environment = installation.af.dashboard, installation.af.store, installation.environment
    await installation.user()
    counts = []
    for _ in range(3):
        installation.clock.advance(3600)
        counts.append((await dashboard.counts(store, environment, "day")).total("users"))
    assert counts == [1, 1, 1]
