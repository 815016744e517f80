"""Sign-up by email and password, where the environment's users need not verify their email.

Where they must, the code by mail signs up (`mailed_code_step`): a password that a stranger sets before the
email is verified would be that of a person who cannot read its mail. An email that has a user already is
signed in by the right password, and counted like any other guess with a wrong one.
"""

from authfactor.crypto import passwords
from authfactor.errors import InvalidUserField, Item, PasswordTooWeak, SignInRefused, UserCreationFailed
from authfactor.models import Clock, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.rules.authentication.applied_policy import signs_up, takes_passwords
from authfactor.rules.authentication.session_state import ONE_STEP
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance, FlowProgress, FlowVisit
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.page_throttling import charge_sign_up
from authfactor.rules.hosted_sign_in.password_step import BY_PASSWORD, PasswordStep
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.tenants.users import Users, is_email
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Store, Unit
from authfactor.wire.requests import CreateUser


class SignUpStep:
    """Makes a user in a flow."""

    def __init__(
        self, clock: Clock, progress: FlowProgress, passwords_step: PasswordStep, users: Users
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._progress = progress
        self._passwords = passwords_step
        self._users = users

    @installation_unit
    async def view(self, scope: InstallationScope, visit: FlowVisit) -> OpenFlow:
        """Return what the page shows. Raises `FlowIncomplete` where sign-up by password is off."""
        opened = await self._progress.load(scope, visit)
        invited = await self._is_invited(scope, opened)
        if not (signs_up(opened.environment) or invited) or not takes_passwords(opened.environment):
            raise FlowIncomplete
        return opened

    async def _is_invited(self, scope: InstallationScope, opened: OpenFlow) -> bool:
        token = opened.invitation_token
        inside = scope.within(opened.environment)
        return token is not None and await invitation_use.find_pending(inside, token) is not None

    async def prepare(
        self, store: Store, visit: FlowVisit, opened: OpenFlow, email: str, password: str
    ) -> Unit[FlowAdvance]:
        """Prepare the step; `opened` is what `view` returned.

        Raises `InvalidUserField`, `PasswordTooWeak` and `Unavailable`; the unit raises what `view` raises,
        `SignInRefused` for an email that has a user and another password, and `TooManyRequests`.
        """
        environment, address = opened.environment, email.strip()
        # Before it is known whether the email has a user, which the answer must not tell.
        if not is_email(address):
            raise InvalidUserField("invalid_email", "The email address is not valid.")
        weak = passwords.check_strength(password, email=address)
        if weak:
            raise PasswordTooWeak(*(Item("password", code, text) for code, text in weak))
        known = await store.read(lambda tx: tx.users.by_email(environment.number, address))
        if known is not None:
            return await self._passwords.prepare(store, visit, environment, address, password)
        request = CreateUser(email=address, password=password)
        create = await self._users.prepare_create(environment, request)
        return self._create(visit, create)

    @installation_unit
    async def _create(
        self, scope: InstallationScope, visit: FlowVisit, create: Unit[UserRecord]
    ) -> FlowAdvance:
        opened = await self.view(visit)(scope.tx)
        inside = scope.within(opened.environment)
        await charge_sign_up(inside, visit.ip_address)
        try:
            made = await create(scope.tx)
        except UserCreationFailed:
            # Made by a concurrent request.
            raise SignInRefused("invalid_credentials", "This email has a user already.") from None
        await self._progress.discard_enrollment(inside, opened)
        user = await scope.tx.users.lock(inside.number, made.id)
        assert user is not None  # noqa: S101 - made in this unit
        mark = password_mark(user.password_hash)
        proof = AuthenticationProof(user.id, mark, BY_PASSWORD, ONE_STEP, scope.now)
        return await self._progress.after(inside, opened, user, proof)
