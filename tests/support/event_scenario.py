"""One event of every kind, caused by real calls; its ids do not depend on entropy."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.email_errors import MailedCodeRefused
from authfactor.factor_files.entries import FactorEntry
from authfactor.models import Enrollment, Environment, EnvironmentOptions, PageQuery, UserRecord
from authfactor.models.messages import MessageKind, SendOutcome
from authfactor.otp.totp import STANDARD
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventQuery
from authfactor.rules.factors.imports import Owner, WantedFactor
from authfactor.rules.factors.recovery_codes import LOW
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.testing.software_authenticator import Behavior
from authfactor.wire import events as wire_events
from authfactor.wire import responses, timestamps
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.invitations import CreateInvitation
from authfactor.wire.links import CreateEnrollmentLink
from authfactor.wire.mfa_policies import SetMfaPolicy, SetUserMfaPolicy
from authfactor.wire.requests import Authenticate, EnrollUserFactor, RenameFactor, UpdateUser
from authfactor.wire.senders import SetMailSender, SetSmtp
from authfactor.wire.session_checks import ChallengeSession
from authfactor.wire.trusted_devices import CreateTrustedDevice
from authfactor.wire.webhooks import CreateWebhookEndpoint
from tests.support.clock import FakeClock
from tests.support.installation import Installation
from tests.support.passkey_users import authenticator

PASSWORD: Final = "seven green bottles"
EMAIL: Final = "kim@example.org"
BROWSER: Final = {"ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"}
START: Final = 1_793_178_000_000
"""Milliseconds since the epoch: 2026-10-28 09:00 UTC, the beginning of a TOTP step."""
ID: Final = re.compile(r"\b([a-z][a-z_]*_)[0-9A-HJKMNP-TV-Z]{26}\b")
WRONG_CODES: Final = 10


def event_names() -> list[str]:
    """Return the names of all events, in the order of their definition."""
    return [value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str)]


async def recorded(folder: Path) -> dict[str, Any]:
    """Cause every event on a new database; return the first of each name as applications get it."""
    async with _installation(folder) as installation:
        await _cause_all(installation)
        names = tuple(event_names())
        query = EventQuery(names, PageQuery(limit=100, order="asc"))
        read = installation.af.read
        page = await read(installation.af.events.page(installation.environment, query))
        records = [*page.items]
        while page.after:
            query = EventQuery(names, PageQuery(limit=100, order="asc", after=page.after))
            page = await read(installation.af.events.page(installation.environment, query))
            records += page.items
    first: dict[str, Any] = {}
    for record in records:
        first.setdefault(record.name, msgspec.json.decode(responses.encode(wire_events.event(record))))
    text = msgspec.json.encode({name: first[name] for name in names if name in first}).decode()
    result: dict[str, Any] = msgspec.json.decode(_renumbered(text))
    return result


def _renumbered(text: str) -> str:
    """Replace the random part of each id by its number in the order of appearance."""
    numbers: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        return numbers.setdefault(match.group(), f"{match.group(1)}01K8N2P5Q0{len(numbers) + 1:016}")

    return ID.sub(replaced, text)


@asynccontextmanager
async def _installation(folder: Path) -> AsyncIterator[Installation]:
    clock = FakeClock(START)
    settings = Settings(data=folder, team_name="Acme", base_url="https://mfa.example.org")
    af = await Authfactor.open(settings, clock=clock, profile=passwords.CHEAPEST)
    try:
        environment = await af.read(lambda tx: tx.environments.by_number(1))
        assert environment is not None
        yield Installation(af, clock, environment, environment)
    finally:
        await af.close()


async def _mail(installation: Installation) -> None:
    """Verify an email, sign in by a magic code, reset a password, and invite."""
    af, environment, flows = installation.af, installation.environment, installation.af.email_flows
    user = await installation.user("lee@example.org", password=PASSWORD)
    await af.run(flows.email_verifications.send(environment, user.id))
    current = await af.read(
        lambda tx: tx.mailed_codes.current(environment.number, user.id, "email_verification")
    )
    assert current is not None
    mailed = await af.read(flows.email_verifications.get(environment, current.id))
    wrong = f"{(int(mailed.code) + 1) % 10**6:06d}"
    with contextlib.suppress(MailedCodeRefused):
        await af.run(flows.email_verifications.confirm(environment, user.id, wrong))
    await af.run(flows.email_verifications.confirm(environment, user.id, mailed.code))
    made = await af.run(flows.magic_auth.create(environment, user.email))
    for code in (f"{(int(made.code) + 1) % 10**6:06d}", made.code):
        request = Authenticate(email=user.email, code=code, **BROWSER)
        with contextlib.suppress(errors.SignInRefused):
            await af.run(await flows.magic_sign_in.prepare(af.store, environment, request))
    reset = await af.run(flows.password_resets.create(environment, user.email))
    await af.run(
        await flows.password_resets.prepare_confirm(af.store, environment, reset.token, "eight green bottles")
    )
    invited = await af.run(flows.invitations.create(environment, CreateInvitation(email="pat@example.org")))
    await af.run(flows.invitations.resend(environment, invited.record.id))
    await installation.user("pat@example.org")
    await af.run(flows.invitations.accept(environment, invited.record.id))
    other = await af.run(flows.invitations.create(environment, CreateInvitation(email="sam@example.org")))
    await af.run(flows.invitations.revoke(environment, other.record.id))


async def _cause_all(installation: Installation) -> None:
    af, environment = installation.af, installation.environment
    user = await installation.user(EMAIL, password=PASSWORD, first_name="Kim", last_name="Lee")
    change = await af.users.prepare_update(environment, user.id, UpdateUser(last_name="Park"))
    await af.run(change)

    enrolled = await installation.enroll(user)
    code = installation.code(enrolled)
    assert (await installation.answer(enrolled, code)).valid
    await _refused_code(installation, enrolled, code)
    await af.run(af.factors.rename(environment, enrolled.factor.id, RenameFactor(name="Work phone")))

    installation.clock.advance(30)
    await _sign_in(installation, user, enrolled)
    sessions = await af.read(af.sessions.page(environment, user.id, PageQuery(limit=1, order="asc")))
    installation.clock.advance(30)
    asked = af.session_checks.challenge(environment, sessions.items[0].id, ChallengeSession())
    assert (await installation.verify(await af.run(asked), installation.code(enrolled))).valid
    await af.run(af.sessions.revoke(environment, sessions.items[0].id))
    await _trust_devices(installation, user, enrolled)
    await _use_passkey(installation)
    await _mail(installation)
    await _open_link(installation, user)
    codes = await af.run(af.recovery_codes.create(environment, user.id))
    for recovery_code in codes.codes[LOW:]:
        assert (await installation.answer(enrolled, recovery_code)).valid

    pair = ResyncFactor([installation.code(enrolled, step) for step in (3, 4)])
    await af.run(af.clock_resync.resync(environment, enrolled.factor.id, pair))
    owned = WantedFactor(
        Owner("id", user.id), FactorEntry("line 1", bytes(range(20)), STANDARD, "Acme", EMAIL)
    )
    await af.run(af.imports.run(environment, [owned]))
    await _require(installation)
    for _ in range(WRONG_CODES):
        await _refused_code(installation, enrolled, installation.wrong(enrolled))
    assert await af.run(af.users.unlock(environment, user.id))

    await _send_messages(installation, user)
    endpoint = CreateWebhookEndpoint("https://app.example.org/webhooks", ["user.created"])
    made = await af.run(af.webhooks.create(environment, endpoint))
    await af.run(af.deliveries.ping(environment, made.id))
    await af.run(af.factors.delete(environment, enrolled.factor.id))
    await af.run(af.users.delete(environment, user.id))


async def _send_messages(installation: Installation, user: UserRecord) -> None:
    """Send one message, and give up another one."""
    af = installation.af
    sender = SetMailSender(kind="smtp", from_address="no-reply@example.org", smtp=SetSmtp("mail.example.org"))
    await af.run(af.senders.set(installation.environment, sender))
    environment = await af.read(lambda tx: tx.environments.by_number(1))
    assert environment is not None
    kinds: tuple[MessageKind, ...] = "magic_auth", "password_reset"
    for kind in kinds:
        await af.run(_queued(installation, environment, kind, user))
    outcomes = SendOutcome(None), SendOutcome("the server refused the address (550)", final=True)
    for claimed, outcome in zip(await af.run(af.messages.claim(0, {}, 2)), outcomes, strict=True):
        await af.run(af.messages.settle(claimed, outcome))
    await af.run(af.senders.delete(environment))


def _queued(
    installation: Installation,
    environment: Environment,
    kind: MessageKind,
    user: UserRecord,
) -> Unit[bool]:
    now, queue = installation.clock.now, installation.af.messages.queue
    return lambda tx: queue(Scope(tx, environment, now), kind, to=user.email, user_id=user.id)


async def _require(installation: Installation) -> None:
    """Require a factor of all users: one user is exempt, another enrolls in grace."""
    af = installation.af
    robot, late = await installation.user("robot@example.org"), await installation.user(password=PASSWORD)
    until = timestamps.format_ms(installation.clock.now + 30 * 24 * 3600 * 1000)
    exemption = SetUserMfaPolicy(policy="exempt", until=until, reason="Nightly export")
    await af.run(af.mfa_policies.set_for_user(installation.environment, robot.id, exemption))
    required = SetMfaPolicy(policy="required", grace_days=14)
    environment = await af.run(af.mfa_policies.set(installation.environment, required))
    right = Authenticate(email=late.email, password=PASSWORD, **BROWSER)
    signed_in = await af.run(await af.sign_in.prepare_password(af.store, environment, right))
    assert signed_in.mfa_deadline
    enrollment = EnrollUserFactor(type="totp")
    enrolled = await af.run(af.factors.enroll(environment, late.id, enrollment))
    assert enrolled.challenge
    code = installation.code(enrolled)
    assert (await af.run(af.challenges.verify(environment, enrolled.challenge.id, code))).valid


async def _refused_code(installation: Installation, enrolled: Enrollment, code: str) -> None:
    try:
        assert not (await installation.answer(enrolled, code)).valid
    except errors.TooManyAttempts:
        return


async def _sign_in(installation: Installation, user: UserRecord, enrolled: Enrollment) -> None:
    """Sign in with a wrong password, the right one, a wrong code, and the right one."""
    af, environment = installation.af, installation.environment
    wrong = Authenticate(email=user.email, password="eight green bottles", **BROWSER)
    try:
        await af.run(await af.sign_in.prepare_password(af.store, environment, wrong))
    except errors.SignInRefused as refused:
        assert refused.code == "invalid_credentials"  # noqa: PT017 - not in a test
    right = Authenticate(email=user.email, password=PASSWORD, **BROWSER)
    step_up: errors.StepUpRequired | None = None
    try:
        await af.run(await af.sign_in.prepare_password(af.store, environment, right))
    except errors.StepUpRequired as required:
        step_up = required
    assert step_up is not None
    assert step_up.challenge is not None

    def second(code: str) -> Authenticate:
        assert step_up is not None
        assert step_up.challenge is not None
        return Authenticate(
            code=code,
            pending_authentication_token=step_up.pending_token,
            authentication_challenge_id=step_up.challenge.id,
            **BROWSER,
        )

    try:
        wrong_code = second(installation.wrong(enrolled))
        await af.run(await af.second_step.prepare(af.store, environment, wrong_code))
    except errors.SignInRefused as refused:
        assert refused.code == "invalid_one_time_code"  # noqa: PT017 - not in a test
    await af.run(await af.second_step.prepare(af.store, environment, second(installation.code(enrolled))))


async def _trust_devices(installation: Installation, user: UserRecord, enrolled: Enrollment) -> None:
    """Have two devices trusted: one is used and its first token sent again later, the other is revoked."""
    af = installation.af
    options = EnvironmentOptions(trusted_devices="allowed")
    environment = await af.run(af.environments.update(installation.environment, options=options))
    installation.environment = environment
    made = []
    for _ in range(2):
        installation.clock.advance(30)
        await _finish_sign_in(installation, user, installation.code(enrolled))
        page = await af.read(af.sessions.page(environment, user.id, PageQuery(limit=1)))
        request = CreateTrustedDevice(session_id=page.items[0].id)
        made.append(await af.run(af.trusted_devices.create(environment, request)))
    used, revoked = made
    await _finish_sign_in(installation, user, used.token)
    await af.run(af.trusted_devices.revoke(environment, user.id, revoked.device.id))
    installation.clock.advance(61)
    try:
        await af.run(af.trusted_devices.rotate(environment, used.token))
    except errors.SignInRefused as refused:
        assert refused.reason == "device_not_trusted"  # noqa: PT017 - not in a test


async def _finish_sign_in(installation: Installation, user: UserRecord, code: str) -> None:
    """Sign in with the right password and a right code, or with what replaces it."""
    af, environment = installation.af, installation.environment
    first = Authenticate(email=user.email, password=PASSWORD, **BROWSER)
    try:
        await af.run(await af.sign_in.prepare_password(af.store, environment, first))
    except errors.StepUpRequired as required:
        assert required.challenge is not None  # noqa: PT017 - not in a test
        second = Authenticate(
            code=code,
            pending_authentication_token=required.pending_token,
            authentication_challenge_id=required.challenge.id,
            **BROWSER,
        )
        await af.run(await af.second_step.prepare(af.store, environment, second))


async def _use_passkey(installation: Installation) -> None:
    """Sign in with a passkey, and again with a copy of it: the counter is behind."""
    af, environment = installation.af, installation.environment
    user = await installation.user("passkey@example.org")
    origin, device = af.settings.base_url, authenticator()
    begun = await af.run(af.passkeys.begin(environment, user.id))
    made = json.dumps(device.create(begun.public_key, origin)).encode()
    await af.run(af.passkeys.finish(environment, user.id, begun.id, made))
    for behavior in (Behavior(), Behavior(counter=0)):
        asked = af.passkey_sign_in.begin(environment)
        credential = device.get(asked.public_key, origin, behavior)
        request = Authenticate(authentication_id=asked.id, credential=credential, **BROWSER)
        try:
            await af.run(await af.passkey_sign_in.prepare(af.store, environment, request))
        except errors.SignInRefused as refused:
            assert refused.reason == "webauthn_counter_not_growing"  # noqa: PT017 - not in a test


async def _open_link(installation: Installation, user: UserRecord) -> None:
    """Create a link that enrolls, open it, and give the new factor's first code."""
    af, environment = installation.af, installation.environment
    issued = await af.run(af.links.create_enrollment(environment, CreateEnrollmentLink(user_id=user.id)))
    opened = await af.page_sessions.prepare_open(af.store, issued.url.rpartition("/")[2])
    link, session = await af.run(opened)
    shown = await af.read(af.page_sessions.view(link.id, session))
    secret = af.page_sessions.secret_of(shown).text
    assert shown.factor is not None
    code = installation.code(Enrollment(shown.factor, None, secret, "", str))
    done = await af.run(af.page_sessions.verify(link.id, session, code))
    assert done.verification is not None
    assert done.verification.valid
