"""The first step of a flow by a passkey alone, which is two factors; as the grant of the same name."""

from typing import Any, Final

from authfactor.models import Clock, Environment
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.rules.authentication.passkey_sign_in import (
    CheckedPasskey,
    PasskeyAuthentication,
    PasskeySignIn,
)
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.factors.passkey_settings import relying_party_of_pages
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance, FlowProgress, FlowVisit
from authfactor.rules.unit import InstallationScope
from authfactor.settings import Settings
from authfactor.store import Store, Unit

BY_PASSKEY: Final = "passkey"


class FirstPasskeyStep:
    """Proves a passkey in a flow."""

    def __init__(
        self, clock: Clock, settings: Settings, sign_in: PasskeySignIn, progress: FlowProgress
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._sign_in = sign_in
        self._progress = progress

    def begin(self, environment: Environment) -> PasskeyAuthentication | None:
        """Return what the page asks the browser with, naming no user; None if browsers use no passkeys there.

        The pages are at the base URL, which the environment's settings may not list.
        """
        if relying_party_of_pages(environment, self._settings) is None:
            return None
        return self._sign_in.begin(environment)

    async def prepare(
        self,
        store: Store,
        visit: FlowVisit,
        environment: Environment,
        authentication_id: str,
        credential: str,
    ) -> Unit[FlowAdvance]:
        """Prepare the step; the assertion is verified before any lock is held, and again in the unit.

        `environment`: the flow's, which was loaded. The unit raises what loading the flow raises, and
        `SignInRefused`.
        """
        more: dict[str, Any] = {"authentication_id": authentication_id, "credential": credential}
        now = self._clock()
        checked = await self._sign_in.check(store, environment, visit.attempt(**more), now)
        if not isinstance(checked, CheckedPasskey):
            return checked
        return lambda tx: self._accept(InstallationScope(tx, now), visit, checked)

    async def _accept(
        self, scope: InstallationScope, visit: FlowVisit, checked: CheckedPasskey
    ) -> FlowAdvance:
        opened = await self._progress.load(scope, visit)
        inside = scope.within(opened.environment)
        user = await self._sign_in.accept(inside, checked)
        await self._progress.discard_enrollment(inside, opened)
        mark, amr = password_mark(user.password_hash), checked.amr or ""
        proof = AuthenticationProof(user.id, mark, BY_PASSKEY, amr, scope.now, scope.now)
        return await self._progress.after(inside, opened, user, proof)
