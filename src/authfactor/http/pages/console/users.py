"""Users: find one, see how the factors do, help."""

from typing import Final, NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.http.pages.console.console_request import PAGE_SIZE, ConsoleRequest, operator_page, page_links
from authfactor.http.response import Response
from authfactor.models import FactorRecord, PageQuery, UserRecord
from authfactor.otp import totp
from authfactor.rules.factors import attempt_limits
from authfactor.rules.links.links import IssuedLink
from authfactor.store import Tx, Unit
from authfactor.wire.links import CreateEnrollmentLink

RECENT_EVENT_SCAN: Final = 2000
LATEST: Final = 15
MAX_SESSIONS: Final = 50
WIDEST: Final = 2


class FactorRow(NamedTuple):
    """A factor as support looks at it; `drift` in seconds, positive when the phone is ahead."""

    factor: FactorRecord
    last_used: int | None
    drift: int | None


async def show_users(room: ConsoleRequest) -> Response:
    """List users, newest first, or those whose email or id begins as asked."""
    query = room.visit.query()
    asked = query.get("q", "").strip()
    if asked.startswith(ids.USER) and await room.af.read(lambda tx: _exists(tx, room, asked)):
        return room.redirect(f"{room.home}/users/{asked}")
    path = f"{room.home}/users"
    if asked:
        found = await _search(room, asked, query.get("after", ""))
        before, after = None, found[PAGE_SIZE - 1].email if len(found) > PAGE_SIZE else None
        users = found[:PAGE_SIZE]
    else:
        page = await room.af.read(room.af.users.page(room.environment, room.page_query(), None))
        users, before, after = page.items, page.before, page.after
    previous, following = page_links(path, query, before, after)
    return room.render(
        "users.html", here="users", users=users, asked=asked, previous=previous, following=following
    )


async def show_user(room: ConsoleRequest, issued: IssuedLink | None = None) -> Response:
    """Show a user: factors, lock, sessions, what happened lately; a new enrolment link, this once."""
    af, environment, user_id = room.af, room.environment, room.ids[0]
    user = await af.read(af.users.get(environment, user_id))
    number = environment.number
    factors = await af.read(lambda tx: tx.factors.of_user(number, user_id))
    record = await af.read(lambda tx: tx.failures.of(number, user_id))
    sessions = await af.read(af.sessions.page(environment, user_id, PageQuery(limit=MAX_SESSIONS)))
    latest = await af.read(lambda tx: tx.events.recent_of_user(number, user_id, RECENT_EVENT_SCAN, LATEST))
    now = af.clock()
    until = attempt_limits.locked_until(record, now)
    window = af.settings.lock_window
    return room.render(
        "user.html",
        here="users",
        user=user,
        metadata=msgspec.json.decode(user.metadata),
        factors=[_shown(factor) for factor in factors],
        recent=sum(at > now // 1000 - window for at in record.times),
        record=record,
        until=until,
        for_good=until == attempt_limits.NEVER,
        sessions=sessions.items,
        events=latest,
        among=RECENT_EVENT_SCAN,
        issued=issued,
        minutes=af.settings.link_life // 60,
    )


async def unlock(room: ConsoleRequest) -> Response:
    """Lift a lock."""
    unit = room.af.users.unlock(room.environment, room.ids[0])
    lifted = await room.act("user.unlock", unit, room.ids[0])
    return room.redirect(_address(room), "unlocked" if lifted else "nothing")


async def enroll(room: ConsoleRequest) -> Response:
    """Make a link by which the user enrols in a factor."""
    issued = await room.act("factor.enroll", _enrollment_link(room), lambda made: made.link.user_id)
    return await show_user(room, issued)


async def reset(room: ConsoleRequest) -> Response:
    """Delete all factors of a user, for somebody who has lost the phone; show a link to enrol anew."""
    unit = room.af.factors.reset(room.environment, room.ids[0])
    if not room.af.settings.base_url_is_safe:
        await room.act("factor.reset", unit, room.ids[0])
        return room.redirect(_address(room), "deleted")
    link = _enrollment_link(room)

    async def both(tx: Tx) -> IssuedLink:
        await unit(tx)
        return await link(tx)

    return await show_user(room, await room.act("factor.reset", both, room.ids[0]))


def _enrollment_link(room: ConsoleRequest) -> Unit[IssuedLink]:
    return room.af.links.create_enrollment(room.environment, CreateEnrollmentLink(user_id=room.ids[0]))


async def delete_factor(room: ConsoleRequest) -> Response:
    """Delete one factor."""
    user_id, factor_id = room.ids
    factor = await room.af.read(room.af.factors.get(room.environment, factor_id))
    if factor.user_id != user_id:
        raise errors.NotFound("Authentication Factor", factor_id)
    await room.act("factor.delete", room.af.factors.delete(room.environment, factor_id), factor_id)
    return room.redirect(_address(room), "deleted")


async def revoke_session(room: ConsoleRequest) -> Response:
    """End a session of a user."""
    session_id = room.ids[1]
    await room.act("session.revoke", room.af.sessions.revoke(room.environment, session_id), session_id)
    return room.redirect(_address(room), "ended")


async def delete_user(room: ConsoleRequest) -> Response:
    """Delete a user with everything that belongs to it."""
    await room.act("user.delete", room.af.users.delete(room.environment, room.ids[0]), room.ids[0])
    return room.redirect(f"{room.home}/users", "deleted")


def _address(room: ConsoleRequest) -> str:
    return f"{room.home}/users/{room.ids[0]}"


async def _exists(tx: Tx, room: ConsoleRequest, user_id: str) -> bool:
    return await tx.users.by_id(room.environment.number, user_id) is not None


async def _search(room: ConsoleRequest, asked: str, after: str) -> list[UserRecord]:
    number = room.environment.number
    return await room.af.read(lambda tx: tx.users.search(number, asked, after, PAGE_SIZE + 1))


def _shown(factor: FactorRecord) -> FactorRow:
    """Read the phone's clock from the last code: which step it was for, and when it came."""
    if factor.activated_at is None:
        return FactorRow(factor, None, None)
    ahead = factor.last_step - totp.step_at(factor.updated_at // 1000)
    # Further off than any window: a restore spent these steps, no code did.
    return FactorRow(factor, factor.updated_at, ahead * totp.PERIOD if abs(ahead) <= WIDEST else None)


ROUTES = [
    operator_page("GET", "/console/e/{environment}/users", show_users, "Users"),
    operator_page("GET", "/console/e/{environment}/users/{user}", show_user, "A user"),
    *(
        operator_page("POST", f"/console/e/{{environment}}/users/{path}", handler, summary, on_error=again)
        for path, handler, summary, again in (
            ("{user}/unlock", unlock, "Unlock a user", show_user),
            ("{user}/enroll", enroll, "Make an enrolment link", show_user),
            ("{user}/reset", reset, "Delete all factors of a user", show_user),
            ("{user}/delete", delete_user, "Delete a user", show_user),
            ("{user}/factors/{factor}/delete", delete_factor, "Delete a factor", show_user),
            ("{user}/sessions/{session}/revoke", revoke_session, "End a session", show_user),
        )
    ),
]
