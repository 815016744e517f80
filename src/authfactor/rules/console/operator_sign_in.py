"""Sign-in to the console, with password and code in one step, and the sessions of operators.

Failed attempts are paced by the network they come from; a device on which the operator has signed in before
has a limit of its own. So strangers cannot lock an operator out (decision 0034). Nothing that a stranger can
see depends on the account: unknown emails, wrong passwords, wrong codes and locked codes get one answer.

A code is compared only after the right password, and then counts in the operator's guess budget like every
code (decision 0003): charge, compare, spend.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from authfactor import errors, ids
from authfactor.ids import IdGenerator
from authfactor.ip_addresses import client_network
from authfactor.models import (
    Clock,
    Entropy,
    Operator,
    OperatorContext,
    OperatorSession,
    Verification,
)
from authfactor.otp import totp
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.code_refusals import operator_code_refusal
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.authentication.password_hashing import (
    KNOWN_OPERATORS,
    PasswordHasher,
    console_share,
)
from authfactor.rules.authentication.password_throttling import ThrottleLimit
from authfactor.rules.console import refused_attempts
from authfactor.rules.console.known_devices import KnownDevices
from authfactor.rules.console.operator_second_factor import OperatorSecondFactor, refusal
from authfactor.rules.console.operators import CONSOLE, token_hash
from authfactor.rules.console.refused_attempts import (
    UNKNOWN_OPERATOR,
    WRONG_PASSWORD,
)
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.webauthn.assertion_text import is_assertion
from authfactor.wire.requests import without_nul

if TYPE_CHECKING:
    from authfactor.rules.console.operator_assertions import GivenAssertion

# A session's last activity is written at most this often, so that pages do not need a commit.
TOUCH_MILLISECONDS: Final = 60_000
# Failed attempts in a burst, and how long until the next one (milliseconds).
ATTEMPTS: Final = 10
INTERVAL: Final = 30_000
MAX_USER_AGENT: Final = 300


class SignInForm(msgspec.Struct, frozen=True, gc=False):
    """A submitted sign-in form. `code` may be an assertion as text, asked for under `asked_id`.

    `old_token` is that of the browser's previous session, `device` the token of a known device, if any.
    """

    email: str
    password: str
    code: str
    ip_address: str | None = None
    user_agent: str | None = None
    old_token: str | None = None
    device: str | None = None
    origin: Origin = NO_ORIGIN
    asked_id: str = ""


class StartedSession(msgspec.Struct, frozen=True, gc=False):
    """A new session and the tokens for the browser's cookies: the session's and the device's."""

    context: OperatorContext
    token: str
    device: str


class SignInPaced(errors.TooManyAttempts):
    """Too many failed sign-ins from this network, or from this device; `locked_until` says how long."""

    code = "too_many_password_attempts"

    def __init__(self, locked_until: int) -> None:
        """`locked_until` is when the next attempt is allowed, in milliseconds since the epoch."""
        text = "Too many failed sign-ins from here. Wait a moment, then try again."
        errors.AuthfactorError.__init__(self, text)
        self.locked_until, self.hard_stop = locked_until, False


