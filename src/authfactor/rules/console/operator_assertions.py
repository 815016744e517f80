"""Assertions of operators' passkeys: to sign in, after the password, to confirm an action (decision 0049).

What is asked is stored nowhere: the bytes to sign follow from an id, the purpose, and the key ring. One
insertion of the id uses it. Nothing here counts in the guess budget of codes: a signature cannot be guessed.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from authfactor.crypto.vault import Vault
from authfactor.models import Clock, Operator
from authfactor.models.passkeys import PasskeyRecord
from authfactor.rules.audit.audit_log import Actor, AuditLog, Origin
from authfactor.rules.authentication.passkey_sign_in import AUTHENTICATION, LIFE_MS, created_at_of
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.factors.passkey_settings import relying_party_of
from authfactor.rules.factors.passkey_use import PasskeyUse
from authfactor.rules.unit import InstallationScope
from authfactor.settings import Settings
from authfactor.webauthn import base64url, options, responses
from authfactor.webauthn.assertion_text import MAX_TEXT, import_parsers
from authfactor.webauthn.ceremony import AssertionExpected
from authfactor.webauthn.refusals import CeremonyRefused, malformed
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import AssertionResponse

Purpose = Literal["sign_in", "second_step", "confirmation"]
SUSPECT: Final = "operator.passkey_suspect"
_PURPOSE: Final = "operator assertion"
_OVER: Final = "This page was answered before, or was open for too long. Try again."


class AskedAssertion(NamedTuple):
    """What a page asks for: the id to send back, and the options for the browser."""

    id: str
    public_key: dict[str, Any]


class GivenAssertion(NamedTuple):
    """A parsed assertion and the bytes that it must sign. `created_at`: when it was asked for."""

    id: str
    created_at: int
    purpose: Purpose
    signed: bytes
    response: AssertionResponse


def console_site(settings: Settings) -> RelyingParty:
    """Return the site of operators' passkeys. Raises `InvalidRequest` where browsers refuse passkeys."""
    return relying_party_of(CONSOLE, settings)


class OperatorAssertions:
    """Asks for assertions, and accepts each once."""

    def __init__(
        self,
        clock: Clock,
        new_id: Callable[[str], str],
        vault: Vault,
        audit: AuditLog,
        settings: Settings,
        use: PasskeyUse,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._audit = audit
        self._settings = settings
        self._use = use

    def ask(
        self, purpose: Purpose, session_id: str = "", own: list[PasskeyRecord] | None = None
    ) -> AskedAssertion:
        """Return what a page asks for. Raises `InvalidRequest` where browsers refuse passkeys.

        `own` are the passkeys of an operator who is signed in, or whose device is known: strangers are all
        asked for the same, which keys that cannot be discovered do not answer.
        """
        site, made = console_site(self._settings), self._new_id(AUTHENTICATION)
        signed = bytes.fromhex(self._vault.digest(_PURPOSE, _bound(purpose, session_id, made)))
        known = [
            options.KnownCredential(each.credential_id, tuple(each.transports.split()))
            for each in own or ()
            if each.rp_id == site.rp_id
        ]
        allowed = None if purpose == "sign_in" else known
        return AskedAssertion(made, options.request_options(site, signed, allowed))

    async def read(self, purpose: Purpose, asked_id: str, text: str, session_id: str = "") -> GivenAssertion:
        """Parse an assertion as text. Raises `CeremonyRefused` if it is none, or asked for too long ago.

        Raises `InvalidRequest` where browsers refuse passkeys, before anything is known about an account.
        """
        console_site(self._settings)
        await import_parsers()
        created_at = created_at_of(asked_id)
        # In either direction: the clocks of two servers differ, and a clock may be set back.
        if created_at is None or abs(self._clock() - created_at) >= LIFE_MS:
            raise _over()
        raw = text.strip().encode("utf-8", "surrogatepass")
        if len(raw) > MAX_TEXT:
            raise malformed(f"The assertion is longer than {MAX_TEXT} bytes.")
        response = responses.read_assertion(raw)
        bound = _bound(purpose, session_id, asked_id)
        made = [bytes.fromhex(each) for each in self._vault.digests(_PURPOSE, bound)]
        given = response.client_data.challenge
        signed = next((each for each in made if base64url.encode(each) == given), made[-1])
        return GivenAssertion(asked_id, created_at, purpose, signed, response)

    async def owner(self, scope: InstallationScope, given: GivenAssertion) -> str | None:
        """Return the id of the operator whom an assertion names, before anything of it is checked."""
        rp_id, credential_id = console_site(self._settings).rp_id, given.response.credential_id
        found = await scope.tx.passkeys.by_credential(CONSOLE.number, rp_id, credential_id)
        return None if found is None else found.user_id

    async def accept(
        self, scope: InstallationScope, given: GivenAssertion, operator: Operator, origin: Origin
    ) -> None:
        """Use an assertion of an operator whom this unit has locked.

        Raises `CeremonyRefused`; what a counter that went back leaves has to be committed.
        """
        tx, console, number = scope.tx, scope.within(CONSOLE), CONSOLE.number
        site, response = console_site(self._settings), given.response
        own = [each for each in await tx.passkeys.of_user(number, operator.id) if each.rp_id == site.rp_id]
        by_id = {each.credential_id: each for each in own}
        if response.credential_id not in by_id:
            raise CeremonyRefused("webauthn_credential_not_allowed", "This is no passkey of yours.")
        allowed = None if given.purpose == "sign_in" else tuple(by_id)
        expected = AssertionExpected(given.signed, allowed)
        stored = await self._use.find(console, site, response.credential_id)
        try:
            self._use.judge(site, expected, response, stored)
        except CeremonyRefused as refusal:
            if refusal.reason != "webauthn_counter_not_growing":
                raise
        # Before it is counted: else the same form sent twice would look like a copy of the passkey.
        kept_until = given.created_at + 2 * LIFE_MS
        if not await tx.passkeys.use_authentication(number, given.id, operator.id, kept_until, scope.now):
            raise _over()
        if await tx.passkeys.is_restored_since(number, given.created_at):
            raise _over()
        refused = None
        try:
            await self._use.use(console, site, expected, response)
        except CeremonyRefused as refusal:
            refused = refusal
        await self._tell_suspect(scope, by_id[response.credential_id], operator, origin)
        if refused is not None:
            raise refused

    async def _tell_suspect(
        self, scope: InstallationScope, before: PasskeyRecord, operator: Operator, origin: Origin
    ) -> None:
        """Append an audit entry once a counter has gone back."""
        after = await scope.tx.passkeys.of_factor(CONSOLE.number, before.factor_id)
        if after is not None and after.suspect_at is not None and before.suspect_at is None:
            actor = Actor("operator", operator.id, operator.email)
            await self._audit.append(scope.tx, actor, SUSPECT, before.factor_id, origin=origin)


def _over() -> CeremonyRefused:
    return CeremonyRefused("webauthn_challenge_mismatch", _OVER)


def _bound(purpose: Purpose, session_id: str, given: str) -> str:
    return f"{purpose}\0{session_id}\0{given}"
