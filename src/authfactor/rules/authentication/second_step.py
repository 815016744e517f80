"""The second step of a sign-in: a code for the pending token that the password gave."""

from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.models import (
    ChallengeRecord,
    Clock,
    Environment,
    FactorRecord,
    PendingSignIn,
    SignedIn,
    UserRecord,
)
from authfactor.otp import totp
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS, bad_pending, code_refusal
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.repeated_sign_ins import RepeatedSignIns
from authfactor.rules.authentication.session_state import AMR, begun_by
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp, password_mark
from authfactor.rules.events import event_log
from authfactor.rules.factors.challenge_state import LONG, long_code
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import Scope, unit
from authfactor.store import Shared, Store, Tx, Unit
from authfactor.webauthn.assertion_text import is_assertion
from authfactor.wire.requests import Authenticate, without_nul

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authfactor.otp.recovery_code import Method
    from authfactor.rules.authentication.trusted_sign_in import TrustedSignIn
    from authfactor.rules.factors.passkey_challenges import PasskeyChallenges

# For the event, which must not contain the token.
_PASSWORD_CHANGED: Final = errors.SignInRefused(
    "invalid_pending_authentication_token", "The password was changed since this sign-in began."
)


class SecondStep:
    """The grant `urn:workos:oauth:grant-type:mfa-totp`."""

    def __init__(
        self,
        clock: Clock,
        events: SignInEvents,
        challenges: Challenges,
        sessions: Sessions,
        repeated: RepeatedSignIns,
        step_up: StepUp,
        trusted: "Callable[[], TrustedSignIn]",
        passkeys: "Callable[[], PasskeyChallenges]",
    ) -> None:
        """Keep the collaborators; `trusted` handles tokens of trusted devices."""
        self._clock = clock
        self._events = events
        self._challenges = challenges
        self._sessions = sessions
        self._repeated = repeated
        self._step_up = step_up
        self._trusted = trusted
        self._passkeys = passkeys

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare the second step.

        One transaction spends pending token, challenge and step, and starts the session; a wrong code spends
        none of them but is counted. The same request again gets the same answer for a moment. The unit raises
        `SignInRefused` and `TooManyAttempts`.
        """
        token = request.pending_authentication_token or ""
        hashed = token_hash(token)
        pending = await store.read(lambda tx: tx.pending_sign_ins.by_hash(environment.number, hashed))
        now = self._clock()
        if pending is not None and pending.spent_at is not None:
            return lambda tx: self._answer_again(Scope(tx, environment, now), hashed, pending, request)
        if pending is None or pending.expires_at <= now:
            # Raised by a unit, so that a repeat of the request that spent the token gets the stored response.
            return self._refuse(environment, bad_pending(token))
        prepared = None
        from authfactor.otp.recovery_code import read_code  # noqa: PLC0415 - not needed at a start

        typed = read_code(request.code or "")
        if typed is not None and typed.method == "trusted_device":
            return await self._trusted().prepare(store, environment, hashed, pending, request, now)
        method = None if typed is None else typed.method
        if typed is not None and typed.imported:
            owner = pending.user_id
            method = await store.read(lambda tx: _foreign_method(Scope(tx, environment, now), owner, request))
        amr = None if method is None else AMR[method]
        by_passkey = is_by_passkey(request)
        if by_passkey:
            amr = await self._passkeys().amr_of(store, environment, request.code or "")
        if amr is not None:  # else it is refused, without a costly signature
            prepared = await self._sessions.prepare(
                store,
                environment,
                pending.user_id,
                amr=begun_by(pending.auth_method, amr),
                now=now,
                ip_address=request.ip_address,
                user_agent=request.user_agent,
            )
            if pending.invitation_id is not None:
                prepared = prepared._replace(invitation_id=pending.invitation_id)

        def accept(tx: Tx) -> "Awaitable[SignedIn]":
            return self._accept_code(Scope(tx, environment, now), hashed, pending, request, prepared)

        # Assertions of one passkey write one row, which units that share statements must not.
        return accept if by_passkey else Shared("SecondStep.accept", accept)

    async def _accept_code(
        self,
        scope: Scope,
        hashed: bytes,
        pending: PendingSignIn,
        request: Authenticate,
        prepared: PreparedSession | None,
    ) -> SignedIn:
        """Sign in the user of a pending token. `prepared` is None for what cannot be a code."""
        token = request.pending_authentication_token or ""
        challenge_id = without_nul(request.authentication_challenge_id or "")
        code = "" if prepared is None else request.code or ""
        user = await scope.tx.users.lock(scope.number, pending.user_id)
        if user is None:
            raise bad_pending(token)
        if password_mark(user.password_hash) != pending.password_mark:
            await self._events.emit_refused(scope, user, _PASSWORD_CHANGED, request)
            raise bad_pending(token).after_commit()
        try:
            challenge, factor = await self._load(scope, user, challenge_id)
            await self._check_method(scope, user, factor, request)
            outcome = await self._challenges.check(scope, challenge.id, code, emit=False)
        except (errors.SignInRefused, errors.TooManyAttempts) as refusal:
            # The same request may have completed since this one was prepared.
            repeated = await self._repeated.find(scope, user, hashed, request)
            if repeated is not None:
                return repeated
            await self._events.emit_refused(scope, user, refusal, request)
            raise refusal.after_commit() from None
        if not outcome.valid or prepared is None:
            wrong = code_refusal(outcome)
            if outcome.reason in {"code_malformed", "method_not_allowed"}:
                raise wrong
            await self._events.emit(scope, event_log.MFA_FAILED, user, request, wrong)
            raise wrong.after_commit()
        amr = outcome.amr
        if amr is not None and prepared.session.amr != begun_by(pending.auth_method, f"pwd {amr}"):
            # Rolls back: the passkey was registered after the tokens had been signed.
            raise errors.Unavailable("The passkey has just been registered. Try again.")
        answer = self._repeated.seal(scope.number, hashed, request, prepared)
        if not await scope.tx.pending_sign_ins.spend(scope.number, hashed, scope.now, answer):
            raise bad_pending(token)
        method = method_of(request, factor)
        await self._events.emit(scope, event_log.MFA_SUCCEEDED, user, request, method=method)
        if pending.session_id and not await self._sessions.end_replaced(scope, pending.session_id):
            raise bad_pending(token)
        return await self._sessions.start(scope, user, prepared)

    async def _answer_again(
        self, scope: Scope, hashed: bytes, pending: PendingSignIn, request: Authenticate
    ) -> SignedIn:
        """Return the answer to the request that spent a token, if this is the same one."""
        user = await scope.tx.users.lock(scope.number, pending.user_id)
        if user is not None and password_mark(user.password_hash) == pending.password_mark:
            repeated = await self._repeated.find(scope, user, hashed, request)
            if repeated is not None:
                return repeated
        raise bad_pending(request.pending_authentication_token or "").after_commit()

    async def method_beside_password(
        self, store: Store, environment: Environment, user: UserRecord, request: Authenticate, now: int
    ) -> "Method":
        """Return which kind of proof the code sent with a password is; reads only for eight digits."""
        method = method_of(request)
        if method != "recovery_code" or totp.clean_code(request.code or "", LONG) is None:
            return method
        if request.authentication_challenge_id is None:
            usable = await store.read(lambda tx: self._usable(Scope(tx, environment, now), user))
            return method_of(request, _fitting(usable, request) if usable else None)
        found = await store.read(lambda tx: _foreign_method(Scope(tx, environment, now), user.id, request))
        return method if found is None else found

    async def _usable(self, scope: Scope, user: UserRecord) -> list[FactorRecord]:
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        active = [factor for factor in factors if factor.activated_at is not None and factor.is_totp]
        return self._step_up.usable(scope, user, active)

    async def is_right_code(
        self, scope: Scope, user: UserRecord, request: Authenticate, method: "Method"
    ) -> bool:
        """Judge a code sent with a right password, on the given challenge or a new one; count it if wrong.

        Raises `Unavailable` if the code is no longer of the kind `method` that the tokens claim.
        """
        usable = await self._usable(scope, user)
        if not usable or is_by_passkey(request):
            return False
        try:
            if request.authentication_challenge_id is None:
                factor = _fitting(usable, request)
                challenge = await self._challenges.open(scope, factor.id)
            else:
                challenge_id = without_nul(request.authentication_challenge_id)
                challenge, factor = await self._load(scope, user, challenge_id)
                await self._check_method(scope, user, factor, request)
            if method_of(request, factor) != method:
                # Rolls back: the user's factors have changed since the tokens were signed.
                raise errors.Unavailable("The factors have just changed. Try again.")
            outcome = await self._challenges.check(scope, challenge.id, request.code or "", emit=False)
        except (errors.SignInRefused, errors.TooManyAttempts, errors.NotFound):
            return False
        return outcome.valid

    async def _load(
        self, scope: Scope, user: UserRecord, challenge_id: str
    ) -> tuple[ChallengeRecord, FactorRecord]:
        """Return challenge and factor. Raises `SignInRefused` unless the factor may sign this user in."""
        try:
            challenge, factor = await self._challenges.load(scope, challenge_id)
        except errors.ChallengeAlreadyVerified as error:
            raise errors.SignInRefused("one_time_code_previously_used", error.message) from error
        except errors.ChallengeExpired as error:
            raise errors.SignInRefused("one_time_code_expired", error.message) from error
        if factor.user_id != user.id:
            raise errors.SignInRefused("user_mismatch", "The challenge belongs to another user.")
        if challenge.session_id is not None:
            # Its code was asked for to confirm something else.
            raise errors.SignInRefused(
                "invalid_one_time_code", "This challenge belongs to a session. Use one of this sign-in."
            )
        if factor.activated_at is None:
            factors = await scope.tx.factors.of_user(scope.number, user.id)
            # Otherwise an attacker who has only the password could enroll a factor and bypass the real one.
            if any(other.activated_at is not None for other in factors):
                raise errors.SignInRefused(
                    "invalid_one_time_code", "This factor is not active. Use a challenge of an active factor."
                )
        return challenge, factor

    async def _check_method(
        self, scope: Scope, user: UserRecord, factor: FactorRecord, request: Authenticate
    ) -> None:
        """Raise `SignInRefused` if the user's policy accepts no factor of this kind.

        A recovery code is no proof of the challenge's factor; `check` asks the policy about it.
        """
        if method_of(request, factor) == "recovery_code":
            return
        if not await self._step_up.accepts_factor(scope, user, factor):
            raise errors.SignInRefused(*CODE_REFUSALS["method_not_allowed"], reason="method_not_allowed")

    @unit
    async def _refuse(self, _: Scope, refusal: errors.SignInRefused) -> SignedIn:
        raise refusal


def is_by_passkey(request: Authenticate) -> bool:
    """Return whether the code can only be the assertion of a passkey."""
    return is_assertion(request.code or "")


def method_of(request: Authenticate, factor: FactorRecord | None = None) -> "Method":
    """Return which kind of proof a code is; `totp` for what can be none, which is refused anyway.

    `factor` is the challenge's: eight digits are a code of an imported one that has such codes.
    """
    from authfactor.otp.recovery_code import read_code  # noqa: PLC0415 - not needed at a start

    if is_by_passkey(request):
        return "webauthn"
    if factor is not None and totp.clean_code(request.code or "", factor.digits) is not None:
        return "totp"
    typed = read_code(request.code or "")
    return "totp" if typed is None else typed.method


async def _foreign_method(scope: Scope, user_id: str, request: Authenticate) -> "Method | None":
    """Return which kind of proof a text is that may be another system's recovery code; None for none.

    On the challenge of an imported factor with eight digits, eight digits are its code.
    """
    challenge_id = without_nul(request.authentication_challenge_id or "")
    if await long_code(scope, challenge_id, request.code or "") is not None:
        return "totp"
    bits = await scope.tx.recovery_codes.imported_bits(scope.number, user_id)
    return None if bits is None else "recovery_code"


def _fitting(usable: list[FactorRecord], request: Authenticate) -> FactorRecord:
    """Return the newest factor whose codes have as many digits as this one, or the newest of all."""
    text = request.code or ""
    fitting = [factor for factor in usable if totp.clean_code(text, factor.digits) is not None]
    return (fitting or usable)[-1]
