"""Email verification: a code proves that a user reads the mail of their address."""

from typing import Final

from authfactor import errors
from authfactor.email_errors import MailedCodeRefused
from authfactor.models import Clock, UserRecord
from authfactor.models.mailed import MailedCode
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.email_flows.mailed_codes import CodeRefusal, IssuedCode, MailedCodes
from authfactor.rules.email_flows.verified_users import mark_verified
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.wire import mailed
from authfactor.wire.requests import Authenticate

PURPOSE: Final = "email_verification"
_INCORRECT: Final = ("email_verification_code_incorrect", "Email verification code is incorrect.")
REFUSALS: Final[dict[CodeRefusal, tuple[str, str]]] = {
    "malformed": ("email_verification_code_incorrect", "A code is six digits. This was not counted."),
    "none": _INCORRECT,
    "mismatch": _INCORRECT,
    "expired": ("email_verification_code_expired", "Email verification code has expired."),
    "used": ("email_verification_code_previously_used", "Email verification code was used before."),
    "locked": ("one_time_code_too_many_attempts", "Too many wrong codes. Wait, then send a new one."),
}


class EmailVerifications:
    """Sends and confirms codes for the address that a user has."""

    def __init__(self, clock: Clock, log: EventLog, codes: MailedCodes) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._events = SignInEvents(log)
        self._codes = codes

    @unit
    async def send(self, scope: Scope, user_id: str, locale: str | None = None) -> UserRecord:
        """Mail a code to a user, which replaces the one before.

        Raises `NotFound`, `MailedCodeRefused` if the email is verified, and `SendLimitReached`.
        """
        user = await lock_user(scope, user_id)
        if user.email_verified:
            raise MailedCodeRefused("email_already_verified", "The email is verified already.")
        await self._issue(scope, user, locale)
        return user

    async def mail_once_more(self, scope: Scope, user: UserRecord) -> MailedCode:
        """Mail a code for a sign-in that needs it; at the limit, the one before if it is still good.

        Raises `SendLimitReached` when neither is possible.
        """
        try:
            return (await self._issue(scope, user)).record
        except errors.SendLimitReached:
            current = await scope.tx.mailed_codes.current(scope.number, user.id, PURPOSE)
            if current is None or not await self._codes.is_open(scope, user, PURPOSE):
                raise
            return current

    async def _issue(self, scope: Scope, user: UserRecord, locale: str | None = None) -> IssuedCode:
        issued = await self._codes.issue(scope, user, PURPOSE, user.email, locale)
        shape = mailed.email_verification_event(issued.record)
        await self._log.append(scope, event_log.EMAIL_VERIFICATION_CREATED, user.id, shape)
        return issued

    @unit
    async def confirm(self, scope: Scope, user_id: str, code: str) -> UserRecord:
        """Verify a user's email with the code that was mailed.

        Raises `NotFound`, and `MailedCodeRefused` after the commit of what was counted.
        """
        user = await lock_user(scope, user_id)
        if user.email_verified:
            raise MailedCodeRefused("email_previously_verified", "The email was verified before.")
        found = await self._codes.redeem(scope, user, PURPOSE, code)
        if not isinstance(found, MailedCode):
            refusal = MailedCodeRefused(*REFUSALS[found])
            refused = errors.SignInRefused(refusal.code, refusal.message)
            await self.emit_failed(scope, user, found, refused, Authenticate())
            raise refusal.after_commit()
        return await self.complete(scope, user, Authenticate())

    async def complete(self, scope: Scope, user: UserRecord, request: Authenticate) -> UserRecord:
        """Store that a code has verified the user's email; return the user."""
        verified = await mark_verified(scope, self._log, user)
        await self._events.emit(scope, event_log.EMAIL_VERIFICATION_SUCCEEDED, verified, request)
        return verified

    async def emit_failed(
        self,
        scope: Scope,
        user: UserRecord,
        refusal: CodeRefusal,
        error: errors.SignInRefused,
        request: Authenticate,
    ) -> None:
        """Append the event of a code that was refused; of those that nothing counts, a few."""
        if refusal == "mismatch" or await self._log.take_refusal_event_slot(scope, user.id):
            await self._events.emit(scope, event_log.EMAIL_VERIFICATION_FAILED, user, request, error)

    @unit
    async def get(self, scope: Scope, verification_id: str) -> IssuedCode:
        """Return a verification with its code, in whatever state. Raises `NotFound`."""
        return await self._codes.get(scope, PURPOSE, verification_id)


async def lock_user(scope: Scope, user_id: str) -> UserRecord:
    """Return a user, locked until the unit ends. Raises `NotFound`."""
    user = await scope.tx.users.lock(scope.number, user_id)
    if user is None:
        raise errors.NotFound("User", user_id)
    return user
