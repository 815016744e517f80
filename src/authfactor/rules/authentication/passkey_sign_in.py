"""Sign-in by a passkey alone: it names its user, and is two factors, as its authenticator verifies the user.

The options name no user and are stored nowhere, so a stranger who asks for them costs no row: the bytes to
sign follow from the id and the key ring. One insertion of the id uses it (decision 0047).
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from authfactor import errors, ids
from authfactor.crypto.vault import Vault
from authfactor.models import Clock, Environment, SignedIn, UserRecord
from authfactor.rules.authentication.applied_policy import require_method
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS, passkey_refusal
from authfactor.rules.authentication.password_throttling import stranger_subject
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.passkey_settings import relying_party_of
from authfactor.rules.factors.passkey_use import PasskeyUse, StoredPasskey
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.webauthn import base64url, options, responses
from authfactor.webauthn.assertion_text import MAX_TEXT, import_parsers
from authfactor.webauthn.ceremony import AssertionExpected
from authfactor.webauthn.refusals import CeremonyRefused, malformed
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import AssertionResponse
from authfactor.wire.passkeys import credential_bytes
from authfactor.wire.requests import Authenticate, without_nul

AUTHENTICATION: Final = "passkey_authentication_"
LIFE_MS: Final = 600_000
_PURPOSE: Final = "passkey authentication"


class PasskeyAuthentication(NamedTuple):
    """A sign-in to answer: its id, the options for the browser, and when it expires."""

    id: str
    public_key: dict[str, Any]
    expires_at: int


class PasskeyAttempt(NamedTuple):
    """A parsed request: the assertion, and what it must answer."""

    id: str
    created_at: int
    settings: RelyingParty
    expected: AssertionExpected
    response: AssertionResponse
    request: Authenticate


class CheckedPasskey(NamedTuple):
    """An assertion that was right when it was compared; `amr` None: but its passkey's counter went back."""

    attempt: PasskeyAttempt
    user_id: str
    amr: str | None


