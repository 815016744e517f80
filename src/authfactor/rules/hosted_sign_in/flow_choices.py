"""What users choose in a flow besides its steps: to go on, to be someone else, or to leave."""

from typing import NamedTuple

import msgspec

from authfactor.models import Clock, GracePeriod, UserRecord
from authfactor.rules.authentication.applied_policy import signs_up, takes_passwords
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.hosted_sign_in.flow_progress import (
    FlowAdvance,
    FlowPage,
    FlowProgress,
    FlowVisit,
    page_of,
    require_user,
)
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.unit import InstallationScope, installation_unit


class FlowState(NamedTuple):
    """Where a flow stands. `signed_in` is the user of the browser's hosted session, before the first step."""

    opened: OpenFlow
    page: FlowPage
    signed_in: UserRecord | None
    grace: GracePeriod | None
    is_invited: bool = False

    @property
    def offers_sign_up(self) -> bool:
        """Whether the visitor may make an account with a password."""
        return self.may_sign_up and takes_passwords(self.opened.environment)

    @property
    def may_sign_up(self) -> bool:
        """Whether the visitor may make an account, by whatever means."""
        return signs_up(self.opened.environment) or self.is_invited

    @property
    def offers_account(self) -> bool:
        """Whether the application asks which account to use, and there is one."""
        return self.signed_in is not None and self.opened.flow.request.prompt == "select_account"

    @property
    def reauthenticates(self) -> bool:
        """Whether the user of the hosted session is asked again because of its age."""
        flow = self.opened.flow
        return self.signed_in is not None and flow.asks_again and flow.request.prompt is None


class FlowChoices:
    """Answers the choices."""

    def __init__(self, clock: Clock, progress: FlowProgress) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._progress = progress

    @installation_unit
    async def view(self, scope: InstallationScope, visit: FlowVisit) -> FlowState:
        """Return where a flow stands. Raises what loading it raises."""
        opened, inside = await self._progress.open(scope, visit)
        step = await self._progress.flows.next_step(inside, opened)
        user = None
        if step.name == "first_factor":
            browser = await self._progress.flows.browser_session_of(inside, opened.flow)
            if browser is not None:
                user = await scope.tx.users.by_id(inside.number, browser.proof.user_id)
        token = opened.invitation_token
        invited = token is not None and await invitation_use.find_pending(inside, token) is not None
        grace = None if step.step is None else step.step.grace
        return FlowState(opened, page_of(step), user, grace, invited)

    @installation_unit
    async def continue_as(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Go on as the user of the hosted session.

        Raises `FlowIncomplete` unless an account was to be chosen.
        """
        opened, inside = await self._progress.open(scope, visit)
        flow = opened.flow
        browser = await self._progress.flows.browser_session_of(inside, flow)
        if browser is None or flow.asks_again or flow.request.prompt != "select_account":
            raise FlowIncomplete
        user = await scope.tx.users.lock(inside.number, browser.proof.user_id)
        if user is None:
            raise FlowIncomplete
        proof = msgspec.structs.replace(browser.proof, password_mark=password_mark(user.password_hash))
        return await self._progress.after(inside, opened, user, proof)

    @installation_unit
    async def start_over(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Forget what was proven, so that another user can sign in."""
        opened, inside = await self._progress.open(scope, visit)
        await self._progress.discard_enrollment(inside, opened)
        flow, secret = await self._progress.flows.start_over(inside, opened.flow)
        return FlowAdvance(opened._replace(flow=flow, user=None), "sign_in", None, secret)

    @installation_unit
    async def finish(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Complete a flow that has no further step, or one that can wait. Raises `FlowIncomplete`."""
        opened, inside = await self._progress.open(scope, visit)
        require_user(opened)
        completed = await self._progress.complete(inside, opened)
        return FlowAdvance(opened, "finish", completed)

    @installation_unit
    async def cancel(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Leave the flow: the application learns that access was denied."""
        opened, inside = await self._progress.open(scope, visit)
        completed = await self._progress.flows.cancel(inside, opened.flow)
        return FlowAdvance(opened, "finish", completed)
