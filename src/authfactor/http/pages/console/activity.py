"""The live list of events, and the audit log."""

from typing import Final

import msgspec

from authfactor.http.pages.console.console_request import ConsoleRequest, page_links
from authfactor.http.response import Response
from authfactor.models import EventRecord, RecordPage
from authfactor.rules import pagination
from authfactor.rules.audit import event_digests
from authfactor.rules.console.roles import ACTIONS
from authfactor.rules.events import event_log
from authfactor.store import Tx, Unit

EVENT_NAMES: Final = tuple(
    sorted(value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str))
)
OTHER_ACTIONS: Final = (
    "factors.export",
    "factors.import",
    "factor.resync",
    "user.grant_grace",
    "invitation.accept",
    "invitation.create",
    "invitation.resend",
    "invitation.revoke",
    "password_reset.create",
    "recovery_codes.create",
    "recovery_codes.delete",
    "recovery_codes.import",
    "branding.update",
    "cors_origin.create",
    "cors_origin.delete",
    "database.restored",
    "events.cleaned",
    "events.sealed",
    "link.create",
    "operator.confirmation_refused",
    "operator.locked",
    "operator.passkey_suspect",
    "operator.set_up",
    "operator.sign_in_refused",
    "operator.signed_in",
    "signing_key.rotate",
    "user.change_email",
    "user.create",
    "user.reset_password",
    "user.update",
    "user.verify_email",
    "vault.retire",
    "vault.rotate",
    "webauthn_metadata.load",
)
AUDIT_ACTIONS: Final = tuple(sorted((*ACTIONS, *OTHER_ACTIONS)))
BADGE_BY_WORD: Final = {
    "failed": "warn",
    "refused": "error",
    "locked": "error",
    "deleted": "warn",
    "suspected": "error",
}


async def show_events(request: ConsoleRequest) -> Response:
    """List events, newest first; the first page refreshes itself."""
    query = request.page_request.query()
    name = query.get("name", "")
    name = name if name in EVENT_NAMES else ""
    page = await request.af.read(_events(request, name))
    newer, older = page_links(f"{request.home}/events", query, page.before, page.after)
    return request.render(
        "events.html",
        here="events",
        events=page.items,
        names=EVENT_NAMES,
        name=name,
        badge=badge,
        newer=newer,
        older=older,
        first_page=not (query.get("before") or query.get("after")),
    )


def badge(name: str) -> str:
    """Return the CSS class of an event's badge."""
    return next((css_class for word, css_class in BADGE_BY_WORD.items() if word in name), "info")


def _events(request: ConsoleRequest, name: str) -> Unit[RecordPage[EventRecord]]:
    query, environment = request.page_query(), request.environment
    if name:
        return request.af.events.page(environment, event_log.EventQuery((name,), query))

    async def run(tx: Tx) -> RecordPage[EventRecord]:
        items, more_before, more_after = await tx.events.recent(environment.number, query)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    return run


async def show_audit(request: ConsoleRequest) -> Response:
    """List the audit log, newest first, filtered by action, actor and target."""
    query = request.page_request.query()
    filters = {name: query.get(name, "").strip() for name in ("action", "actor", "target")}
    unit = request.af.audit.page(
        request.page_query(), filters["action"] or None, filters["actor"] or None, filters["target"] or None
    )
    page = await request.af.read(unit)
    newer, older = page_links("/console/audit", query, page.before, page.after)
    return request.render(
        "audit.html",
        here="audit",
        entries=[
            msgspec.structs.replace(item, reason=event_digests.reason_text(item)) for item in page.items
        ],
        filters=filters,
        actions=AUDIT_ACTIONS,
        environment_names={item.number: item.name for item in request.environments},
        newer=newer,
        older=older,
    )
