"""Email changes: a code mailed to the new address proves that the user reads it."""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from authfactor import errors
from authfactor.email_errors import EmailChangeAttemptsUsed, MailedCodeRefused
from authfactor.email_identity import email_key
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, Environment, UserRecord
from authfactor.models.mailed import MailedCode
from authfactor.rules.email_flows.email_verifications import lock_user
from authfactor.rules.email_flows.mailed_codes import MailedCodes
from authfactor.rules.email_flows.outbox import Outbox
from authfactor.rules.email_flows.verified_users import store
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants.users import is_email
from authfactor.rules.unit import Scope, unit
from authfactor.store import Unit
from authfactor.wire.requests import without_nul

PURPOSE: Final = "email_change"


class PendingEmailChange(NamedTuple):
    """A user, and the code mailed to the address that is to become theirs."""

    user: UserRecord
    record: MailedCode


class EmailChanges:
    """Sends and confirms email changes."""

    def __init__(self, clock: Clock, log: EventLog, codes: MailedCodes, outbox: Callable[[], Outbox]) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._codes = codes
        self._outbox = outbox

    def send(
        self, environment: Environment, user_id: str, new_email: str | None, locale: str | None = None
    ) -> Unit[PendingEmailChange]:
        """Mail a code to a new address, which replaces the one before.

        Raises `InvalidRequest`; the unit raises `NotFound`, `Conflict`, and `SendLimitReached`.
        """
        if not new_email or not new_email.strip():
            raise InvalidRequest(Item("new_email", "new_email_required", "new_email: required."))
        if not is_email(new_email):
            raise InvalidRequest(Item("new_email", "invalid_email", "new_email: not an email address."))
        return self._send(environment, user_id, without_nul(new_email).strip(), locale)

    @unit
    async def _send(
        self, scope: Scope, user_id: str, new_email: str, locale: str | None
    ) -> PendingEmailChange:
        user = await lock_user(scope, user_id)
        if email_key(new_email) == email_key(user.email):
            raise errors.Conflict("email_change_not_needed", "The user has this email already.")
        await _require_free(scope, user, new_email)
        issued = await self._codes.issue(scope, user, PURPOSE, new_email, locale)
        return PendingEmailChange(user, issued.record)

    @unit
    async def confirm(self, scope: Scope, user_id: str, code: str) -> UserRecord:
        """Change a user's email with the code that was mailed to the new address.

        Codes and links that were mailed to the old one end; sessions go on. Raises `NotFound`, `Conflict`,
        and, after the commit of what was counted, `MailedCodeRefused` and `EmailChangeAttemptsUsed`.
        """
        user = await lock_user(scope, user_id)
        found = await self._codes.redeem(scope, user, PURPOSE, code)
        if found == "locked":
            raise EmailChangeAttemptsUsed().after_commit()
        if found == "none":
            raise errors.Conflict("no_pending_email_change", "The user has no pending email change.")
        if found == "used":
            text = "This email change was confirmed before."
            raise errors.Conflict("email_change_code_previously_used", text).after_commit()
        if found == "expired":
            raise MailedCodeRefused("email_change_code_expired", "The code has expired.").after_commit()
        if not isinstance(found, MailedCode):
            raise MailedCodeRefused("email_change_code_incorrect", "The code is incorrect.").after_commit()
        await _require_free(scope, user, found.email)
        changed = await store(
            scope, self._log, msgspec.structs.replace(user, email=found.email, email_verified=True)
        )
        await scope.tx.mailed_codes.void_of_user(scope.number, user_id, scope.now)
        await self._outbox().queue(scope, "email_changed", to=user.email, user_id=user_id, locale=user.locale)
        return changed


async def _require_free(scope: Scope, user: UserRecord, email: str) -> None:
    """Raise `Conflict` if another user has this email, which undoes the unit: the code stays good."""
    other = await scope.tx.users.by_email(scope.number, email)
    if other is not None and other.id != user.id:
        raise errors.Conflict("email_not_available", "This email is not available.")
