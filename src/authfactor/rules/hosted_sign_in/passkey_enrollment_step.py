"""Enrollment of a passkey in a flow: its registration is also the second factor of this sign-in."""

from authfactor.models import Clock, Environment
from authfactor.rules.factors.passkey_settings import relying_party_of_pages
from authfactor.rules.factors.passkeys import PasskeyRegistration, Passkeys
from authfactor.rules.hosted_sign_in.app_enrollment import AppEnrollment, EnrollmentPage
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance, FlowProgress, FlowVisit
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.settings import Settings
from authfactor.webauthn import claims

WEBAUTHN = "webauthn"


class PasskeyEnrollmentStep:
    """Registers a passkey of a user from whom the policy wants a factor."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        progress: FlowProgress,
        enrollment: AppEnrollment,
        passkeys: Passkeys,
    ) -> None:
        """Keep the collaborators; `enrollment` knows whether the flow is at this step."""
        self._clock = clock
        self._settings = settings
        self._progress = progress
        self._enrollment = enrollment
        self._passkeys = passkeys

    def is_offered(self, environment: Environment, methods: tuple[str, ...] | None) -> bool:
        """Return whether the policy accepts passkeys and browsers use an environment's on our pages."""
        allowed = methods is None or WEBAUTHN in methods
        return allowed and relying_party_of_pages(environment, self._settings) is not None

    @installation_unit
    async def begin(self, scope: InstallationScope, visit: FlowVisit) -> tuple[OpenFlow, PasskeyRegistration]:
        """Open a registration. Raises `FlowIncomplete`, and `InvalidRequest` at the limit of factors."""
        opened, inside = await self._progress.open(scope, visit)
        page = await self._offered(inside, opened)
        begin = self._passkeys.begin(opened.environment, page.user.id, replaced=opened.flow.factor_id)
        return opened, await begin(scope.tx)

    @installation_unit
    async def finish(
        self,
        scope: InstallationScope,
        visit: FlowVisit,
        registration_id: str,
        name: str,
        credential: bytes,
    ) -> FlowAdvance:
        """Store the passkey and go on.

        Raises `FlowIncomplete` if a factor has become active since, and what finishing a registration raises.
        """
        opened, inside = await self._progress.open(scope, visit)
        page = await self._offered(inside, opened)
        await self._progress.discard_enrollment(inside, opened)
        finish = self._passkeys.finish(
            opened.environment, page.user.id, registration_id, credential, name.strip() or None
        )
        made = await finish(scope.tx)
        methods = claims.methods(after_password=False, backup_eligible=made.passkey.backup_eligible)
        return await self._enrollment.enrolled(inside, opened, page.user, methods)

    async def _offered(self, scope: Scope, opened: OpenFlow) -> EnrollmentPage:
        page = await self._enrollment.page(scope, opened)
        if not self.is_offered(opened.environment, page.methods):
            raise FlowIncomplete
        return page
