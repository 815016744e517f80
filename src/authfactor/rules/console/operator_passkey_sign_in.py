"""Sign-in to the console by a passkey alone: it names the operator and is two factors (decision 0049).

Paced like sign-ins with password and code, by network or by known device. Every refusal that the passkey's
owner may be the reason of has one answer.
"""

from typing import Final

import msgspec

from authfactor import errors
from authfactor.ip_addresses import client_network
from authfactor.models import Clock, Operator
from authfactor.models.passkeys import PasskeyRecord
from authfactor.rules.audit.audit_log import NO_ORIGIN, AuditLog, Origin
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.code_refusals import assertion_refusal
from authfactor.rules.authentication.password_throttling import ThrottleLimit
from authfactor.rules.console import refused_attempts
from authfactor.rules.console.known_devices import KnownDevices
from authfactor.rules.console.operator_assertions import GivenAssertion, OperatorAssertions
from authfactor.rules.console.operator_sign_in import OperatorSignIn, SignInPaced, StartedSession, limit_of
from authfactor.rules.console.operators import CONSOLE, token_hash
from authfactor.rules.console.refused_attempts import UNKNOWN_PASSKEY, WRONG_PASSKEY
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Store, Unit
from authfactor.webauthn.refusals import CeremonyRefused

_REFUSED: Final = "The passkey was not accepted. Try again, or sign in with password and code."


class PasskeySignInForm(msgspec.Struct, frozen=True, gc=False):
    """A submitted assertion, as text, with the id under which the page asked for it."""

    asked_id: str
    assertion: str
    user_agent: str | None = None
    old_token: str | None = None
    device: str | None = None
    origin: Origin = NO_ORIGIN


class OperatorPasskeySignIn:
    """Starts sessions by a passkey alone."""

    def __init__(
        self,
        clock: Clock,
        sign_in: OperatorSignIn,
        assertions: OperatorAssertions,
        devices: KnownDevices,
        audit: AuditLog,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._sign_in = sign_in
        self._assertions = assertions
        self._devices = devices
        self._audit = audit

    async def prepare(self, store: Store, form: PasskeySignInForm) -> Unit[StartedSession]:
        """Prepare a sign-in. Raises `SignInPaced`, and `SignInRefused` for what can be no assertion.

        The unit raises both too, the latter after the commit of its count.
        """
        try:
            given = await self._assertions.read("sign_in", form.asked_id, form.assertion)
        except CeremonyRefused as refused:
            raise assertion_refusal(refused.reason, refused.message) from refused
        operator = await store.read(self._find(given))
        device = self._devices.recognize(operator, form.device)
        limit = limit_of(device, client_network(form.origin.address))
        # Only spares the database a write: the charge in the unit decides.
        await store.read(self._sign_in.check_open(limit))
        return self._accept(form, given, limit, None if operator is None else operator.id)

    @installation_unit
    async def passkeys_of_device(self, scope: InstallationScope, device: str | None) -> list[PasskeyRecord]:
        """Return the passkeys of the operator whose known device this is; none of any other device."""
        for operator in await scope.tx.operators.all() if device else ():
            if self._devices.recognize(operator, device) is not None:
                return await scope.tx.passkeys.of_user(CONSOLE.number, operator.id)
        return []

    @installation_unit
    async def _find(self, scope: InstallationScope, given: GivenAssertion) -> Operator | None:
        operator_id = await self._assertions.owner(scope, given)
        return None if operator_id is None else await scope.tx.operators.by_id(operator_id)

    @installation_unit
    async def _accept(
        self,
        scope: InstallationScope,
        form: PasskeySignInForm,
        given: GivenAssertion,
        limit: ThrottleLimit,
        operator_id: str | None,
    ) -> StartedSession:
        tx, console, origin = scope.tx, scope.within(CONSOLE), form.origin
        if not await password_throttling.charge(console, [limit]):
            raise SignInPaced(await password_throttling.opens_at(console, limit))
        operator = None if operator_id is None else await tx.operators.lock(operator_id)
        if operator is None or operator.state != "active":
            await self._audit_refusal(scope, None, UNKNOWN_PASSKEY, origin)
            raise _refusal()
        try:
            await self._assertions.accept(scope, given, operator, origin)
        except CeremonyRefused:
            await self._audit_refusal(scope, operator, WRONG_PASSKEY, origin)
            raise _refusal() from None
        await password_throttling.refund(console, [limit])
        if form.old_token:
            await tx.operator_sessions.end(token_hash(form.old_token), scope.now)
        return await self._sign_in.start(scope, operator, None, form.user_agent, origin, "passkey")

    async def _audit_refusal(
        self, scope: InstallationScope, operator: Operator | None, why: str, origin: Origin
    ) -> None:
        await refused_attempts.append(scope, self._audit, operator, "operator.sign_in_refused", why, origin)


def _refusal() -> errors.SignInRefused:
    return errors.SignInRefused("invalid_credentials", _REFUSED).after_commit()
