"""Flows: what pages keep in them, and what they get after another request has changed everything."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof, FlowRequest
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.hosted_sign_in.device_authorizations import read_user_code
from authfactor.rules.hosted_sign_in.flow_refusals import FlowCompleted, FlowExpired, FlowUnknown
from authfactor.rules.hosted_sign_in.proven_sessions import ProofVoid, SessionSource
from authfactor.rules.hosted_sign_in.sign_in_flows import LIFE_MS, OpenFlow, StartedFlow
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.wire.requests import Authenticate
from tests.support.installation import Installation, Opener

T = TypeVar("T")
REQUEST = FlowRequest("https://app.example.org/callback", login_hint="kim@example.org")


async def within(installation: Installation, step: Callable[[Scope], Awaitable[T]]) -> T:
    environment, clock = installation.environment, installation.clock

    async def unit(tx: Tx) -> T:
        return await step(Scope(tx, environment, clock.now))

    return await installation.af.run(unit)


async def start(installation: Installation) -> StartedFlow:
    return await within(installation, lambda scope: installation.af.sign_in_flows.start(scope, REQUEST))


async def load(installation: Installation, started: StartedFlow) -> OpenFlow:
    flows = installation.af.sign_in_flows
    return await installation.af.read(flows.load(started.flow.id, started.secret))


def proof_of(installation: Installation, user: UserRecord) -> AuthenticationProof:
    return AuthenticationProof(
        user.id, password_mark(user.password_hash), "password", "pwd", installation.clock.now
    )


async def test_steps_are_kept_in_the_flow(installation: Installation) -> None:
    flows, user = installation.af.sign_in_flows, await installation.user()
    started = await start(installation)
    opened = await load(installation, started)
    assert opened.sign_in_url is None
    assert opened.flow.email == "kim@example.org"
    first = await within(installation, lambda scope: flows.next_step(scope, opened))
    assert first.name == "first_factor"
    await within(installation, lambda scope: flows.set_email(scope, opened.flow, "lee@example.org"))
    enrolled = await installation.enroll(user)
    await installation.answer(enrolled, installation.code(enrolled))
    proven = await within(
        installation, lambda scope: flows.prove(scope, opened.flow, proof_of(installation, user))
    )
    await within(installation, lambda scope: flows.attach(scope, proven.flow, enrolled.factor.id, "c"))
    now = await load(installation, proven)
    assert (now.flow.email, now.flow.factor_id, now.flow.challenge_id) == (
        *("lee@example.org", enrolled.factor.id),
        "c",
    )
    assert now.user == user
    step = await within(installation, lambda scope: flows.next_step(scope, now))
    assert (step.name, step.step and step.step.factors[0].id) == ("mfa_challenge", enrolled.factor.id)


async def test_step_after_the_end_is_refused(installation: Installation) -> None:
    flows, user = installation.af.sign_in_flows, await installation.user()
    options = EnvironmentOptions(sign_in_url="https://app.example.org/sign-in")
    environments = installation.af.environments
    await installation.af.run(environments.update(installation.environment, options=options))
    started = await start(installation)
    flow, proof = started.flow, proof_of(installation, user)
    installation.clock.advance(LIFE_MS / 1000)
    with pytest.raises(FlowExpired) as expired:
        await load(installation, started)
    assert expired.value.sign_in_url == "https://app.example.org/sign-in"
    with pytest.raises(FlowExpired):
        await within(installation, lambda scope: flows.set_email(scope, flow, "x"))
    with pytest.raises(FlowExpired):
        await within(installation, lambda scope: flows.attach(scope, flow, None, None))
    with pytest.raises(FlowExpired):
        await within(installation, lambda scope: flows.prove(scope, flow, proof))
    with pytest.raises(FlowExpired):
        await within(installation, lambda scope: flows.complete(scope, flow, proof))


async def test_completed_flow_is_not_loaded(installation: Installation) -> None:
    flows, user = installation.af.sign_in_flows, await installation.user()
    started = await start(installation)
    proof = proof_of(installation, user)
    await within(installation, lambda scope: flows.complete(scope, started.flow, proof))
    with pytest.raises(FlowCompleted):
        await load(installation, started)
    with pytest.raises(FlowUnknown):
        await installation.af.read(flows.load(started.flow.id, "x"))


async def test_session_that_changed_meanwhile_does_not_go_on(installation: Installation) -> None:
    """The tokens that say what it is were signed before."""
    af, user = installation.af, await installation.user()
    proof = proof_of(installation, user)
    renewed = await within(installation, lambda scope: af.browser_sessions.authenticated(scope, None, proof))
    source = SessionSource(proof, renewed.session.id, "public", None, None)
    ready = await af.proven_sessions.prepare(
        af.store, installation.environment, source, installation.clock.now
    )
    await within(installation, lambda scope: af.proven_sessions.start(scope, ready))
    again = source._replace(continues=ready.prepared.session.id)
    installation.clock.advance(1)
    second = await af.proven_sessions.prepare(
        af.store, installation.environment, again, installation.clock.now
    )
    assert second.before is not None
    installation.sql("UPDATE sessions SET updated_at = updated_at + 1")
    with pytest.raises(errors.Unavailable):
        await within(installation, lambda scope: af.proven_sessions.start(scope, second))


async def test_proof_of_a_deleted_user_is_void(installation: Installation) -> None:
    af, user = installation.af, await installation.user()
    proof = proof_of(installation, user)
    renewed = await within(installation, lambda scope: af.browser_sessions.authenticated(scope, None, proof))
    source = SessionSource(proof, renewed.session.id, "public", None, None)
    ready = await af.proven_sessions.prepare(
        af.store, installation.environment, source, installation.clock.now
    )
    await af.run(af.users.delete(installation.environment, user.id))
    with pytest.raises(ProofVoid):
        await within(installation, lambda scope: af.proven_sessions.start(scope, ready))


async def test_code_deleted_between_reading_and_refusing_is_refused(installation: Installation) -> None:
    af = installation.af
    proof = proof_of(installation, await installation.user())
    request = msgspec.structs.replace(REQUEST, code_challenge="x" * 43)
    renewed = await within(installation, lambda scope: af.browser_sessions.authenticated(scope, None, proof))
    location = await within(
        installation, lambda scope: af.authorization_codes.issue(scope, request, proof, renewed.session)
    )
    body = Authenticate(code=location.rpartition("code=")[2], code_verifier="y" * 43)
    for statement in ("SELECT 1", "DELETE FROM authorization_codes"):
        unit = await af.code_redemption.prepare(af.store, installation.environment, body)
        installation.sql(statement)
        with pytest.raises(errors.OAuthRefused):
            await af.run(unit)


async def test_two_redemptions_prepared_at_once_give_one_session(installation: Installation) -> None:
    af = installation.af
    proof = proof_of(installation, await installation.user())
    renewed = await within(installation, lambda scope: af.browser_sessions.authenticated(scope, None, proof))
    location = await within(
        installation, lambda scope: af.authorization_codes.issue(scope, REQUEST, proof, renewed.session)
    )
    body = Authenticate(code=location.rpartition("code=")[2], client_secret="x")
    first, second = [
        await af.code_redemption.prepare(af.store, installation.environment, body) for _ in range(2)
    ]
    assert (await af.run(first)).user.id == proof.user_id
    with pytest.raises(errors.OAuthRefused):
        await af.run(second)


async def test_user_codes_that_are_all_in_use_are_not_given_twice(installation: Installation) -> None:
    devices = installation.af.device_authorizations
    code = await installation.af.run(devices.begin(installation.environment, None, None))
    stored = read_user_code(code.user_code)
    devices._new_user_code = lambda: stored  # type: ignore[method-assign]  # entropy that repeats
    with pytest.raises(errors.Unavailable):
        await installation.af.run(devices.begin(installation.environment, None, None))


async def test_device_code_used_between_reading_and_using_is_refused(installation: Installation) -> None:
    af, environment = installation.af, installation.environment
    proof = proof_of(installation, await installation.user())
    begun = await af.run(af.device_authorizations.begin(environment, None, None))
    found = await af.run(af.device_authorizations.find(begun.user_code, None))
    assert found is not None
    started = await within(
        installation, lambda scope: af.sign_in_flows.start(scope, REQUEST, device_id=found.device.id)
    )
    await within(installation, lambda scope: af.sign_in_flows.complete(scope, started.flow, proof))
    body = Authenticate(device_code=begun.device_code)
    first, second = [await af.device_authorizations.prepare(af.store, environment, body) for _ in range(2)]
    assert (await af.run(first)).user.id == proof.user_id
    with pytest.raises(errors.OAuthRefused):
        await af.run(second)


async def test_setting_seeds_nothing_without_the_first_environment(open_installation: Opener) -> None:
    opened: Installation = await open_installation()
    await opened.af.run(opened.af.redirect_uris.seed("client_unknown", ("https://app.example.org/",)))
    assert opened.sql("SELECT count(*) FROM redirect_uris") == [(0,)]
