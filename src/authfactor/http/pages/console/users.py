"""Users: search, factors, locks and sessions, and actions for support."""

from typing import Final, NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.http.pages import passkey_rows
from authfactor.http.pages.console.console_request import PAGE_SIZE, ConsoleRequest, page_links
from authfactor.http.pages.console.environments import POLICY_LABELS
from authfactor.http.pages.console.mfa_policies import DECISIONS, OUTCOME_LABELS
from authfactor.http.pages.passkey_rows import PasskeyFacts
from authfactor.http.response import Response
from authfactor.models import FactorDetails, PageQuery, UserRecord
from authfactor.models.passkeys import PasskeyRecord
from authfactor.otp import totp
from authfactor.rules.factors import attempt_limits
from authfactor.rules.links.links import IssuedLink
from authfactor.store import Tx, Unit
from authfactor.wire import mfa_policies
from authfactor.wire.links import CreateEnrollmentLink, CreateFactorsLink
from authfactor.wire.requests import RenameFactor

RECENT_EVENT_SCAN: Final = 2000
RECENT_EVENTS: Final = 15
MAX_SESSIONS: Final = 50
MAX_DRIFT_STEPS: Final = 2


class FactorRow(NamedTuple):
    """A factor; `drift` is the phone's clock minus ours in seconds, or None if unknown.

    `passkey` is what is known of a passkey; None for an app, and for a passkey without its row.
    """

    factor: FactorDetails
    label: str
    last_used: int | None
    drift: int | None
    passkey: PasskeyFacts | None


async def show_users(request: ConsoleRequest) -> Response:
    """List users, newest first; or search by the start of the email, or by id."""
    query = request.page_request.query()
    search = query.get("q", "").strip()
    if search.startswith(ids.USER) and await request.af.read(lambda tx: _exists(tx, request, search)):
        return request.redirect(f"{request.home}/users/{search}")
    path = f"{request.home}/users"
    if search:
        matches = await _search(request, search, query.get("after", ""))
        before, after = None, matches[PAGE_SIZE - 1].email if len(matches) > PAGE_SIZE else None
        users = matches[:PAGE_SIZE]
    else:
        page = await request.af.read(request.af.users.page(request.environment, request.page_query(), None))
        users, before, after = page.items, page.before, page.after
    newer, older = page_links(path, query, before, after)
    return request.render("users.html", here="users", users=users, search=search, newer=newer, older=older)


async def show_user(request: ConsoleRequest, issued: IssuedLink | None = None) -> Response:
    """Show a user: factors, lock, sessions, recent events. The URL of an `issued` link is shown only now."""
    af, environment, user_id = request.af, request.environment, request.ids[0]
    user = await af.read(af.users.get(environment, user_id))
    number = environment.number
    factors = await af.read(lambda tx: tx.factors.details_of_user(number, user_id))
    passkeys = await af.read(af.passkeys.of_user(environment, user_id))
    by_factor = {each.factor_id: each for each in passkeys}
    record = await af.read(lambda tx: tx.failures.of(number, user_id))
    codes = await af.read(lambda tx: tx.recovery_codes.count(number, user_id))
    sessions = await af.read(af.sessions.page(environment, user_id, PageQuery(limit=MAX_SESSIONS)))
    devices = await af.read(af.trusted_devices.list_of_user(environment, user_id))
    recent_events = await af.read(
        lambda tx: tx.events.recent_of_user(number, user_id, RECENT_EVENT_SCAN, RECENT_EVENTS)
    )
    policy = await af.read(af.mfa_policies.of_user(environment, user_id))
    now = af.clock()
    locked_until = attempt_limits.locked_until(record, now)
    window_start = now // 1000 - af.settings.lock_window
    return request.render(
        "user.html",
        here="users",
        user=user,
        metadata=msgspec.json.decode(user.metadata),
        factors=[_factor_row(factor, by_factor.get(factor.id)) for factor in factors],
        recent_failures=sum(seconds > window_start for seconds in record.times),
        record=record,
        recovery_codes=codes,
        policy=mfa_policies.user_policy(policy),
        policies=POLICY_LABELS,
        outcomes=OUTCOME_LABELS,
        decisions=DECISIONS,
        locked_until=locked_until,
        is_permanent=locked_until == attempt_limits.NEVER,
        sessions=sessions.items,
        devices=devices,
        events=recent_events,
        scanned_events=RECENT_EVENT_SCAN,
        issued=issued,
        link_minutes=af.settings.link_life // 60,
    )


async def unlock(request: ConsoleRequest) -> Response:
    """Lift a lock."""
    unit = request.af.users.unlock(request.environment, request.ids[0])
    lifted = await request.act("user.unlock", unit, request.ids[0])
    return request.redirect(_user_path(request), "unlocked" if lifted else "nothing")


