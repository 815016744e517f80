"""Rare ways through the rules of codes: lost races, exhausted events, factors without a user."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor import errors
from authfactor.models import EnvironmentOptions, MfaOptions, MfaRule
from authfactor.rules.authentication.code_refusals import operator_code_refusal
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events.event_log import REFUSAL_BURST
from authfactor.rules.factors import imported_recovery_codes
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.store.tables.challenges import ChallengesTable
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.requests import Authenticate, EnrollFactor
from tests.rules.test_clock_resync import pair, resync
from tests.rules.test_imported_recovery_codes import SHORT, imported
from tests.rules.test_recovery_codes import enrolled_user, lock, make, remaining

if TYPE_CHECKING:
    from tests.support.installation import Installation


def test_imported_set_shows_no_code_in_logs() -> None:
    shown = repr(imported_recovery_codes.read(SHORT))
    assert "10 codes" in shown
    assert SHORT[0] not in shown


async def test_factor_without_a_user_is_resynced(installation: "Installation") -> None:
    af = installation.af
    request = EnrollFactor(type="totp", totp_issuer="Acme", totp_user="kim")
    enrolled = await af.run(af.factors.enroll_standalone(installation.environment, request))
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    installation.clock.advance(3600)
    assert (await resync(installation, enrolled, pair(installation, enrolled, 4))).drift == 5


async def test_refusals_under_a_lock_stop_writing_events(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    await lock(installation, user, enrolled)
    unit = installation.af.clock_resync.resync(
        installation.environment, enrolled.factor.id, ResyncFactor(pair(installation, enrolled, 4))
    )
    for _ in range(REFUSAL_BURST + 2):
        with pytest.raises(errors.TooManyAttempts):
            await installation.af.run(unit)
    written = len(await installation.events())

    def refuse(tx: Tx) -> object:
        scope = Scope(tx, installation.environment, installation.clock.now)
        events = SignInEvents(installation.af.events)
        return events.emit_refused(scope, user, operator_code_refusal(), Authenticate())

    await installation.af.run(refuse)  # type: ignore[arg-type]
    assert len(await installation.events()) == written


async def test_guessable_code_stays_unused_if_its_challenge_cannot_be_closed(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    user, enrolled = await imported(installation, SHORT)
    challenge = await installation.challenge(enrolled)

    async def lost(*_: object) -> bool:
        return False

    monkeypatch.setattr(ChallengesTable, "close", lost)
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(challenge, SHORT[0])
    assert await remaining(installation, user) == (10, 10)


async def test_policy_of_others_leaves_a_users_recovery_codes_alone(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    codes = await make(installation, user)
    rule = MfaRule(policy="required", email_domain="other.example", methods=("totp",))
    options = EnvironmentOptions(mfa=MfaOptions(rules=(rule,)))
    text = msgspec.json.encode(options).decode()
    installation.environment = msgspec.structs.replace(installation.environment, options=text)
    challenge = await installation.challenge(enrolled)
    assert (await installation.verify(challenge, codes[0])).valid
