"""Challenges that a passkey answers: their options, and the assertion in place of a code (decision 0047)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.models import ChallengeRecord, Clock, Environment, FactorRecord, Verification
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import challenge_state
from authfactor.rules.factors.passkey_settings import relying_party_of, relying_party_of_pages
from authfactor.rules.factors.passkey_use import PasskeyUse, StoredPasskey
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Store
from authfactor.webauthn import base64url, claims, options, responses
from authfactor.webauthn.assertion_text import MAX_TEXT, import_parsers
from authfactor.webauthn.ceremony import AssertionExpected
from authfactor.webauthn.refusals import CeremonyRefused, malformed
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import AssertionResponse
from authfactor.wire.events import RefusedAttempt

if TYPE_CHECKING:
    from authfactor.rules.authentication.session_raising import SessionRaising

_PURPOSE: Final = "passkey challenge"


class PasskeyChallenges:
    """Opens challenges of passkeys and verifies assertions."""

    def __init__(
        self,
        clock: Clock,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        use: PasskeyUse,
        session_raising: "Callable[[], SessionRaising]",
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._vault = vault
        self._log = log
        self._settings = settings
        self._use = use
        self._session_raising = session_raising

    async def open(self, scope: Scope, challenge: ChallengeRecord) -> ChallengeRecord:
        """Write a new challenge of a passkey and return it with its options. Raises `NotFound`."""
        factor = await scope.tx.factors.by_id(scope.number, challenge.factor_id)
        if factor is None or factor.is_totp:
            raise errors.NotFound("Authentication Factor", challenge.factor_id)
        await scope.tx.challenges.insert(scope.number, challenge)
        return await self.with_options(scope, challenge, factor)

    async def with_options(
        self, scope: Scope, challenge: ChallengeRecord, factor: FactorRecord
    ) -> ChallengeRecord:
        """Return a challenge with its options, if it is a passkey's and browsers take the settings.

        Any of the user's passkeys may answer. The bytes to sign follow from the challenge's id and the key
        ring, so that nothing more is stored.
        """
        if factor.is_totp or challenge_state.stale(challenge, scope.now) is not None:
            return challenge
        try:
            settings = relying_party_of(scope.environment, self._settings)
        except errors.InvalidRequest:
            return challenge  # a recovery code still answers it
        known = await _known(scope, settings, factor.user_id or "")
        return msgspec.structs.replace(challenge, public_key=self._options(scope, settings, challenge, known))

    async def options_on_page(
        self, scope: Scope, challenge: ChallengeRecord, user_id: str
    ) -> dict[str, Any] | None:
        """Return options for a hosted page, whose challenge of any factor a passkey of the user may answer.

        None if the user has none, or browsers would not use them there.
        """
        settings = relying_party_of_pages(scope.environment, self._settings)
        known = [] if settings is None else await _known(scope, settings, user_id)
        if settings is None or not known or challenge_state.stale(challenge, scope.now) is not None:
            return None
        return self._options(scope, settings, challenge, known)

    def _options(
        self,
        scope: Scope,
        settings: RelyingParty,
        challenge: ChallengeRecord,
        known: list[options.KnownCredential],
    ) -> dict[str, Any]:
        signed = bytes.fromhex(self._vault.digest(_PURPOSE, _bound(scope, challenge.id)))
        return options.request_options(settings, signed, known)

    @unit
    async def get(self, scope: Scope, challenge_id: str) -> ChallengeRecord:
        """Return a challenge, with its options while a passkey can answer it. Raises `NotFound`."""
        found = await scope.tx.challenges.with_factor(scope.number, challenge_id)
        if found is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        return await self.with_options(scope, *found)

    @unit
    async def answer(self, scope: Scope, challenge_id: str, text: str) -> Verification:
        """Check an assertion as `verify` does, as a unit."""
        return await self.verify(scope, challenge_id, text, emit=True)

    async def verify(
        self, scope: Scope, challenge_id: str, text: str, *, emit: bool, on_page: bool = False
    ) -> Verification:
        """Check an assertion. A wrong one is a result: it costs a try of the challenge and locks no user.

        Nothing is repeated: of any number of requests with one assertion, one closes the challenge.
        `on_page`: a challenge of a hosted page takes a passkey whatever factor it is of. Raises `NotFound`,
        `ChallengeExpired`, `ChallengeAlreadyVerified`, `TooManyAttempts` and `SessionEnded`.
        """
        found = await scope.tx.challenges.with_factor(scope.number, challenge_id)
        if found is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        challenge, factor = found
        challenge_state.require_open(challenge, scope.now)
        if factor.is_totp and not on_page:
            return await challenge_state.refuse_malformed(scope, challenge, factor, self._settings)
        limit = self._settings.attempts_per_challenge
        if not await scope.tx.challenges.charge(scope.number, challenge_id, limit):
            latest = await scope.tx.challenges.by_id(scope.number, challenge_id)
            if latest is not None and latest.verified_at is not None:
                raise errors.ChallengeAlreadyVerified(challenge_id)
            raise errors.TooManyAttempts(locked_until=None)
        try:
            used = await self._answer(scope, challenge, factor, text)
        except CeremonyRefused as refused:
            return await self._refuse(scope, challenge, factor, refused, emit=emit)
        if not await scope.tx.challenges.close(scope.number, challenge_id, scope.now):
            # Rolls back: the count stays as it was.
            raise errors.ChallengeAlreadyVerified(challenge_id)
        amr = used.methods(after_password=False)
        if challenge.session_id is not None:
            raising = self._session_raising()
            await raising.raise_session(scope, challenge, used.factor, "webauthn", amr)
        return Verification(challenge_state.closed(challenge, scope.now), valid=True, amr=amr)

    async def amr_of(self, store: Store, environment: Environment, text: str) -> str | None:
        """Return the methods that a session will have if this assertion is right; None if it cannot be.

        Asked before any lock is held, as tokens are signed then.
        """
        await import_parsers()
        try:
            settings = relying_party_of(environment, self._settings)
            response = _read(text)
        except (CeremonyRefused, errors.InvalidRequest):
            return None
        now, credential_id = self._clock(), response.credential_id
        try:
            stored = await store.read(
                lambda tx: self._use.find(Scope(tx, environment, now), settings, credential_id)
            )
        except CeremonyRefused:
            stored = None
        if stored is None:  # the unit says why
            return claims.methods(after_password=True, backup_eligible=False)
        return stored.methods(after_password=True)

    async def _answer(
        self, scope: Scope, challenge: ChallengeRecord, factor: FactorRecord, text: str
    ) -> StoredPasskey:
        settings = relying_party_of(scope.environment, self._settings)
        response = _read(text)
        known = await scope.tx.passkeys.of_user(scope.number, factor.user_id or "")
        allowed = tuple(each.credential_id for each in known if each.rp_id == settings.rp_id)
        expected = AssertionExpected(self._signed(scope, challenge.id, response), allowed)
        return await self._use.use(scope, settings, expected, response)

    def _signed(self, scope: Scope, challenge_id: str, response: AssertionResponse) -> bytes:
        """Return the bytes to sign; a challenge may be from before the newest key came to the ring."""
        made = [bytes.fromhex(each) for each in self._vault.digests(_PURPOSE, _bound(scope, challenge_id))]
        given = response.client_data.challenge
        return next((each for each in made if base64url.encode(each) == given), made[-1])

    async def _refuse(
        self,
        scope: Scope,
        challenge: ChallengeRecord,
        factor: FactorRecord,
        refusal: CeremonyRefused,
        *,
        emit: bool,
    ) -> Verification:
        if emit and await self._log.take_refusal_event_slot(scope, factor.user_id or factor.id):
            data = RefusedAttempt(challenge.id, factor.id, factor.user_id, refusal.reason)
            await self._log.append(scope, event_log.ATTEMPT_REFUSED, factor.user_id, data)
        left = max(self._settings.attempts_per_challenge - challenge.attempts - 1, 0)
        return Verification(challenge, valid=False, reason=refusal.reason, attempts_remaining=left)


def _read(text: str) -> AssertionResponse:
    raw = text.strip().encode("utf-8", "surrogatepass")
    if len(raw) > MAX_TEXT:
        raise malformed(f"The assertion is longer than {MAX_TEXT} bytes.")
    return responses.read_assertion(raw)


async def _known(scope: Scope, settings: RelyingParty, user_id: str) -> list[options.KnownCredential]:
    return [
        options.KnownCredential(each.credential_id, tuple(each.transports.split()))
        for each in await scope.tx.passkeys.of_user(scope.number, user_id)
        if each.rp_id == settings.rp_id
    ]


def _bound(scope: Scope, challenge_id: str) -> str:
    return f"{scope.number}\0{challenge_id}"
