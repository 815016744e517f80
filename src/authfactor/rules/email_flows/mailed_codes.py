"""Six-digit codes that are mailed: made, compared within the user's budget of guesses, used once.

One is current for each user and purpose; a new one replaces it. It is compared as a keyed digest bound to its
row and purpose, and stored sealed as well, because applications that send their own mail read it (decision
0053).
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.email_identity import email_key
from authfactor.ids import IdGenerator
from authfactor.models import Entropy, FailureRecord, UserRecord
from authfactor.models.mailed import CodePurpose, MailedCode
from authfactor.otp import totp
from authfactor.rules.email_flows.outbox import Outbox
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.wire.events import LockedUser

LIFE_MS: Final = 600_000
KINDS: Final[dict[CodePurpose, tuple[str, str]]] = {
    "email_verification": (ids.EMAIL_VERIFICATION, "Email Verification"),
    "magic_auth": (ids.MAGIC_AUTH, "MagicAuth"),
    "email_change": (ids.EMAIL_CHANGE, "Email Change"),
}
"""The prefix of the ids, and the label in errors."""
_CODES: Final = 10**6
_ENTROPY_BYTES: Final = 16

CodeRefusal = Literal["malformed", "none", "mismatch", "expired", "used", "locked"]
"""Why a code was refused.

Only a wrong one counts. `none`: there is nothing to compare it with; `locked`: no guess is left.
"""


class IssuedCode(NamedTuple):
    """A code with its text."""

    record: MailedCode
    code: str


class MailedCodes:
    """Makes and redeems codes. Callers hold the lock on the user."""

    def __init__(
        self,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        outbox: Callable[[], Outbox],
    ) -> None:
        """Keep the collaborators; randomness comes from `entropy` alone."""
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._outbox = outbox

    async def issue(
        self,
        scope: Scope,
        user: UserRecord,
        purpose: CodePurpose,
        email: str,
        locale: str | None = None,
    ) -> IssuedCode:
        """Make the user's only code of a purpose and queue its mail, by default in the user's language.

        Raises `SendLimitReached`.
        """
        code = f"{int.from_bytes(self._entropy(_ENTROPY_BYTES), 'big') % _CODES:06d}"
        made = self._new_id(KINDS[purpose][0])
        record = MailedCode(
            id=made,
            purpose=purpose,
            user_id=user.id,
            email=email,
            digest=self._vault.digest(purpose, _bound(scope, made, code)),
            code=self._vault.seal(code.encode(), _row(scope, made)),
            attempts=0,
            created_at=scope.now,
            expires_at=scope.now + LIFE_MS,
        )
        outbox = self._outbox()
        replaced = await scope.tx.mailed_codes.current(scope.number, user.id, purpose)
        # First: at the limit, the code that was mailed before stays good.
        await outbox.queue(
            scope,
            purpose,
            to=email,
            user_id=user.id,
            values={"code": code},
            locale=locale or user.locale,
            expires_at=record.expires_at,
            reference=made,
        )
        if replaced is not None:
            await outbox.cancel(scope, replaced.id)
        await scope.tx.mailed_codes.put(scope.number, record)
        return IssuedCode(record, code)

    async def get(self, scope: Scope, purpose: CodePurpose, code_id: str) -> IssuedCode:
        """Return a code of a purpose, in whatever state. Raises `NotFound`."""
        record = await scope.tx.mailed_codes.by_id(scope.number, code_id)
        if record is None or record.purpose != purpose:
            raise errors.NotFound(KINDS[purpose][1], code_id)
        return IssuedCode(record, self._vault.unseal(record.code, _row(scope, record.id)).decode())

    async def is_open(self, scope: Scope, user: UserRecord, purpose: CodePurpose) -> bool:
        """Return whether a code of the user might be right now, without comparing one."""
        current = await scope.tx.mailed_codes.current(scope.number, user.id, purpose)
        record = await scope.tx.failures.of(scope.number, user.id)
        return (
            current is not None
            and current.used_at is None
            and current.expires_at > scope.now
            and current.attempts < self._settings.attempts_per_challenge
            and attempt_limits.locked_until(record, scope.now) is None
        )

    async def redeem(
        self, scope: Scope, user: UserRecord, purpose: CodePurpose, typed: str
    ) -> MailedCode | CodeRefusal:
        """Use the user's current code; return it, or why not. A wrong one is counted before it is compared.

        The caller raises after the commit, so that what was counted stays.
        """
        tx, number = scope.tx, scope.number
        digits = totp.clean_code(typed)
        current = await tx.mailed_codes.current(number, user.id, purpose)
        if digits is None or current is None or not _is_for(current, user):
            return "malformed" if digits is None else "none"
        record = await tx.failures.charge(number, user.id, scope.now // 1000)
        limit = self._settings.attempts_per_challenge
        is_locked = attempt_limits.locked_until(record, scope.now) is not None
        if is_locked or not await tx.mailed_codes.charge(number, current.id, limit):
            await tx.failures.write(number, user.id, attempt_limits.refund_refusal(record))
            return "locked"
        if not self._vault.has_made(current.digest, purpose, _bound(scope, current.id, digits)):
            await self._count(scope, user, record)
            return "mismatch"
        # Not `record_success`: who reads the mail has proven nothing about the user's other factors.
        await tx.failures.write(number, user.id, attempt_limits.refund_refusal(record))
        if current.used_at is not None:
            return "used"
        if not await tx.mailed_codes.spend(number, current.id, current.digest, scope.now):
            return "expired"
        return current

    async def _count(self, scope: Scope, user: UserRecord, record: FailureRecord) -> None:
        """Keep the charge, and lock the user if it was one too many."""
        settled = attempt_limits.record_failure(record, scope.now, self._settings)
        await scope.tx.failures.write(scope.number, user.id, settled)
        if attempt_limits.locked_until(settled, scope.now) is not None:
            await self._log.append(scope, event_log.USER_LOCKED, user.id, LockedUser(None, user.id))


def _is_for(current: MailedCode, user: UserRecord) -> bool:
    """Return whether a code proves something about the address that the user has now.

    That of an email change was mailed to another one.
    """
    return current.purpose == "email_change" or email_key(current.email) == email_key(user.email)


def _row(scope: Scope, code_id: str) -> SealedLocation:
    return SealedLocation("mailed_codes", "code", scope.number, code_id)


def _bound(scope: Scope, code_id: str, code: str) -> str:
    """Return what is digested: a code of another row or environment has another digest."""
    return f"{scope.number}\0{code_id}\0{code}"
