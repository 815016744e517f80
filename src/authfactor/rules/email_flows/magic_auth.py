"""Magic codes: six digits, mailed to a person who wants to sign in or up."""

from typing import Final

from authfactor import errors
from authfactor.email_errors import SignInMethodOff
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, Environment, UserRecord
from authfactor.rules.authentication.applied_policy import require_method, require_sign_up
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.email_flows.mailed_codes import IssuedCode, MailedCodes
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants.users import Users, is_email
from authfactor.rules.unit import Scope, unit
from authfactor.store import Unit
from authfactor.wire import mailed
from authfactor.wire.requests import without_nul

PURPOSE: Final = "magic_auth"


class MagicCodes:
    """Makes magic codes. `magic_sign_in` accepts them."""

    def __init__(self, clock: Clock, log: EventLog, users: Users, codes: MailedCodes) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._users = users
        self._codes = codes

    def create(
        self,
        environment: Environment,
        email: str | None,
        invitation_token: str | None = None,
        locale: str | None = None,
    ) -> Unit[IssuedCode]:
        """Mail a code, which replaces the one before; an unknown email becomes a user.

        Raises `InvalidRequest`, and `OAuthRefused` where magic codes do not sign in. The unit raises
        `OAuthRefused` for an invitation that is not open, and for an unknown email where sign-up is closed
        and no invitation opens it; and `SendLimitReached`.
        """
        address = required_email(email)
        try:
            require_method(environment, "magic_auth")
        except SignInMethodOff as off:
            raise errors.OAuthRefused(off.code, off.message) from None
        return self._create(environment, address, invitation_token or None, locale)

    @unit
    async def _create(
        self, scope: Scope, email: str, invitation_token: str | None, locale: str | None
    ) -> IssuedCode:
        invited = invitation_token is not None
        if (
            invitation_token is not None
            and await invitation_use.find_pending(scope, invitation_token) is None
        ):
            raise invitation_use.invalid()
        user = await self._user(scope, email, invited=invited)
        issued = await self._codes.issue(scope, user, PURPOSE, user.email, locale)
        shape = mailed.magic_auth_event(issued.record)
        await self._log.append(scope, event_log.MAGIC_AUTH_CREATED, user.id, shape)
        return issued

    async def _user(self, scope: Scope, email: str, *, invited: bool) -> UserRecord:
        """Return the user of an email, locked; a new one, unverified, if it is unknown."""
        found = await scope.tx.users.by_email(scope.number, email)
        if found is None:
            if not invited:
                require_sign_up(scope.environment)
            found = await self._users.sign_up(scope, email)
        # Of a user who has just been deleted, a code is of no use.
        return await scope.tx.users.lock(scope.number, found.id) or found

    @unit
    async def get(self, scope: Scope, magic_auth_id: str) -> IssuedCode:
        """Return a magic code, in whatever state. Raises `NotFound`."""
        return await self._codes.get(scope, PURPOSE, magic_auth_id)


def required_email(email: str | None) -> str:
    """Return an address without what surrounds it. Raises `InvalidRequest`."""
    if not email or not email.strip():
        raise InvalidRequest(Item("email", "email_string_required", "email: required."))
    if not is_email(email):
        raise InvalidRequest(Item("email", "email_invalid", "email: not an email address."))
    return without_nul(email).strip()
