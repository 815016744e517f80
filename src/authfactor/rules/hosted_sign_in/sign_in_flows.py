"""Flows: one visit of the sign-in pages, from the authorization request to the redirect with a code.

What the pages call. All but `load` are steps within a unit: a page runs one unit that loads the flow, does
its step and, when nothing more must come, completes the flow.

1. `load(flow_id, secret)` for every request, with the secret of the flow's cookie. It raises `FlowUnknown`,
   `FlowExpired` and `FlowCompleted`, and returns an `OpenFlow`: the flow, its environment, the branding, and
   the user whose first factor was proven.
2. `set_email` keeps what was typed, for the next page.
3. `prove(scope, flow, proof)` after the first factor, and again after the second one. It returns the flow
   and a new secret, which the response must set as the flow's cookie: a holder of the old one is out.
4. `next_step(scope, opened)` says what comes: `first_factor`, `email_verification`, `mfa_challenge`,
   `mfa_enrollment` or `complete`. It is `StepUp.next_step`, which answers `authenticate` too, so page and
   API cannot disagree.
5. `attach` keeps factor and challenge of the second step across requests.
6. `complete(scope, flow)` checks the step again, completes the flow in one conditional write, renews the
   hosted session and returns where to redirect and the secret of the hosted session's cookie.
   `cancel` redirects with `access_denied` instead. A form that may lead to either is rendered with
   `form_target=flow.request.redirect_uri`.

A page of `prompt=select_account` shows the user of `browser_session_of`, as whom `FlowChoices.continue_as`
goes on. `start_over` forgets what was proven. `FlowProgress` has what the steps have in common.
A flow that `asks_again` accepts proofs that are newer than itself alone.
"""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.ids import IdGenerator
from authfactor.ip_addresses import client_network
from authfactor.models import BrandingRecord, Clock, Entropy, Environment, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof, BrowserSession, FlowRequest, SignInFlow
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.authentication.step_up import NextStep, StepUp, password_mark
from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes, refusal_location
from authfactor.rules.hosted_sign_in.authorization_requests import AuthorizationRefusal
from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions
from authfactor.rules.hosted_sign_in.flow_refusals import (
    FlowCompleted,
    FlowExpired,
    FlowIncomplete,
    FlowUnknown,
)
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import InstallationScope, Scope, installation_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from authfactor.rules.hosted_sign_in.device_authorizations import DeviceAuthorizations

# Clients keep the verifier of a sign-in for as long (contract section 2.3).
LIFE_MS: Final = 600_000
# Flows of one network: a burst, then one more in this many milliseconds. A company may share one address.
BURST: Final = 600
INTERVAL_MS: Final = 200
# Where the pages of a flow that decides about a device lead in the end.
DEVICE_APPROVED: Final = "/device/approved"
DEVICE_DENIED: Final = "/device/denied"
CANCELED: Final = AuthorizationRefusal("access_denied", "The user canceled the sign-in.")


class StartedFlow(NamedTuple):
    """A new flow and the secret for its cookie, which is stored nowhere."""

    flow: SignInFlow
    secret: str


class OpenFlow(NamedTuple):
    """A flow with what its pages show; `user` is the one whose first factor was proven.

    `invitation_token` is that of an invitation that the browser has opened, in whatever state.
    """

    flow: SignInFlow
    environment: Environment
    branding: BrandingRecord | None
    user: UserRecord | None
    invitation_token: str | None = None

    @property
    def sign_in_url(self) -> str | None:
        """Where the application begins a sign-in."""
        return options_of(self.environment).sign_in_url


class CompletedFlow(NamedTuple):
    """Where to redirect, and the secret for the hosted session's cookie; None: that cookie stays."""

    location: str
    browser_secret: str | None


FlowStep = Literal["first_factor", "email_verification", "mfa_challenge", "mfa_enrollment", "complete"]


class NextFlowStep(NamedTuple):
    """What comes next in a flow; `step` has the factors of the second step, None before the first factor."""

    name: FlowStep
    step: NextStep | None


