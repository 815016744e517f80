"""Passkeys: registered in two steps, the options and the response to them (decision 0047)."""

from typing import Any, Final, NamedTuple, Protocol

import msgspec

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import FACTOR, IdGenerator
from authfactor.models import Clock, Entropy, Environment
from authfactor.models.passkeys import PasskeyCeremony, PasskeyFactor, PasskeyRecord
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.factors import MAX_NAME, Factors
from authfactor.rules.factors.passkey_settings import known_model, relying_party_of
from authfactor.rules.factors.sealed_passkey import SealedPasskey
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.webauthn import ceremony, options, responses
from authfactor.webauthn.product_names import product_name
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import RegistrationResponse
from authfactor.wire import responses as wire
from authfactor.wire.events import FactorEvent

REGISTRATION: Final = "passkey_registration_"
LIFE_MS: Final = 600_000
_PURPOSE: Final = "registration"
_SALT_BYTES: Final = 32


class PasskeyRegistration(NamedTuple):
    """An open registration: its id, the options for the browser, and when it expires."""

    id: str
    public_key: dict[str, Any]
    expires_at: int


class PasskeyOwner(Protocol):
    """A user, or an operator of the console."""

    @property
    def id(self) -> str:
        """Whose passkeys those with this `user_id` are."""

    @property
    def email(self) -> str:
        """What browsers show."""


class RegisteredPasskey(NamedTuple):
    """A new factor and its passkey."""

    factor: PasskeyFactor
    passkey: PasskeyRecord


