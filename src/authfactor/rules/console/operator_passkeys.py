"""Passkeys of operators: their own ones, for the host of the console's URL (decision 0049).

They are rows of the environment that no API key can reach, like operators' factors: what stores, seals,
copies and restores users' passkeys does so with these. An operator always has an authenticator app besides.
"""

from typing import Final, NamedTuple

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, FactorDetails, Operator, OperatorContext
from authfactor.models.passkeys import PasskeyRecord
from authfactor.rules.console.operator_assertions import console_site
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.console.reauthentication import require_recent_authentication
from authfactor.rules.factors.passkeys import (
    PasskeyRegistration,
    Passkeys,
    RegisteredPasskey,
    checked_name,
    read_credential,
)
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import RegistrationResponse

MAX_PASSKEYS: Final = 10


class OperatorPasskey(NamedTuple):
    """A passkey of an operator, and its factor with name and times."""

    factor: FactorDetails
    passkey: PasskeyRecord


class OperatorPasskeys:
    """Registers, lists, renames and removes operators' passkeys."""

    def __init__(self, clock: Clock, settings: Settings, passkeys: Passkeys) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._passkeys = passkeys

    @installation_unit
    async def of_operator(self, scope: InstallationScope, operator_id: str) -> list[OperatorPasskey]:
        """Return an operator's passkeys, oldest first."""
        number = CONSOLE.number
        factors = {each.id: each for each in await scope.tx.factors.details_of_user(number, operator_id)}
        found = await scope.tx.passkeys.of_user(number, operator_id)
        return [OperatorPasskey(factors[each.factor_id], each) for each in found]

    def begin(self, context: OperatorContext, name: str) -> Unit[PasskeyRegistration]:
        """Open a registration of the acting operator's; "" is no name. Raises `InvalidRequest`.

        The unit raises it at `MAX_PASSKEYS`, and `ReauthenticationRequired` and `Unauthorized`.
        """
        return self._begin(context, checked_name(name.strip() or None), console_site(self._settings))

    @installation_unit
    async def _begin(
        self, scope: InstallationScope, context: OperatorContext, name: str | None, site: RelyingParty
    ) -> PasskeyRegistration:
        operator = await scope.tx.operators.lock(context.operator.id)
        session = await scope.tx.operator_sessions.live_by_id(context.session.id, scope.now)
        if operator is None or operator.state != "active" or session is None:
            raise errors.Unauthorized
        require_recent_authentication(session, scope.now)
        await _check_number(scope, operator.id)
        return await self._passkeys.offer(scope.within(CONSOLE), operator, name, site)

    def finish(self, operator: Operator, registration_id: str, credential: str) -> Unit[RegisteredPasskey]:
        """Store the passkey of a browser's response, for an operator whom the caller's unit has locked.

        Raises `InvalidRequest`. The unit raises it too, `NotFound`, `ChallengeExpired` and
        `ChallengeAlreadyVerified`.
        """
        response = read_credential(credential.encode("utf-8", "surrogatepass"))
        site = console_site(self._settings)
        return self._finish(operator, registration_id, response, site)

    @installation_unit
    async def _finish(
        self,
        scope: InstallationScope,
        operator: Operator,
        registration_id: str,
        response: RegistrationResponse,
        site: RelyingParty,
    ) -> RegisteredPasskey:
        await _check_number(scope, operator.id)
        return await self._passkeys.keep(scope.within(CONSOLE), operator, registration_id, response, site)

    def rename(self, operator_id: str, factor_id: str, name: str) -> Unit[None]:
        """Name an operator's passkey; "" removes the name. Raises `InvalidRequest`; the unit `NotFound`."""
        return self._rename(operator_id, factor_id, checked_name(name.strip() or None))

    @installation_unit
    async def _rename(
        self, scope: InstallationScope, operator_id: str, factor_id: str, name: str | None
    ) -> None:
        await _check_owner(scope, operator_id, factor_id)
        await scope.tx.factors.rename(CONSOLE.number, factor_id, name, scope.now)

    @installation_unit
    async def remove(self, scope: InstallationScope, operator_id: str, factor_id: str) -> None:
        """Delete an operator's passkey. Raises `NotFound`."""
        await _check_owner(scope, operator_id, factor_id)
        await scope.tx.passkeys.delete(CONSOLE.number, factor_id)
        await scope.tx.factors.delete(CONSOLE.number, factor_id)


async def _check_number(scope: InstallationScope, operator_id: str) -> None:
    if len(await scope.tx.passkeys.of_user(CONSOLE.number, operator_id)) >= MAX_PASSKEYS:
        text = f"An operator may have {MAX_PASSKEYS} passkeys. Remove one first."
        raise InvalidRequest(Item("name", "too_many_passkeys", text))


async def _check_owner(scope: InstallationScope, operator_id: str, factor_id: str) -> None:
    """Raise `NotFound` for the passkey of anyone else, as for an unknown one."""
    passkey = await scope.tx.passkeys.of_factor(CONSOLE.number, factor_id)
    if passkey is None or passkey.user_id != operator_id:
        raise errors.NotFound("Passkey", factor_id)