class SignInFlows:
    """Starts, loads and completes flows."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        step_up: StepUp,
        browsers: BrowserSessions,
        codes: AuthorizationCodes,
        devices: "Callable[[], DeviceAuthorizations]",
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._step_up = step_up
        self._browsers = browsers
        self._codes = codes
        self._devices = devices

    async def start(
        self,
        scope: Scope,
        request: FlowRequest,
        *,
        browser: BrowserSession | None = None,
        proof: AuthenticationProof | None = None,
        asks_again: bool = False,
        email: str | None = None,
        device_id: str | None = None,
    ) -> StartedFlow:
        """Start a flow. `proof` is what the browser's hosted session has proven, if it goes on from there.

        Raises `TooManyRequests`: strangers may start flows, and each is a row.
        """
        network = client_network(request.ip_address) or "unknown"
        subject = f"flows:{network}"
        if not await scope.tx.throttles.charge(scope.number, subject, scope.now, INTERVAL_MS, BURST):
            raise errors.TooManyRequests(1)
        secret = random_token(self._entropy)
        flow = SignInFlow(
            environment=scope.number,
            id=self._new_id(ids.SIGN_IN_FLOW),
            request=request,
            device_id=device_id,
            browser_session_id=None if browser is None else browser.id,
            asks_again=asks_again,
            email=email or request.login_hint,
            proof=proof,
            factor_id=None,
            challenge_id=None,
            created_at=scope.now,
            expires_at=scope.now + LIFE_MS,
            completed_at=None,
        )
        await scope.tx.sign_in_flows.insert(flow, token_hash(secret))
        return StartedFlow(flow, secret)

    @installation_unit
    async def load(self, scope: InstallationScope, flow_id: str, secret: str) -> OpenFlow:
        """Return an open flow of the browser that holds its secret.

        Raises `FlowUnknown`, `FlowExpired` and `FlowCompleted`.
        """
        return await self.load_within(scope, flow_id, secret)

    async def load_within(self, scope: InstallationScope, flow_id: str, secret: str) -> OpenFlow:
        """Do what `load` does, within a unit."""
        flow = await scope.tx.sign_in_flows.by_secret(token_hash(secret), flow_id)
        environment = None if flow is None else await scope.tx.environments.by_number(flow.environment)
        if flow is None or environment is None:
            raise FlowUnknown
        url = options_of(environment).sign_in_url
        if flow.completed_at is not None:
            raise FlowCompleted(url)
        if flow.expires_at <= scope.now:
            raise FlowExpired(url)
        user = None
        if flow.proof is not None:
            user = await scope.tx.users.by_id(flow.environment, flow.proof.user_id)
            if user is None or password_mark(user.password_hash) != flow.proof.password_mark:
                # Deleted, or the password was changed: what was proven is void.
                flow, user = msgspec.structs.replace(flow, proof=None), None
        branding = await scope.tx.brandings.of(flow.environment)
        return OpenFlow(flow, environment, branding, user)

    async def browser_session_of(self, scope: Scope, flow: SignInFlow) -> BrowserSession | None:
        """Return the hosted session that the browser had when the flow began, if it is alive."""
        return await self._browsers.by_id(scope, flow.browser_session_id)

    async def set_email(self, scope: Scope, flow: SignInFlow, email: str) -> None:
        """Keep the email that was typed. Raises `FlowExpired`."""
        if not await scope.tx.sign_in_flows.set_email(scope.number, flow.id, scope.now, email):
            raise FlowExpired

    async def prove(self, scope: Scope, flow: SignInFlow, proof: AuthenticationProof) -> StartedFlow:
        """Keep what was proven; return the flow with its new secret. Raises `FlowExpired`."""
        secret = random_token(self._entropy)
        flows, hashed = scope.tx.sign_in_flows, token_hash(secret)
        if not await flows.set_proof(scope.number, flow.id, scope.now, hashed, proof):
            raise FlowExpired
        proven = msgspec.structs.replace(flow, proof=proof, factor_id=None, challenge_id=None)
        return StartedFlow(proven, secret)

    async def start_over(self, scope: Scope, flow: SignInFlow) -> StartedFlow:
        """Forget what was proven; return the flow with its new secret. Raises `FlowExpired`."""
        secret = random_token(self._entropy)
        flows, hashed = scope.tx.sign_in_flows, token_hash(secret)
        if not await flows.set_proof(scope.number, flow.id, scope.now, hashed, None):
            raise FlowExpired
        return StartedFlow(
            msgspec.structs.replace(flow, proof=None, factor_id=None, challenge_id=None), secret
        )

    async def attach(
        self, scope: Scope, flow: SignInFlow, factor_id: str | None, challenge_id: str | None
    ) -> None:
        """Keep factor and challenge of the second step. Raises `FlowExpired`."""
        values = factor_id, challenge_id
        if not await scope.tx.sign_in_flows.attach(scope.number, flow.id, scope.now, *values):
            raise FlowExpired

    async def next_step(self, scope: Scope, opened: OpenFlow) -> NextFlowStep:
        """Return what comes next."""
        flow, user = opened.flow, opened.user
        if flow.proof is None or user is None or not _is_new_enough(flow, flow.proof):
            return NextFlowStep("first_factor", None)
        step = await self._step_up.next_step(scope, user, proven=flow.proof)
        return NextFlowStep(step.name, step)

    async def complete(
        self, scope: Scope, flow: SignInFlow, proof: AuthenticationProof | None = None
    ) -> CompletedFlow:
        """Complete a flow whose last step is done; `proof` is the flow's unless given.

        Raises `FlowIncomplete` if another step must come first, and `FlowCompleted` or `FlowExpired` for all
        but one of concurrent requests.
        """
        known = proof or flow.proof
        user = None if known is None else await scope.tx.users.lock(scope.number, known.user_id)
        if known is None or user is None or known.password_mark != password_mark(user.password_hash):
            raise FlowIncomplete
        step = await self._step_up.next_step(scope, user, proven=known)
        if step.name != "complete" or not _is_new_enough(flow, known):
            raise FlowIncomplete
        await self._close(scope, flow)
        before = await self.browser_session_of(scope, flow)
        renewed = await self._browsers.authenticated(scope, before, known)
        if flow.device_id is not None:
            if not await self._devices().approve(scope, flow.device_id, known, renewed.session):
                # Rolls back: another page has decided, or the device gave up.
                raise FlowExpired
            return CompletedFlow(DEVICE_APPROVED, renewed.secret)
        goes_on = flow.asks_again and renewed.continued
        location = await self._codes.issue(
            scope,
            flow.request,
            known,
            renewed.session,
            continues=renewed.session.last_session_id if goes_on else None,
        )
        return CompletedFlow(location, renewed.secret)

    async def cancel(
        self, scope: Scope, flow: SignInFlow, refusal: AuthorizationRefusal = CANCELED
    ) -> CompletedFlow:
        """Complete a flow without a sign-in. Raises what `complete` raises for concurrent requests."""
        await self._close(scope, flow)
        if flow.device_id is not None:
            await self._devices().deny(scope, flow.device_id)
            return CompletedFlow(DEVICE_DENIED, None)
        request = flow.request
        return CompletedFlow(refusal_location(request.redirect_uri, request.state, refusal), None)

    async def _close(self, scope: Scope, flow: SignInFlow) -> None:
        if not await scope.tx.sign_in_flows.complete(scope.number, flow.id, scope.now):
            raise FlowExpired if flow.expires_at <= scope.now else FlowCompleted


def _is_new_enough(flow: SignInFlow, proof: AuthenticationProof) -> bool:
    """Return whether a proof was made in this flow, if it asks its user again."""
    return not flow.asks_again or max(proof.authenticated_at, proof.mfa_at or 0) >= flow.created_at
