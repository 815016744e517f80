"""Enrollment in a flow: an authenticator app, confirmed by its first code, then recovery codes.

The policy asks for it, or offers it in a period of grace. A user who has an active factor never enrolls here:
a password alone would enroll a factor beside the real one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authfactor.crypto.vault import Vault
from authfactor.models import (
    ChallengeRecord,
    Clock,
    FactorRecord,
    GracePeriod,
    NewRecoveryCodes,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, key_uri
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.code_refusals import code_refusal
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.factors import Factors
from authfactor.rules.hosted_sign_in.flow_progress import (
    FlowAdvance,
    FlowProgress,
    FlowVisit,
    page_of,
    require_proof,
    require_user,
)
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.links.page_sessions import SetupSecret
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.settings import Settings
from authfactor.wire.requests import EnrollUserFactor

if TYPE_CHECKING:
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets

TOTP = "totp"


class EnrollmentPage(NamedTuple):
    """What the page shows. `factor` waits for its first code, and `secret` is what the app needs of it.

    `methods` are the types of factors that the policy accepts, None: all. `grace`: until when it can wait.
    """

    opened: OpenFlow
    user: UserRecord
    factor: FactorRecord | None
    secret: SetupSecret | None
    methods: tuple[str, ...] | None
    grace: GracePeriod | None


class FinishPage(NamedTuple):
    """What the page shows before the redirect; `offers_codes`: the user has no recovery codes."""

    opened: OpenFlow
    user: UserRecord
    offers_codes: bool


class AppEnrollment:
    """Enrolls a user in an authenticator app."""

    def __init__(
        self,
        clock: Clock,
        vault: Vault,
        settings: Settings,
        log: EventLog,
        progress: FlowProgress,
        factors: Factors,
        challenges: Challenges,
        recovery_codes: "Callable[[], RecoveryCodeSets]",
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._vault = vault
        self._settings = settings
        self._events = SignInEvents(log)
        self._progress = progress
        self._factors = factors
        self._challenges = challenges
        self._recovery_codes = recovery_codes

    @installation_unit
    async def view(self, scope: InstallationScope, visit: FlowVisit) -> EnrollmentPage:
        """Return what the page shows. Raises `FlowIncomplete` if the flow is at another step."""
        opened, inside = await self._progress.open(scope, visit)
        return await self.page(inside, opened)

    async def page(self, scope: Scope, opened: OpenFlow) -> EnrollmentPage:
        """Do what `view` does, within a unit."""
        step = await self._progress.flows.next_step(scope, opened)
        if page_of(step) != "enroll" or step.step is None:
            raise FlowIncomplete
        user, factor = require_user(opened), await self._pending(scope, opened)
        secret = None if factor is None else self._secret_of(scope, factor)
        return EnrollmentPage(opened, user, factor, secret, step.step.methods, step.step.grace)

    async def _pending(self, scope: Scope, opened: OpenFlow) -> FactorRecord | None:
        """Return the factor of this flow that waits for its first code."""
        found = await scope.tx.factors.by_id(scope.number, opened.flow.factor_id or "")
        if found is None or found.activated_at is not None or found.user_id != require_user(opened).id:
            return None
        return found

    def _secret_of(self, scope: Scope, factor: FactorRecord) -> SetupSecret:
        text = base32.encode(self._vault.unseal(factor.secret, secret_row(scope.number, factor.id)))
        return SetupSecret(text, key_uri.uri(issuer=factor.issuer, account=factor.account, secret=text))

    @installation_unit
    async def start(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Enroll an app, which waits for its first code; one that waits in this flow already is kept.

        Apps that other flows of the user left waiting are deleted. Raises what enrolling raises.
        """
        opened, inside = await self._progress.open(scope, visit)
        page = await self.page(inside, opened)
        if page.methods is not None and TOTP not in page.methods:
            raise FlowIncomplete
        if page.factor is None:
            for factor_id in await scope.tx.sign_in_flows.factors_of_user(inside.number, page.user.id):
                await scope.tx.factors.delete_pending(inside.number, factor_id)
            enroll = self._factors.enroll(opened.environment, page.user.id, EnrollUserFactor(type=TOTP))
            made = await enroll(scope.tx)
            challenge_id = None if made.challenge is None else made.challenge.id
            await self._progress.flows.attach(inside, opened.flow, made.factor.id, challenge_id)
        return FlowAdvance(opened, "enroll")

    @installation_unit
    async def confirm(self, scope: InstallationScope, visit: FlowVisit, code: str) -> FlowAdvance:
        """Check the first code of the app, which is also the second factor of this sign-in.

        A wrong code is a result and is counted. Raises `FlowIncomplete` and `TooManyAttempts`.
        """
        opened, inside = await self._progress.open(scope, visit)
        page = await self.page(inside, opened)
        if page.factor is None:
            raise FlowIncomplete
        request = visit.attempt(page.user, code=code)
        challenge = await self._challenge(inside, opened, page.factor)
        outcome: Verification = await self._challenges.check(inside, challenge.id, code, emit=False)
        if not outcome.valid:
            if outcome.reason != "code_malformed":
                refusal = code_refusal(outcome)
                await self._events.emit(inside, event_log.MFA_FAILED, page.user, request, refusal)
            return FlowAdvance(opened, "enroll", verification=outcome)
        await self._events.emit(inside, event_log.MFA_SUCCEEDED, page.user, request)
        advance = await self.enrolled(inside, opened, page.user, session_state.SECOND_FACTOR_AMR["totp"])
        return advance._replace(verification=outcome)

    async def enrolled(self, scope: Scope, opened: OpenFlow, user: UserRecord, methods: str) -> FlowAdvance:
        """Go on after an enrollment that has proven these methods, with recovery codes if there are none."""
        proof = require_proof(opened)
        amr = session_state.add_methods(proof.amr, methods)
        proven = msgspec.structs.replace(proof, amr=amr, mfa_at=scope.now, trusted_device_id=None)
        pauses = not await _has_codes(scope, user)
        return await self._progress.after(scope, opened, user, proven, pauses=pauses)

    async def _challenge(self, scope: Scope, opened: OpenFlow, factor: FactorRecord) -> ChallengeRecord:
        """Return the challenge for the next code, a new one when the attempts of the old one are used up.

        The page shows the secret anyway, and the count of the user's wrong codes continues.
        """
        known = await scope.tx.challenges.by_id(scope.number, opened.flow.challenge_id or "")
        limit = self._settings.attempts_per_challenge
        if known is not None and known.attempts < limit and known.expires_at > scope.now:
            return known
        challenge = await self._challenges.open(scope, factor.id)
        await self._progress.flows.attach(scope, opened.flow, factor.id, challenge.id)
        return challenge

    @installation_unit
    async def view_finish(self, scope: InstallationScope, visit: FlowVisit) -> FinishPage:
        """Return what the page before the redirect shows. Raises `FlowIncomplete`."""
        opened, inside = await self._progress.open(scope, visit)
        user = await self._finished(inside, opened)
        return FinishPage(opened, user, await self._offers_codes(inside, opened, user))

    @installation_unit
    async def make_recovery_codes(
        self, scope: InstallationScope, visit: FlowVisit
    ) -> tuple[OpenFlow, NewRecoveryCodes]:
        """Make the codes of a user who has enrolled in this flow and has none.

        Raises `FlowIncomplete`, also if there is a set: a new one is not this page's to make.
        """
        opened, inside = await self._progress.open(scope, visit)
        user = await self._finished(inside, opened)
        # The user is locked: of concurrent requests one finds no set.
        if not await self._offers_codes(inside, opened, user):
            raise FlowIncomplete
        codes = self._recovery_codes()
        await codes.lock_user(inside, user.id)
        return opened, await codes.replace(inside, user.id)

    async def _finished(self, scope: Scope, opened: OpenFlow) -> UserRecord:
        """Return the user of a flow that has no further step."""
        if page_of(await self._progress.flows.next_step(scope, opened)) != "finish":
            raise FlowIncomplete
        return require_user(opened)

    async def _offers_codes(self, scope: Scope, opened: OpenFlow, user: UserRecord) -> bool:
        """Return whether the user has proven a factor in this flow and has no recovery codes."""
        proven_at = require_proof(opened).mfa_at or 0
        return proven_at >= opened.flow.created_at and not await _has_codes(scope, user)


async def _has_codes(scope: Scope, user: UserRecord) -> bool:
    return (await scope.tx.recovery_codes.count(scope.number, user.id)).total > 0
