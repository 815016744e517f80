"""What follows a proof in a flow: the redirect to the application, or the page of another step.

Which step is next is `StepUp.next_step`'s to decide, which answers `authenticate` too.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from authfactor import errors
from authfactor.models import NextDeviceToken, UserRecord, Verification
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.rules.authentication.session_state import BY_TRUSTED_DEVICE
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.sign_in_flows import (
    CompletedFlow,
    NextFlowStep,
    OpenFlow,
    SignInFlows,
)
from authfactor.rules.links.page_proofs import UnknownPasskey
from authfactor.rules.unit import InstallationScope, Scope
from authfactor.wire.events import UsedTrustedDevice
from authfactor.wire.requests import Authenticate

if TYPE_CHECKING:
    from authfactor.rules.authentication.trusted_device_tokens import TrustedDeviceTokens
    from authfactor.rules.email_flows.email_verifications import EmailVerifications

FlowPage = Literal["sign_in", "verify", "code", "enroll", "finish"]


class FlowVisit(NamedTuple):
    """A request of a browser for a page of a flow: the flow's id and the secret of its cookie.

    `device_token` returns the token of this browser as a trusted device of a user, or None, and
    `invitation_token` that of an invitation of an environment, which the browser has opened.
    """

    flow_id: str
    secret: str
    ip_address: str | None = None
    user_agent: str | None = None
    device_token: Callable[[str], str | None] = lambda _: None
    invitation_token: Callable[[int], str | None] = lambda _: None

    def attempt(self, user: UserRecord | None = None, **more: str) -> Authenticate:
        """Return what `authenticate` would be sent for this step, for limits and events."""
        email = {} if user is None else {"email": user.email}
        return Authenticate(ip_address=self.ip_address, user_agent=self.user_agent, **email, **more)


class FlowAdvance(NamedTuple):
    """Where a flow stands after a step: completed, or at `page`.

    `secret` is the new one of the flow's cookie, if it has changed. `device` is the next token of the user's
    trusted device; `forgets_device`: this browser's was not accepted. `verification`: why a proof was
    refused; `unknown_passkey`: it was tried with one that does not exist.
    """

    opened: OpenFlow
    page: FlowPage
    completed: CompletedFlow | None = None
    secret: str | None = None
    device: NextDeviceToken | None = None
    forgets_device: bool = False
    verification: Verification | None = None
    unknown_passkey: UnknownPasskey | None = None


# What a page shows for each step; a period of grace offers what will be required.
_PAGES: Final[dict[str, FlowPage]] = {
    "first_factor": "sign_in",
    "email_verification": "verify",
    "mfa_challenge": "code",
    "mfa_enrollment": "enroll",
    "complete": "finish",
}


class FlowProgress:
    """Takes a flow from a proof to its next step."""

    def __init__(
        self,
        flows: SignInFlows,
        challenges: Challenges,
        log: EventLog,
        device_tokens: "Callable[[], TrustedDeviceTokens]",
        email_verifications: "Callable[[], EmailVerifications]",
    ) -> None:
        """Keep the collaborators."""
        self._email_verifications = email_verifications
        self.flows = flows
        self._challenges = challenges
        self._log = log
        self._device_tokens = device_tokens

    async def open(self, scope: InstallationScope, visit: FlowVisit) -> tuple[OpenFlow, Scope]:
        """Load the flow of a visit with its user locked. Raises what `SignInFlows.load` raises."""
        opened = await self.load(scope, visit)
        inside = scope.within(opened.environment)
        if opened.user is not None and await inside.tx.users.lock(inside.number, opened.user.id) is not None:
            # What was read before the lock may be from before a concurrent step.
            opened = await self.load(scope, visit)
        return opened, inside

    async def load(self, scope: InstallationScope, visit: FlowVisit) -> OpenFlow:
        """Load the flow of a visit, with the invitation that the browser has opened."""
        opened = await self.flows.load_within(scope, visit.flow_id, visit.secret)
        token = visit.invitation_token(opened.environment.number)
        return opened if token is None else opened._replace(invitation_token=token)

    async def complete(
        self, scope: Scope, opened: OpenFlow, proof: AuthenticationProof | None = None
    ) -> CompletedFlow:
        """Complete a flow as `SignInFlows.complete` does, and accept the invitation if it is open."""
        completed = await self.flows.complete(scope, opened.flow, proof)
        known = proof or require_proof(opened)
        if opened.invitation_token is not None:
            from authfactor.rules.email_flows import invitation_use  # noqa: PLC0415 - seldom

            found = await invitation_use.find_pending(scope, opened.invitation_token)
            user = await scope.tx.users.by_id(scope.number, known.user_id)
            if found is not None and user is not None:
                await invitation_use.accept(scope, self._log, found, user)
        return completed

    async def discard_enrollment(self, scope: Scope, opened: OpenFlow) -> None:
        """Delete the app that waits for its first code in this flow, if there is one."""
        if opened.flow.factor_id is not None:
            await scope.tx.factors.delete_pending(scope.number, opened.flow.factor_id)

    async def after(
        self,
        scope: Scope,
        opened: OpenFlow,
        user: UserRecord,
        proof: AuthenticationProof,
        *,
        device: NextDeviceToken | None = None,
        pauses: bool = False,
    ) -> FlowAdvance:
        """Complete the flow of a locked user if no step is left, else keep the proof for the next one.

        `pauses`: the user has something to read before the redirect. Raises `FlowExpired`.
        """
        proven = _with_proof(opened, user, proof)
        step = await self.flows.next_step(scope, proven)
        page = page_of(step)
        if page == "finish" and not pauses:
            completed = await self.complete(scope, opened, proof)
            return FlowAdvance(proven, page, completed, device=device)
        flow, secret = await self.flows.prove(scope, opened.flow, proof)
        if step.name == "mfa_challenge" and step.step is not None:
            factor = step.step.factors[0]
            challenge = await self._challenges.open(scope, factor.id)
            await self.flows.attach(scope, flow, factor.id, challenge.id)
        elif page == "verify":
            # At the limit the page says so; a code that was mailed before may still be good.
            with contextlib.suppress(errors.SendLimitReached):
                await self._email_verifications().mail_once_more(scope, user)
        return FlowAdvance(proven._replace(flow=flow), page, None, secret, device)

    async def after_password(
        self,
        scope: Scope,
        opened: OpenFlow,
        user: UserRecord,
        proof: AuthenticationProof,
        visit: FlowVisit,
    ) -> FlowAdvance:
        """Do what `after` does; a trusted device replaces the code, as in `authenticate`."""
        token = visit.device_token(user.id)
        if token is None:
            return await self.after(scope, opened, user, proof)
        step = await self.flows.next_step(scope, _with_proof(opened, user, proof))
        if step.name != "mfa_challenge":
            return await self.after(scope, opened, user, proof)
        use = await self._device_tokens().judge(scope, user, token)
        if use.device is None or use.token is None:
            return (await self.after(scope, opened, user, proof))._replace(forgets_device=True)
        used = UsedTrustedDevice(use.device.id, user.id, None, None)
        await self._log.append(scope, event_log.TRUSTED_DEVICE_USED, user.id, used)
        trusted = msgspec.structs.replace(proof, amr=BY_TRUSTED_DEVICE, trusted_device_id=use.device.id)
        return await self.after(scope, opened, user, trusted, device=use.token)


def page_of(step: NextFlowStep) -> FlowPage:
    """Return the page of a step."""
    if step.step is not None and step.step.grace is not None:
        return "enroll"
    return _PAGES[step.name]


def require_user(opened: OpenFlow) -> UserRecord:
    """Return the user whose first factor was proven. Raises `FlowIncomplete`."""
    if opened.user is None:
        raise FlowIncomplete
    return opened.user


def require_proof(opened: OpenFlow) -> AuthenticationProof:
    """Return what was proven so far. Raises `FlowIncomplete`."""
    require_user(opened)
    assert opened.flow.proof is not None  # noqa: S101 - there is a user of a proof alone
    return opened.flow.proof


def _with_proof(opened: OpenFlow, user: UserRecord, proof: AuthenticationProof) -> OpenFlow:
    return opened._replace(flow=msgspec.structs.replace(opened.flow, proof=proof), user=user)