async def enroll(request: ConsoleRequest) -> Response:
    """Create an enrollment link and show it."""
    issued = await request.act("factor.enroll", _enrollment_link(request), lambda made: made.link.user_id)
    return await show_user(request, issued)


async def link_to_factors(request: ConsoleRequest) -> Response:
    """Create a link to the page on which the user manages their factors, and show it."""
    body = CreateFactorsLink(user_id=request.ids[0])
    unit = request.af.links.create_factors(request.environment, body)
    issued = await request.act("link.create", unit, lambda made: made.link.id)
    return await show_user(request, issued)


async def reset(request: ConsoleRequest) -> Response:
    """Delete all factors of a user who has lost the phone, and show a new enrollment link."""
    unit = request.af.factors.reset(request.environment, request.ids[0])
    if not request.af.settings.base_url_is_safe:
        await request.act("factor.reset", unit, request.ids[0])
        return request.redirect(_user_path(request), "deleted")
    link = _enrollment_link(request)

    async def reset_and_link(tx: Tx) -> IssuedLink:
        await unit(tx)
        return await link(tx)

    return await show_user(request, await request.act("factor.reset", reset_and_link, request.ids[0]))


def _enrollment_link(request: ConsoleRequest) -> Unit[IssuedLink]:
    return request.af.links.create_enrollment(
        request.environment, CreateEnrollmentLink(user_id=request.ids[0])
    )


async def delete_factor(request: ConsoleRequest) -> Response:
    """Delete one factor."""
    user_id, factor_id = request.ids
    await _check_owner(request, user_id, factor_id)
    await request.act("factor.delete", request.af.factors.delete(request.environment, factor_id), factor_id)
    return request.redirect(_user_path(request), "deleted")


async def rename_factor(request: ConsoleRequest) -> Response:
    """Rename one factor; without a name, pages show what the app or the product is called."""
    user_id, factor_id = request.ids
    await _check_owner(request, user_id, factor_id)
    name = RenameFactor(name=request.field("factor_name") or None)
    unit = request.af.factors.rename(request.environment, factor_id, name)
    await request.act("factor.rename", unit, factor_id)
    return request.redirect(_user_path(request), "renamed")


async def _check_owner(request: ConsoleRequest, user_id: str, factor_id: str) -> None:
    """Raise `NotFound` unless the factor is this user's."""
    factor = await request.af.read(request.af.factors.get(request.environment, factor_id))
    if factor.user_id != user_id:
        raise errors.NotFound("Authentication Factor", factor_id)


async def revoke_session(request: ConsoleRequest) -> Response:
    """End a session of a user."""
    user_id, session_id = request.ids
    unit = request.af.sessions.revoke(request.environment, session_id, user_id=user_id)
    await request.act("session.revoke", unit, session_id)
    return request.redirect(_user_path(request), "ended")


async def revoke_device(request: ConsoleRequest) -> Response:
    """End a trusted device of a user."""
    user_id, device_id = request.ids
    unit = request.af.trusted_devices.revoke(request.environment, user_id, device_id)
    await request.act("trusted_device.revoke", unit, device_id)
    return request.redirect(_user_path(request), "ended")


async def delete_user(request: ConsoleRequest) -> Response:
    """Delete a user with all factors and sessions."""
    await request.act(
        "user.delete", request.af.users.delete(request.environment, request.ids[0]), request.ids[0]
    )
    return request.redirect(f"{request.home}/users", "deleted")


def _user_path(request: ConsoleRequest) -> str:
    return f"{request.home}/users/{request.ids[0]}"


async def _exists(tx: Tx, request: ConsoleRequest, user_id: str) -> bool:
    return await tx.users.by_id(request.environment.number, user_id) is not None


async def _search(request: ConsoleRequest, prefix: str, after: str) -> list[UserRecord]:
    number = request.environment.number
    return await request.af.read(lambda tx: tx.users.search(number, prefix, after, PAGE_SIZE + 1))


def _factor_row(factor: FactorDetails, passkey: PasskeyRecord | None) -> FactorRow:
    """Derive the phone's clock drift from the time step of the last code and the time it was used."""
    facts = None if passkey is None else passkey_rows.facts_of(passkey)
    account = f"{factor.issuer}: {factor.account}"
    if not factor.is_totp:
        label = factor.name if facts is None else passkey_rows.label_of(factor, facts)
        return FactorRow(factor, label or "Passkey", factor.last_used_at, None, facts)
    label = factor.name or account
    if factor.activated_at is None:
        return FactorRow(factor, label, None, None, None)
    used = factor.updated_at if factor.last_used_at is None else factor.last_used_at
    steps = factor.last_step - totp.step_at(used // 1000, factor.period)
    # Larger than any window: a restore spent these steps, not a code.
    drift = steps * factor.period if abs(steps) <= MAX_DRIFT_STEPS else None
    return FactorRow(factor, label, used, drift, None)