class Passkeys:
    """Registers passkeys."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        factors: Factors,
    ) -> None:
        """Keep the collaborators; `factors` knows how many a user may have."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._factors = factors

    def settings_of(self, environment: Environment) -> RelyingParty:
        """Return an environment's settings. Raises `InvalidRequest` if no browser would take them."""
        return relying_party_of(environment, self._settings)

    def begin(
        self, environment: Environment, user_id: str, name: str | None = None, replaced: str | None = None
    ) -> Unit[PasskeyRegistration]:
        """Open a registration; `replaced` is a factor that goes when it is finished.

        Raises `InvalidRequest`; the unit raises `NotFound`, and `InvalidRequest` at the limit.
        """
        settings = self.settings_of(environment)
        return self._begin(environment, user_id, checked_name(name), settings, replaced)

    @unit
    async def _begin(
        self, scope: Scope, user_id: str, name: str | None, settings: RelyingParty, replaced: str | None
    ) -> PasskeyRegistration:
        user = await scope.tx.users.lock(scope.number, user_id)
        if user is None:
            raise errors.NotFound("User", user_id)
        await self._factors.enforce_limit(scope, user_id, replaced)
        return await self.offer(scope, user, name, settings)

    async def offer(
        self, scope: Scope, owner: PasskeyOwner, name: str | None, settings: RelyingParty
    ) -> PasskeyRegistration:
        """Open a registration of someone whom this unit has locked."""
        passkeys, user_id = scope.tx.passkeys, owner.id
        handle = await passkeys.handle_of(scope.number, user_id)
        if handle is None:
            handle = self._entropy(options.USER_HANDLE_BYTES)
            await passkeys.keep_handle(scope.number, user_id, handle)
        existing = [
            options.KnownCredential(each.credential_id, tuple(each.transports.split()))
            for each in await passkeys.of_user(scope.number, user_id)
            if each.rp_id == settings.rp_id
        ]
        opened = PasskeyCeremony(
            self._new_id(REGISTRATION),
            _PURPOSE,
            user_id,
            name,
            self._entropy(options.CHALLENGE_BYTES),
            scope.now + LIFE_MS,
        )
        await passkeys.open_ceremony(scope.number, opened)
        shown = options.Account(handle, owner.email, owner.email)
        made = options.creation_options(settings, shown, opened.challenge, existing)
        return PasskeyRegistration(opened.id, made, opened.expires_at)

    @unit
    async def of_user(self, scope: Scope, user_id: str) -> list[PasskeyRecord]:
        """Return a user's passkeys, oldest first; none of an unknown user."""
        return await scope.tx.passkeys.of_user(scope.number, user_id)

    @unit
    async def of_factor(self, scope: Scope, factor_id: str) -> PasskeyRecord | None:
        """Return the passkey of a factor; None for one of another type."""
        return await scope.tx.passkeys.of_factor(scope.number, factor_id)

    def finish(
        self,
        environment: Environment,
        user_id: str,
        registration_id: str,
        credential: bytes,
        name: str | None = None,
    ) -> Unit[RegisteredPasskey]:
        """Store the passkey of a browser's response, active at once. A refused response leaves it open.

        `name`: from a page on which the user typed it beside the response, of which what cannot be one is
        left out, because the browser has the passkey already. Raises `InvalidRequest` with the reason. The
        unit raises it too, `NotFound`, `ChallengeExpired` and `ChallengeAlreadyVerified`.
        """
        settings = self.settings_of(environment)
        response = read_credential(credential)
        return self._finish(environment, user_id, registration_id, response, settings, _cleaned(name))

    @unit
    async def _finish(
        self,
        scope: Scope,
        user_id: str,
        registration_id: str,
        response: RegistrationResponse,
        settings: RelyingParty,
        name: str | None,
    ) -> RegisteredPasskey:
        user = await scope.tx.users.lock(scope.number, user_id)
        if user is None:
            raise _no_registration(registration_id)
        await self._factors.enforce_limit(scope, user_id)
        registered = await self.keep(scope, user, registration_id, response, settings, name)
        factor = registered.factor
        await self._log.append(scope, event_log.FACTOR_ENROLLED, user_id, wire.factor(factor.details))
        await self._log.append(scope, event_log.FACTOR_ACTIVATED, user_id, FactorEvent(factor.id, user_id))
        return registered

    async def keep(
        self,
        scope: Scope,
        owner: PasskeyOwner,
        registration_id: str,
        response: RegistrationResponse,
        settings: RelyingParty,
        name: str | None = None,
    ) -> RegisteredPasskey:
        """Store the passkey of someone whom this unit has locked. Raises what the unit of `finish` raises."""
        opened = await scope.tx.passkeys.ceremony(scope.number, registration_id)
        if opened is None or (opened.user_id, opened.purpose) != (owner.id, _PURPOSE):
            raise _no_registration(registration_id)
        try:
            known = await known_model(scope, settings, ceremony.aaguid_of(response))
            made = ceremony.verify_registration(settings, opened.challenge, response, known=known)
        except CeremonyRefused as refusal:
            raise _refused(refusal) from refusal
        if not await scope.tx.passkeys.close_ceremony(scope.number, opened.id, scope.now):
            if opened.used_at is None:
                raise errors.ChallengeExpired(opened.id, opened.expires_at)
            raise errors.ChallengeAlreadyVerified(opened.id)
        opened = opened if name is None else msgspec.structs.replace(opened, name=name)
        registered = self._record(scope, opened, owner.email, settings, made, known)
        if not await scope.tx.passkeys.insert(scope.number, registered.factor, registered.passkey):
            # Rolls back: the registration stays open.
            message = "credential: this passkey is registered already."
            raise InvalidRequest(Item("credential", "webauthn_credential_exists", message))
        return registered

    def _record(
        self,
        scope: Scope,
        opened: PasskeyCeremony,
        account: str,
        settings: RelyingParty,
        made: ceremony.NewCredential,
        known: ceremony.KnownModel,
    ) -> RegisteredPasskey:
        factor_id, user_id = self._new_id(FACTOR), opened.user_id or ""
        sealed = SealedPasskey(
            self._entropy(_SALT_BYTES),
            user_id,
            settings.rp_id,
            made.id,
            made.algorithm,
            made.public_key,
            made.aaguid,
            made.trust,
        )
        secret = self._vault.seal(sealed.written(), secret_row(scope.number, factor_id))
        factor = PasskeyFactor(factor_id, user_id, settings.rp_name, account, secret, opened.name, scope.now)
        passkey = PasskeyRecord(
            factor_id,
            user_id,
            settings.rp_id,
            made.id,
            made.sign_count,
            made.aaguid,
            " ".join(made.transports),
            made.backup_eligible,
            made.backed_up,
            made.discoverable,
            made.attachment,
            made.format,
            made.trust,
            product=product_name(made.aaguid, None if known.model is None else known.model.description),
        )
        return RegisteredPasskey(factor, passkey)


def _cleaned(name: str | None) -> str | None:
    """Return what can be kept of a name that is shown again, at most `MAX_NAME` characters; None: nothing."""
    visible = "".join(each for each in name or "" if each.isprintable()).strip()
    return visible[:MAX_NAME].strip() or None


def checked_name(name: str | None) -> str | None:
    """Return the name of a passkey as it is stored. Raises `InvalidRequest`."""
    if name is None:
        return None
    if not (0 < len(name.strip()) <= MAX_NAME and name.isprintable()):
        text = f"name: 1 to {MAX_NAME} characters, all of them visible."
        raise InvalidRequest(Item("name", "name_invalid", text))
    return name.strip()


def read_credential(credential: bytes) -> RegistrationResponse:
    """Parse what a browser returned for a registration. Raises `InvalidRequest`."""
    try:
        return responses.read_registration(credential)
    except CeremonyRefused as refusal:
        raise _refused(refusal) from refusal


def _no_registration(registration_id: str) -> errors.NotFound:
    return errors.NotFound("Passkey Registration", registration_id)


def _refused(refusal: CeremonyRefused) -> InvalidRequest:
    return InvalidRequest(Item("credential", refusal.reason, f"credential: {refusal.message}"))
