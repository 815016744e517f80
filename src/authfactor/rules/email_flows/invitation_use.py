"""Invitations that a sign-in brings: looked at before anything is spent, accepted with its session."""

from typing import Final

from authfactor import errors
from authfactor.models import Environment, UserRecord
from authfactor.models.mailed import InvitationRecord
from authfactor.rules.email_flows.link_tokens import token_hash
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.store import Store
from authfactor.wire import invitations as wire

UNUSABLE: Final = ""


async def find_pending(scope: Scope, token: str) -> str | None:
    """Return the id of the invitation with this token if it is open, else None."""
    found = await scope.tx.invitations.by_hash(scope.number, token_hash(token))
    return found.id if found is not None and found.state(scope.now) == "pending" else None


async def look_up(store: Store, environment: Environment, token: str, now: int) -> str:
    """Return the id of the invitation that a sign-in brings, `UNUSABLE` for one that is not open.

    That is refused by the unit, so that a repeat of the request that accepted it gets the stored response,
    and a guess at a password is counted before.
    """
    return await store.read(lambda tx: find_pending(Scope(tx, environment, now), token)) or UNUSABLE


def require_usable(invitation_id: str | None) -> None:
    """Raise `OAuthRefused` for an invitation that `look_up` did not find open."""
    if invitation_id == UNUSABLE:
        raise invalid()


async def accept(
    scope: Scope, log: EventLog, invitation_id: str, user: UserRecord
) -> InvitationRecord | None:
    """Accept an open invitation for a user; return it, or None if it is not open."""
    invitations, number = scope.tx.invitations, scope.number
    is_accepted = await invitations.accept(number, invitation_id, scope.now, user.id)
    record = await invitations.by_id(number, invitation_id) if is_accepted else None
    if record is None:
        return None
    shape = wire.invitation_event(record, scope.now)
    await log.append(scope, event_log.INVITATION_ACCEPTED, user.id, shape)
    return record


async def accept_with_session(scope: Scope, log: EventLog, invitation_id: str, user: UserRecord) -> None:
    """Accept the invitation of a sign-in. Raises `OAuthRefused`, which undoes it, if it is not open."""
    if await accept(scope, log, invitation_id, user) is None:
        raise invalid()


def invalid() -> errors.OAuthRefused:
    """Return the refusal of an invitation that is unknown or not open; it does not say which."""
    return errors.OAuthRefused("invitation_invalid", "The invitation is not valid, or no longer open.")
