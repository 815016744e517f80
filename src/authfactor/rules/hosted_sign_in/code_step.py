"""The second step of a flow: a code of a factor, or a recovery code, with the budget of `authenticate`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from authfactor import errors
from authfactor.models import (
    ChallengeRecord,
    Clock,
    FactorRecord,
    NextDeviceToken,
    UserRecord,
)
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS, code_refusal
from authfactor.rules.authentication.second_step import method_of
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp, password_mark
from authfactor.rules.authentication.trusted_device_tokens import is_allowed
from authfactor.rules.events import event_log
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
from authfactor.rules.links.page_proofs import PageProof, PageProofs
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.settings import Settings
from authfactor.webauthn.assertion_text import is_assertion
from authfactor.wire.requests import Authenticate

if TYPE_CHECKING:
    from authfactor.rules.authentication.trusted_device_tokens import TrustedDeviceTokens

_MAX_SHOWN = 512


class CodePage(NamedTuple):
    """What the page shows: the factors of which one is asked for, the first by default.

    `days_offered`: for how long the page may offer to trust the browser, None: it may not. `passkey_options`:
    with what it asks the browser for a passkey, None: it does not.
    """

    opened: OpenFlow
    factors: tuple[FactorRecord, ...]
    days_offered: int | None
    has_recovery_codes: bool
    passkey_options: dict[str, Any] | None


class _Asked(NamedTuple):
    """Of whom a code is asked: the factors, and the proof that the code is added to."""

    user: UserRecord
    factors: tuple[FactorRecord, ...]
    proof: AuthenticationProof


class CodeStep:
    """Proves a second factor in a flow."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        progress: FlowProgress,
        step_up: StepUp,
        proofs: PageProofs,
        events: SignInEvents,
        device_tokens: "Callable[[], TrustedDeviceTokens]",
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._progress = progress
        self._step_up = step_up
        self._proofs = proofs
        self._events = events
        self._device_tokens = device_tokens

    @installation_unit
    async def view(self, scope: InstallationScope, visit: FlowVisit) -> CodePage:
        """Return what the page shows. Raises `FlowIncomplete` if the flow is at another step."""
        opened, inside = await self._progress.open(scope, visit)
        asked = await self._asked(inside, opened)
        codes = await scope.tx.recovery_codes.count(inside.number, asked.user.id)
        days = None
        if is_allowed(opened.environment):
            days = options_of(opened.environment).trusted_device_days
        options = None
        passkey = next((each for each in asked.factors if not each.is_totp), None)
        if passkey is not None:
            challenge = await self._challenge(inside, opened, asked.factors[0])
            options = await self._proofs.passkey_options(inside, challenge, asked.user.id)
        return CodePage(opened, asked.factors, days, codes.remaining > 0, options)

    @installation_unit
    async def check(
        self, scope: InstallationScope, visit: FlowVisit, factor_id: str, text: str, *, trusts: bool
    ) -> FlowAdvance:
        """Check a code; a wrong one is a result, counted as in `authenticate`.

        `factor_id` "" means the one offered first. `trusts`: the browser becomes a trusted device. Raises
        `FlowIncomplete`, `TooManyAttempts`, and `SignInRefused` for a factor that the policy does not accept.
        """
        opened, inside = await self._progress.open(scope, visit)
        asked = await self._asked(inside, opened)
        chosen = [each for each in asked.factors if factor_id in {"", each.id}]
        if not chosen:
            raise FlowIncomplete
        request = visit.attempt(asked.user, code=text)
        outcome, unknown = await self._judge(inside, opened, asked, chosen[0], request)
        if not outcome.valid:
            return FlowAdvance(opened, "code", verification=outcome, unknown_passkey=unknown)
        method = method_of(request, chosen[0])
        await self._events.emit(inside, event_log.MFA_SUCCEEDED, asked.user, request, method=method)
        added = outcome.amr or session_state.SECOND_FACTOR_AMR[method]
        proof = msgspec.structs.replace(
            asked.proof,
            amr=session_state.add_methods(asked.proof.amr, added),
            mfa_at=scope.now,
            trusted_device_id=None,
        )
        device = None
        if trusts and method != "recovery_code" and is_allowed(opened.environment):
            device = await self._trust(inside, visit, asked.user)
        advance = await self._progress.after(inside, opened, asked.user, proof, device=device)
        return advance._replace(verification=outcome)

    async def _judge(
        self, scope: Scope, opened: OpenFlow, asked: _Asked, factor: FactorRecord, request: Authenticate
    ) -> PageProof:
        """Check a proof and emit the event of a refusal, as the grant `mfa-totp` does."""
        user, text = asked.user, request.code or ""
        try:
            challenge = await self._challenge(scope, opened, factor)
            if is_assertion(text) and all(each.is_totp for each in asked.factors):
                # Any challenge of a page takes a passkey, but the policy may not.
                raise _not_allowed()
            proof = await self._proofs.check(scope, challenge.id, text, emit=False)
        except (errors.SignInRefused, errors.TooManyAttempts) as refusal:
            await self._events.emit_refused(scope, user, refusal, request)
            raise refusal.after_commit() from None
        outcome = proof.verification
        if not outcome.valid and outcome.reason not in {"code_malformed", "method_not_allowed"}:
            await self._events.emit(scope, event_log.MFA_FAILED, user, request, code_refusal(outcome))
        return proof

    async def _asked(self, scope: Scope, opened: OpenFlow) -> _Asked:
        """Return of whom a code is asked. Raises `FlowIncomplete`."""
        step = await self._progress.flows.next_step(scope, opened)
        if page_of(step) == "code" and step.step is not None:
            return _Asked(require_user(opened), step.step.factors, require_proof(opened))
        if step.name == "first_factor":
            return await self._reauthentication(scope, opened)
        raise FlowIncomplete

    async def _reauthentication(self, scope: Scope, opened: OpenFlow) -> _Asked:
        """Ask the user of the hosted session for a second factor, where `max_age` asks for some means."""
        flow = opened.flow
        browser = await self._progress.flows.browser_session_of(scope, flow)
        if not flow.asks_again or flow.request.prompt is not None or browser is None:
            raise FlowIncomplete
        user = await scope.tx.users.lock(scope.number, browser.proof.user_id)
        if user is None:
            raise FlowIncomplete
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        active = [each for each in factors if each.activated_at is not None]
        usable = self._step_up.usable(scope, user, active)
        if not usable:
            raise FlowIncomplete
        mark = password_mark(user.password_hash)
        proof = msgspec.structs.replace(browser.proof, password_mark=mark, authenticated_at=scope.now)
        # In the order of `StepUp.next_step`.
        newest_first = usable[::-1]
        return _Asked(user, tuple(sorted(newest_first, key=lambda each: not each.is_totp)), proof)

    async def _challenge(self, scope: Scope, opened: OpenFlow, factor: FactorRecord) -> ChallengeRecord:
        """Return the flow's challenge of a factor, or a new one if it takes no further code.

        The count of the user's wrong codes continues, as over the challenges of `authenticate`.
        """
        flow = opened.flow
        if flow.challenge_id is not None and flow.factor_id == factor.id:
            known = await scope.tx.challenges.by_id(scope.number, flow.challenge_id)
            if (
                known is not None
                and known.verified_at is None
                and known.expires_at > scope.now
                and known.attempts < self._settings.attempts_per_challenge
            ):
                return known
        challenge = await self._proofs.challenges.open(scope, factor.id)
        await self._progress.flows.attach(scope, flow, factor.id, challenge.id)
        return challenge

    async def _trust(self, scope: Scope, visit: FlowVisit, user: UserRecord) -> NextDeviceToken:
        agent = None if visit.user_agent is None else visit.user_agent[:_MAX_SHOWN]
        made = await self._device_tokens().make(
            scope, user, visit.flow_id, name=None, ip_address=visit.ip_address, user_agent=agent
        )
        return NextDeviceToken(made.token, made.device.expires_at)


def _not_allowed() -> errors.SignInRefused:
    return errors.SignInRefused(*CODE_REFUSALS["method_not_allowed"], reason="method_not_allowed")
