"""Invitations: a mailed link whose token opens sign-up, also where it is closed."""

from collections.abc import Callable
from typing import Final

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.email_errors import InvitationRefused
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, PageQuery, RecordPage
from authfactor.models.mailed import InvitationRecord
from authfactor.rules import pagination
from authfactor.rules.authentication.applied_policy import sign_in_options
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.email_flows.link_tokens import random_token, token_hash, url_with
from authfactor.rules.email_flows.magic_auth import required_email
from authfactor.rules.email_flows.outbox import Outbox
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire import invitations as wire
from authfactor.wire.invitations import IssuedInvitation
from authfactor.wire.requests import without_nul

DAY_MS: Final = 24 * 3600 * 1000
DEFAULT_DAYS: Final = 7
PAGE: Final = "/invitation"
KIND: Final = "Invitation"
NOT_PENDING: Final = ("invite_not_pending", "Invite is not pending.")
RESEND_REFUSALS: Final = {
    "expired": ("invite_expired", "Invite has expired."),
    "revoked": ("invite_revoked", "Invite has been revoked."),
    "accepted": ("invite_accepted", "Invite has already been accepted."),
}


class Invitations:
    """Creates, lists, resends, revokes and accepts invitations."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        outbox: Callable[[], Outbox],
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._outbox = outbox

    def create(self, environment: Environment, request: wire.CreateInvitation) -> Unit[IssuedInvitation]:
        """Invite an email address, and mail the link.

        Raises `InvalidRequest` and `InvitationRefused`. The unit raises `NotFound` for an unknown inviter,
        `InvitationRefused` for an email that has a user or an open invitation, and `SendLimitReached`.
        """
        email = required_email(request.email)
        days = DEFAULT_DAYS if request.expires_in_days is None else request.expires_in_days
        if days < 1:
            raise InvitationRefused("expires_in_days_too_short", "expires_in_days: at least 1.")
        if days > wire.MAX_DAYS:
            text = f"expires_in_days: at most {wire.MAX_DAYS}."
            raise InvitationRefused("expires_in_days_too_long", text)
        inviter = without_nul(request.inviter_user_id) if request.inviter_user_id else None
        return self._create(environment, email, days, inviter, request.locale or None)

    @unit
    async def _create(
        self, scope: Scope, email: str, days: int, inviter: str | None, locale: str | None
    ) -> IssuedInvitation:
        if inviter is not None and await scope.tx.users.by_id(scope.number, inviter) is None:
            raise errors.NotFound("User", inviter)
        if await scope.tx.users.by_email(scope.number, email) is not None:
            raise InvitationRefused("user_already_exists", "A user with this email already exists.")
        made, token = self._new_id(ids.INVITATION), random_token(self._entropy)
        record = InvitationRecord(
            id=made,
            email=email,
            organization_id=None,
            role_slug=None,
            inviter_user_id=inviter,
            accepted_user_id=None,
            locale=locale,
            token=self._vault.seal(token.encode(), _row(scope, made)),
            expires_at=scope.now + days * DAY_MS,
            accepted_at=None,
            revoked_at=None,
            created_at=scope.now,
            updated_at=scope.now,
        )
        if not await scope.tx.invitations.insert(scope.number, record, token_hash(token)):
            raise InvitationRefused("email_already_invited", "This email has an open invitation.")
        issued = self._issued(scope, record, token)
        await self._mail(scope, issued, locale)
        await self._emit(scope, event_log.INVITATION_CREATED, record)
        return issued

    @unit
    async def get(self, scope: Scope, invitation_id: str) -> IssuedInvitation:
        """Return an invitation with its token, in whatever state. Raises `NotFound`."""
        return self._issued(scope, await _load(scope, invitation_id))

    @unit
    async def by_token(self, scope: Scope, token: str) -> IssuedInvitation:
        """Return the invitation with a token, in whatever state. Raises `NotFound`."""
        record = await scope.tx.invitations.by_hash(scope.number, token_hash(token))
        if record is None:
            raise errors.NotFound(KIND, token)
        return self._issued(scope, record, token)

    @unit
    async def page(self, scope: Scope, query: PageQuery, email: str | None) -> RecordPage[IssuedInvitation]:
        """List invitations, all or those of an email. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await scope.tx.invitations.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await scope.tx.invitations.page(scope.number, query, email)
        page = pagination.page(items, query, more_before=more_before, more_after=more_after)
        return RecordPage([self._issued(scope, each) for each in page.items], page.before, page.after)

    @unit
    async def accept(self, scope: Scope, invitation_id: str) -> IssuedInvitation:
        """Accept an open invitation for the user who has its email.

        Raises `NotFound`, and `InvitationRefused` if it is not open, or there is no such user.
        """
        record = await _load(scope, invitation_id)
        user = await scope.tx.users.by_email(scope.number, record.email)
        if user is None and record.state(scope.now) == "pending":
            raise InvitationRefused("invalid_invite", "No user has the email of this invite.")
        accepted = None if user is None else await invitation_use.accept(scope, self._log, record.id, user)
        if accepted is None:
            raise InvitationRefused(*NOT_PENDING)
        return self._issued(scope, accepted)

    @unit
    async def revoke(self, scope: Scope, invitation_id: str) -> IssuedInvitation:
        """Revoke an open invitation. Raises `NotFound`, and `InvitationRefused` if it is not open."""
        await _load(scope, invitation_id)
        if not await scope.tx.invitations.revoke(scope.number, invitation_id, scope.now):
            raise InvitationRefused(*NOT_PENDING)
        revoked = await _load(scope, invitation_id)
        await self._outbox().cancel(scope, invitation_id)
        await self._emit(scope, event_log.INVITATION_REVOKED, revoked)
        return self._issued(scope, revoked)

    @unit
    async def resend(self, scope: Scope, invitation_id: str, locale: str | None = None) -> IssuedInvitation:
        """Mail the link of an open invitation again; it and its end stay the same.

        Raises `NotFound`, `InvitationRefused` if it is not open, and `SendLimitReached`.
        """
        record = await _load(scope, invitation_id)
        if not await scope.tx.invitations.touch(scope.number, invitation_id, scope.now):
            raise InvitationRefused(*RESEND_REFUSALS.get(record.state(scope.now), NOT_PENDING))
        issued = self._issued(scope, await _load(scope, invitation_id))
        await self._mail(scope, issued, locale or record.locale)
        await self._emit(scope, event_log.INVITATION_RESENT, issued.record)
        return issued

    async def _mail(self, scope: Scope, issued: IssuedInvitation, locale: str | None) -> None:
        await self._outbox().queue(
            scope,
            "invitation",
            to=issued.record.email,
            values={"url": issued.url},
            locale=locale,
            expires_at=issued.record.expires_at,
            reference=issued.record.id,
        )

    async def _emit(self, scope: Scope, name: str, record: InvitationRecord) -> None:
        await self._log.append(scope, name, None, wire.invitation_event(record, scope.now))

    def _issued(self, scope: Scope, record: InvitationRecord, token: str | None = None) -> IssuedInvitation:
        text = token or self._vault.unseal(record.token, _row(scope, record.id)).decode()
        own = f"{self._settings.base_url.rstrip('/')}{PAGE}"
        page = sign_in_options(scope.environment).invitation_url or own
        return IssuedInvitation(record, text, url_with(page, invitation_token=text), scope.now)


async def _load(scope: Scope, invitation_id: str) -> InvitationRecord:
    record = await scope.tx.invitations.by_id(scope.number, invitation_id)
    if record is None:
        raise errors.NotFound(KIND, invitation_id)
    return record


def _row(scope: Scope, invitation_id: str) -> SealedLocation:
    return SealedLocation("invitations", "token", scope.number, invitation_id)
