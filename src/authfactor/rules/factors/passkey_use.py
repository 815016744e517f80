"""A passkey used once: its row and its key are what they were at registration, and its counter grows.

For both purposes, as a second factor (`passkey_challenges`) and as the first (`passkey_sign_in`).
"""

from typing import Final, NamedTuple

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.models import FactorRecord
from authfactor.models.passkeys import PasskeyRecord
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.passkey_settings import known_model
from authfactor.rules.factors.sealed_passkey import SealedPasskey
from authfactor.rules.unit import InstallationScope, Scope
from authfactor.webauthn import ceremony, claims
from authfactor.webauthn.ceremony import (
    NOT_LOOKED_UP,
    AssertionExpected,
    KnownModel,
    RegisteredCredential,
    VerifiedAssertion,
)
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import AssertionResponse
from authfactor.wire.events import SuspectPasskey

# How often another assertion of the same passkey may come first.
_RACES: Final = 5
# The number of the console's own environment, which has no row.
_CONSOLE: Final = 0
_SUSPECT: Final = "webauthn_counter_not_growing"


class StoredPasskey(NamedTuple):
    """A passkey as it is stored, with the factor whose sealed secret it agrees with."""

    passkey: PasskeyRecord
    factor: FactorRecord
    credential: RegisteredCredential
    known: KnownModel

    def methods(self, *, after_password: bool) -> str:
        """Return the authentication methods (`amr`) of a sign-in with it."""
        model = self.known.model
        hardware = self.credential.trust == "attested" and model is not None and model.is_hardware
        eligible = self.passkey.backup_eligible
        return claims.methods(after_password=after_password, backup_eligible=eligible, hardware=hardware)


class PasskeyUse:
    """Finds, verifies and counts passkeys."""

    def __init__(self, vault: Vault, log: EventLog) -> None:
        """Keep the collaborators."""
        self._vault = vault
        self._log = log

    async def find(self, scope: Scope, settings: RelyingParty, credential_id: bytes) -> StoredPasskey | None:
        """Return the passkey with this credential id, of whichever user.

        Raises `CeremonyRefused` if its row is not the one that was registered: moved, or written by others.
        """
        number, tx, rp_id = scope.number, scope.tx, settings.rp_id
        passkey = await tx.passkeys.by_credential(number, rp_id, credential_id)
        factor = None if passkey is None else await tx.factors.by_id(number, passkey.factor_id)
        if passkey is None or factor is None:
            return None
        sealed = SealedPasskey.read(self._vault.unseal(factor.secret, secret_row(number, factor.id)))
        bound = sealed.user_id, sealed.rp_id, sealed.credential_id
        if {passkey.user_id, factor.user_id} != {sealed.user_id} or bound[1:] != (rp_id, credential_id):
            raise CeremonyRefused("webauthn_credential_not_allowed", "This is not the passkey as registered.")
        handle = await tx.passkeys.handle_of(number, sealed.user_id)
        credential = RegisteredCredential(
            sealed.public_key,
            passkey.sign_count,
            passkey.backup_eligible,
            sealed.aaguid,
            handle or b"",
            sealed.trust,
        )
        return StoredPasskey(passkey, factor, credential, await known_model(scope, settings, sealed.aaguid))

    async def is_unknown(self, scope: InstallationScope, rp_id: str, credential_id: bytes) -> bool:
        """Return whether no environment, nor the console, has a passkey with this credential id.

        A page that tells the browser so makes it delete the passkey, and environments may share an RP ID.
        """
        numbers = [_CONSOLE, *(each.number for each in await scope.tx.environments.all())]
        for number in numbers:
            if await scope.tx.passkeys.by_credential(number, rp_id, credential_id) is not None:
                return False
        return True

    def judge(
        self,
        settings: RelyingParty,
        expected: AssertionExpected,
        response: AssertionResponse,
        stored: StoredPasskey | None,
    ) -> VerifiedAssertion:
        """Verify an assertion. Raises `CeremonyRefused`, also for a passkey that is suspect."""
        credential, known = (None, NOT_LOOKED_UP) if stored is None else (stored.credential, stored.known)
        verified = ceremony.verify_assertion(settings, expected, response, credential, known)
        if stored is not None and stored.passkey.is_suspect:
            # Else the holder of a copy would only have to try until its counter is ahead.
            raise CeremonyRefused(_SUSPECT, "The counter went back before. Remove the passkey.")
        return verified

    async def use(
        self, scope: Scope, settings: RelyingParty, expected: AssertionExpected, response: AssertionResponse
    ) -> StoredPasskey:
        """Verify an assertion and count it, in the unit that closes its challenge.

        Raises `CeremonyRefused`; what a counter that went back leaves has to be committed.
        """
        tx, number = scope.tx, scope.number
        for _ in range(_RACES):
            stored = await self.find(scope, settings, response.credential_id)
            try:
                verified = self.judge(settings, expected, response, stored)
            except CeremonyRefused as refusal:
                if refusal.reason == _SUSPECT and stored is not None:
                    await self._suspect(scope, stored.passkey)
                raise
            if stored is None or not await tx.factors.use_passkey(number, stored.factor.id, scope.now):
                raise CeremonyRefused("webauthn_credential_unknown", "There is no such passkey.")
            passkey = stored.passkey
            # Compared and swapped: of two assertions with one count, one finds the count it was judged by.
            if await tx.passkeys.count(
                number,
                passkey.factor_id,
                passkey.sign_count,
                verified.sign_count,
                backed_up=verified.backed_up,
            ):
                if verified.counter_went_back:
                    await self._suspect(scope, passkey)
                await self._reseal(scope, stored.factor)
                return stored
        raise errors.Unavailable("The passkey is in use. Try again.")

    async def _suspect(self, scope: Scope, passkey: PasskeyRecord) -> None:
        """Note once that a counter went back, and tell it."""
        if await scope.tx.passkeys.suspect(scope.number, passkey.factor_id, scope.now):
            told = SuspectPasskey(passkey.factor_id, passkey.user_id, passkey.backup_eligible)
            await self._log.append(scope, event_log.PASSKEY_SUSPECT, passkey.user_id, told)

    async def _reseal(self, scope: Scope, factor: FactorRecord) -> None:
        if self._vault.is_stale(factor.secret):
            where = secret_row(scope.number, factor.id)
            sealed = self._vault.seal(self._vault.unseal(factor.secret, where), where)
            await scope.tx.factors.reseal(scope.number, factor.id, factor.secret, sealed)
