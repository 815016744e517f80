"""The first step of a flow by email and password, with the limits and the work of the grant `password`."""

from typing import Final

import msgspec

from authfactor.models import Clock, Environment, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.rules.authentication.session_state import ONE_STEP
from authfactor.rules.authentication.sign_in import RightPassword, SignIn
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance, FlowProgress, FlowVisit
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.unit import InstallationScope, Scope
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate

BY_PASSWORD: Final = "password"  # noqa: S105 - an authentication method


class PasswordStep:
    """Proves a password in a flow."""

    def __init__(self, clock: Clock, sign_in: SignIn, progress: FlowProgress) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._sign_in = sign_in
        self._progress = progress

    async def prepare(
        self, store: Store, visit: FlowVisit, environment: Environment, email: str, password: str
    ) -> Unit[FlowAdvance]:
        """Prepare the step; the password is compared before any lock is held.

        `environment`: the flow's, which was loaded. Raises `Unavailable`; the unit raises what loading the
        flow raises, `SignInRefused`, and `PasswordHashChanged`.
        """
        request = visit.attempt(email=email.strip(), password=password)
        checked = await self._sign_in.check_password(store, environment, request)
        if not isinstance(checked, RightPassword):
            return checked
        now = self._clock()
        return lambda tx: self._accept(InstallationScope(tx, now), visit, checked, request)

    async def _accept(
        self, scope: InstallationScope, visit: FlowVisit, right: RightPassword, request: Authenticate
    ) -> FlowAdvance:
        opened = await self._progress.load(scope, visit)
        inside = scope.within(opened.environment)
        user = await self._sign_in.accept_password(inside, right, request)
        mark = password_mark(right.better)
        proof = AuthenticationProof(user.id, mark, BY_PASSWORD, ONE_STEP, scope.now)
        # The hash that the mark is of may be this sign-in's.
        user = msgspec.structs.replace(user, password_hash=right.better)
        await self._progress.discard_enrollment(inside, opened)
        proof = await self._with_second_factor(inside, opened, user, proof)
        return await self._progress.after_password(inside, opened, user, proof, visit)

    async def _with_second_factor(
        self, scope: Scope, opened: OpenFlow, user: UserRecord, proof: AuthenticationProof
    ) -> AuthenticationProof:
        """Keep the second factor of the hosted session where its age alone asked for its user again.

        `max_age` asks for one means that the user has (contract section 2.4); `prompt=login` asks for all.
        """
        if not opened.flow.asks_again or opened.flow.request.prompt is not None:
            return proof
        browser = await self._progress.flows.browser_session_of(scope, opened.flow)
        if browser is None or browser.proof.user_id != user.id:
            return proof
        return msgspec.structs.replace(
            browser.proof, password_mark=proof.password_mark, authenticated_at=scope.now
        )
