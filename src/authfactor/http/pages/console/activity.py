"""What happened: the live list of events, and the list of what operators changed."""

from typing import Final

import msgspec

from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page, page_links
from authfactor.http.response import Response
from authfactor.models import EventRecord, RecordPage
from authfactor.rules import pagination
from authfactor.rules.audit import event_digests
from authfactor.rules.console.roles import ACTIONS
from authfactor.rules.events import event_log
from authfactor.store import Tx, Unit

NAMES: Final = tuple(
    sorted(value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str))
)
OTHERS: Final = (
    "branding.update",
    "database.restored",
    "events.cleaned",
    "events.sealed",
    "link.create",
    "operator.locked",
    "operator.set_up",
    "operator.signed_in",
    "signing_key.rotate",
    "user.create",
    "user.update",
    "vault.retire",
    "vault.rotate",
)
AUDITED: Final = tuple(sorted((*ACTIONS, *OTHERS)))
TONES: Final = {"failed": "warn", "refused": "error", "locked": "error", "deleted": "warn"}


async def show_events(request: ConsoleRequest) -> Response:
    """List events, newest first; the page asks again by itself for the newest."""
    query = request.visit.query()
    name = query.get("name", "")
    name = name if name in NAMES else ""
    page = await request.af.read(_events(request, name))
    previous, following = page_links(f"{request.home}/events", query, page.before, page.after)
    return request.render(
        "events.html",
        here="events",
        events=page.items,
        names=NAMES,
        name=name,
        tone=tone,
        previous=previous,
        following=following,
        newest=not (query.get("before") or query.get("after")),
    )


def tone(name: str) -> str:
    """Choose the colour of an event's badge."""
    return next((shade for word, shade in TONES.items() if word in name), "info")


def _events(request: ConsoleRequest, name: str) -> Unit[RecordPage[EventRecord]]:
    query, environment = request.page_query(), request.environment
    if name:
        return request.af.events.page(environment, event_log.EventQuery((name,), query))

    async def run(tx: Tx) -> RecordPage[EventRecord]:
        items, more_before, more_after = await tx.events.recent(environment.number, query)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    return run


async def show_audit(request: ConsoleRequest) -> Response:
    """List what operators changed, newest first; by action, operator and target."""
    query = request.visit.query()
    asked = {name: query.get(name, "").strip() for name in ("action", "actor", "target")}
    unit = request.af.audit.page(
        request.page_query(), asked["action"] or None, asked["actor"] or None, asked["target"] or None
    )
    page = await request.af.read(unit)
    previous, following = page_links("/console/audit", query, page.before, page.after)
    return request.render(
        "audit.html",
        here="audit",
        entries=[
            msgspec.structs.replace(item, reason=event_digests.reason_text(item)) for item in page.items
        ],
        asked=asked,
        actions=AUDITED,
        names={item.number: item.name for item in request.environments},
        previous=previous,
        following=following,
    )


ROUTES = [
    operator_page("GET", "/console/e/{environment}/events", show_events, "Events"),
    operator_page("GET", "/console/audit", show_audit, "What operators changed"),
]