class OperatorSignIn:
    """Starts, finds and ends operators' sessions."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        hasher: PasswordHasher,
        second_factor: OperatorSecondFactor,
        devices: KnownDevices,
        audit: AuditLog,
        settings: Settings,
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._hasher = hasher
        self._second_factor = second_factor
        self._devices = devices
        self._audit = audit
        self._settings = settings

    async def prepare_sign_in(self, store: Store, form: SignInForm) -> Unit[StartedSession]:
        """Prepare a sign-in. An unknown email takes the same work as a wrong password.

        Raises `SignInPaced` and `Unavailable`; the unit raises both too, `SignInRefused` after the commit of
        its count, and on a known device `TooManyAttempts`. Raises `SignInRefused` for what can be neither a
        code nor an assertion.
        """
        # Before the password is compared: the answer tells nothing about it (decision 0036).
        read = self._second_factor.read
        given = await read(form.asked_id, form.code) if is_assertion(form.code) else None
        if given is None and totp.clean_code(form.code) is None:
            raise operator_code_refusal()
        email = without_nul(form.email)
        found = await store.read(lambda tx: tx.operators.by_email(email))
        known = found if found is not None and found.state == "active" and found.factor_id else None
        device, network = self._devices.recognize(known, form.device), client_network(form.origin.address)
        limit = limit_of(device, network)
        # Only spares the slow hash: the charge in the unit decides.
        await store.read(self.check_open(limit))
        share = console_share(network) if device is None else KNOWN_OPERATORS
        right = await self._hasher.verify(form.password, known.password_hash if known else None, share)
        return self._sign_in(form, known, limit, given, right=right, on_known_device=device is not None)

    @installation_unit
    async def check_open(self, scope: InstallationScope, limit: ThrottleLimit) -> None:
        """Raise `SignInPaced` while a limit is used up."""
        opens_at = await password_throttling.opens_at(scope.within(CONSOLE), limit)
        if opens_at > scope.now:
            raise SignInPaced(opens_at)

    @installation_unit
    async def _sign_in(
        self,
        scope: InstallationScope,
        form: SignInForm,
        known: Operator | None,
        limit: ThrottleLimit,
        given: "GivenAssertion | None",
        *,
        right: bool,
        on_known_device: bool,
    ) -> StartedSession:
        """Judge a form; `known` is the operator whose hash was compared, `right` its result."""
        tx, console = scope.tx, scope.within(CONSOLE)
        if not await password_throttling.charge(console, [limit]):
            raise SignInPaced(await password_throttling.opens_at(console, limit))
        if known is None or not right:
            why = UNKNOWN_OPERATOR if known is None else WRONG_PASSWORD
            await self._audit_refusal(scope, known, why, form.origin)
            raise refusal(by_passkey=given is not None).after_commit()
        operator = await tx.operators.lock(known.id)
        if operator is None or operator.password_hash != known.password_hash or operator.state != "active":
            raise errors.Unavailable("This operator has just been changed. Try again.")
        if given is None:
            told = on_known_device
            await self._second_factor.check_code(scope, operator, form.code, form.origin, tells_why=told)
        else:
            await self._second_factor.check_assertion(scope, operator, given, form.origin)
        await password_throttling.refund(console, [limit])
        if form.old_token:
            await tx.operator_sessions.end(token_hash(form.old_token), scope.now)
        how = None if given is None else "password and passkey"
        return await self.start(scope, operator, form.ip_address, form.user_agent, form.origin, how)

    @installation_unit
    async def finish_set_up(
        self,
        scope: InstallationScope,
        finish: Unit[tuple[Operator, Verification]],
        ip_address: str | None,
        user_agent: str | None,
        *,
        origin: Origin = NO_ORIGIN,
    ) -> StartedSession | Verification:
        """Finish a set-up and start the first session, in one unit: nothing can come between the two.

        `finish` is the unit of `OperatorSetUp.finish_set_up`. Returns its outcome when the code was wrong;
        raises what it raises.
        """
        operator, outcome = await finish(scope.tx)
        if not outcome.valid:
            return outcome
        return await self.start(scope, operator, ip_address, user_agent, origin)

    async def start(
        self,
        scope: InstallationScope,
        operator: Operator,
        ip_address: str | None,
        user_agent: str | None,
        origin: Origin,
        how: str | None = None,
    ) -> StartedSession:
        """Start the session of a locked operator whose second factor this unit has checked.

        `how` goes to the audit log where it was not password and code. Raises `Unauthorized` unless active.
        """
        now, token = scope.now, random_token(self._entropy)
        session = OperatorSession(
            self._new_id(ids.OPERATOR_SESSION),
            operator.id,
            ip_address,
            without_nul(user_agent)[:MAX_USER_AGENT] if user_agent else None,
            now,
            now,
            now + self._settings.console_session_life * 1000,
            None,
            # Every caller has just checked a second factor.
            now,
        )
        if not await scope.tx.operators.record_sign_in(operator.id, now):
            raise errors.Unauthorized
        stamped = msgspec.structs.replace(operator, last_sign_in_at=now)
        await scope.tx.operator_sessions.insert(token_hash(token), session)
        actor = Actor("operator", operator.id, operator.email)
        action = "operator.signed_in"
        await self._audit.append(scope.tx, actor, action, session.id, reason=how, origin=origin)
        return StartedSession(OperatorContext(stamped, session), token, self._devices.issue(operator))

    async def context_of(self, store: Store, token: str, *, active: bool = True) -> OperatorContext | None:
        """Return the operator and the session of a token; None when the session is over.

        `active` False: the page polls without the operator, which must not keep the session alive.
        """
        hashed, now = token_hash(token), self._clock()
        since = now - self._settings.console_session_inactivity * 1000
        found = await store.read(lambda tx: tx.operator_sessions.live_by_hash(hashed, now, since))
        if found is None:
            return None
        session, operator = found
        if active and now - session.last_active_at >= TOUCH_MILLISECONDS:
            await store.write(lambda tx: tx.operator_sessions.touch(hashed, now))
        return OperatorContext(operator, session)

    @installation_unit
    async def sign_out(self, scope: InstallationScope, token: str) -> bool:
        """End the session of a token; False when it was over."""
        return await scope.tx.operator_sessions.end(token_hash(token), scope.now)

    @installation_unit
    async def revoke(self, scope: InstallationScope, operator: Operator, session_id: str) -> None:
        """End one of an operator's own sessions. Raises `NotFound`."""
        if not await scope.tx.operator_sessions.end_by_id(operator.id, session_id, scope.now):
            raise errors.NotFound("Session", session_id)

    @installation_unit
    async def live(self, scope: InstallationScope, operator: Operator) -> list[OperatorSession]:
        """List an operator's sessions that are not over, newest first."""
        since = scope.now - self._settings.console_session_inactivity * 1000
        return await scope.tx.operator_sessions.live_of(operator.id, scope.now, since)

    async def _audit_refusal(
        self, scope: InstallationScope, operator: Operator | None, why: str, origin: Origin
    ) -> None:
        await refused_attempts.append(scope, self._audit, operator, "operator.sign_in_refused", why, origin)


def limit_of(device: str | None, network: str | None) -> ThrottleLimit:
    """Return the limit that a failed attempt counts against: its known device's, or its network's."""
    subject = f"address:{network or ''}" if device is None else f"device:{device}"
    return ThrottleLimit(subject, INTERVAL, ATTEMPTS)