class PasskeySignIn:
    """The grant `urn:authfactor:oauth:grant-type:passkey`."""

    def __init__(
        self,
        clock: Clock,
        new_id: Callable[[str], str],
        vault: Vault,
        log: EventLog,
        settings: Settings,
        use: PasskeyUse,
        sessions: Sessions,
        step_up: StepUp,
    ) -> None:
        """Keep the collaborators; ids of `new_id` tell the clock's time, even if that was set back."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._events = SignInEvents(log)
        self._settings = settings
        self._use = use
        self._sessions = sessions
        self._step_up = step_up

    def begin(self, environment: Environment) -> PasskeyAuthentication:
        """Return options that are the same for each user. Raises `InvalidRequest`. Nothing is stored."""
        require_method(environment, "passkey")
        settings = relying_party_of(environment, self._settings)
        made = self._new_id(AUTHENTICATION)
        signed = bytes.fromhex(self._vault.digest(_PURPOSE, _bound(environment, made)))
        public_key = options.request_options(settings, signed, None)
        return PasskeyAuthentication(made, public_key, ids.milliseconds_of(made) + LIFE_MS)

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare a sign-in. The unit raises `SignInRefused`, after the commit of its event.

        The assertion is verified before tokens are signed, so that what strangers send costs no signature,
        and again in the unit, which counts it.
        """
        now = self._clock()
        checked = await self.check(store, environment, request, now)
        if not isinstance(checked, CheckedPasskey):
            return checked
        prepared = None
        if checked.amr is not None:
            prepared = await self._sessions.prepare(
                store,
                environment,
                checked.user_id,
                amr=checked.amr,
                now=now,
                ip_address=request.ip_address,
                user_agent=request.user_agent,
            )
        return lambda tx: self._accept(Scope(tx, environment, now), checked, prepared)

    async def check(
        self, store: Store, environment: Environment, request: Authenticate, now: int
    ) -> CheckedPasskey | Unit[NoReturn]:
        """Verify an assertion, or return the unit that refuses it. Raises `SignInMethodOff`."""
        require_method(environment, "passkey")
        await import_parsers()
        try:
            attempt = self._read(environment, request, now)
            settings, credential_id = attempt.settings, attempt.response.credential_id
            stored = await store.read(
                lambda tx: self._use.find(Scope(tx, environment, now), settings, credential_id)
            )
            user_id = "" if stored is None else stored.passkey.user_id
            return CheckedPasskey(attempt, user_id, self._judge(attempt, stored))
        except CeremonyRefused as refusal:
            return self._refuse(environment, request, passkey_refusal(refusal.reason))
        except errors.SignInRefused as refusal:
            return self._refuse(environment, request, refusal)

    def _judge(self, attempt: PasskeyAttempt, stored: StoredPasskey | None) -> str | None:
        """Return what `CheckedPasskey.amr` says. Raises `CeremonyRefused`."""
        try:
            self._use.judge(attempt.settings, attempt.expected, attempt.response, stored)
        except CeremonyRefused as refusal:
            if refusal.reason == "webauthn_counter_not_growing":
                return None
            raise
        assert stored is not None  # noqa: S101 - for the type checker: what is unknown was refused
        return stored.methods(after_password=False)

    async def _accept(
        self, scope: Scope, checked: CheckedPasskey, prepared: PreparedSession | None
    ) -> SignedIn:
        user = await self.accept(scope, checked)
        # Only a passkey that was not accepted has none.
        assert prepared is not None  # noqa: S101 - for the type checker
        return await self._sessions.start(scope, user, prepared)

    async def accept(self, scope: Scope, checked: CheckedPasskey) -> UserRecord:
        """Use the id, then the passkey; return its user, locked.

        Raises `SignInRefused`, after the commit of its event.
        """
        attempt, user_id, _ = checked
        number, passkeys = scope.number, scope.tx.passkeys
        user = await scope.tx.users.lock(number, user_id)
        # First: else the same request again would look like a copy of the passkey.
        expires_at = attempt.created_at + 2 * LIFE_MS
        if not await passkeys.use_authentication(number, attempt.id, user_id, expires_at, scope.now):
            raise errors.SignInRefused("one_time_code_previously_used", "This sign-in was answered before.")
        if await passkeys.is_restored_since(number, attempt.created_at):
            raise _expired()
        try:
            used = await self._use.use(scope, attempt.settings, attempt.expected, attempt.response)
        except CeremonyRefused as refusal:
            raise await self._told(scope, attempt.request, passkey_refusal(refusal.reason)) from None
        if user is None or checked.amr is None or used.passkey.user_id != user.id:
            raise _expired()
        if not await self._step_up.accepts_factor(scope, user, used.factor):
            wrong = errors.SignInRefused(*CODE_REFUSALS["method_not_allowed"], reason="method_not_allowed")
            raise await self._told(scope, attempt.request, wrong)
        await self._events.emit(scope, event_log.PASSKEY_SUCCEEDED, user, attempt.request)
        return user

    @unit
    async def _refuse(self, scope: Scope, request: Authenticate, refusal: errors.SignInRefused) -> NoReturn:
        raise await self._told(scope, request, refusal)

    async def _told(
        self, scope: Scope, request: Authenticate, refusal: errors.SignInRefused
    ) -> errors.SignInRefused:
        """Append the event of a refusal, a few for each network, and return the refusal."""
        if await self._log.take_refusal_event_slot(scope, stranger_subject(request.ip_address)):
            await self._events.emit(scope, event_log.PASSKEY_FAILED, None, request, refusal)
        return refusal.after_commit()

    def _read(self, environment: Environment, request: Authenticate, now: int) -> PasskeyAttempt:
        """Parse a request. Raises `CeremonyRefused`, and `SignInRefused` for an id that is too old."""
        given = without_nul(request.authentication_id or "")
        created_at = created_at_of(given)
        # In either direction: the clocks of two servers differ, and a clock may be set back.
        if created_at is None or abs(now - created_at) >= LIFE_MS:
            raise _expired()
        raw = credential_bytes(request.credential)
        if len(raw) > MAX_TEXT:
            raise malformed(f"The assertion is longer than {MAX_TEXT} bytes.")
        response = responses.read_assertion(raw)
        made = [bytes.fromhex(each) for each in self._vault.digests(_PURPOSE, _bound(environment, given))]
        signed = next(
            (each for each in made if base64url.encode(each) == response.client_data.challenge), made[-1]
        )
        settings = relying_party_of(environment, self._settings)
        return PasskeyAttempt(given, created_at, settings, AssertionExpected(signed, None), response, request)


def created_at_of(given: str) -> int | None:
    """Return when an id was made, in milliseconds; None for what is no such id."""
    if not given.startswith(AUTHENTICATION) or len(given) != len(AUTHENTICATION) + ids.ULID_LENGTH:
        return None
    try:
        return ids.milliseconds_of(given)
    except ValueError:
        return None


def _expired() -> errors.SignInRefused:
    return errors.SignInRefused("one_time_code_expired", "This sign-in has expired. Begin another one.")


def _bound(environment: Environment, given: str) -> str:
    return f"{environment.number}\0{given}"
