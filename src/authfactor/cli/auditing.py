"""`authfactor audit`: who changed what and why, and whether the list is whole."""

from typing import Annotated

import typer

from authfactor.cli import session
from authfactor.core import Authfactor
from authfactor.models import AuditEntry, Page, PageQuery
from authfactor.rules.audit import Chain
from authfactor.wire import moments

audit = typer.Typer(no_args_is_help=True, help="What operators changed, and why.")
BROKEN = 5


@audit.command("list")
def list_entries(
    context: typer.Context,
    action: Annotated[str | None, typer.Option(help="Only this action, such as api_key.revoke.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this operator did, by email.")] = None,
    target: Annotated[str | None, typer.Option(help="Only what was done to this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    after: Annotated[str | None, typer.Option(help="Id after which the page starts.")] = None,
) -> None:
    """List entries, newest first. Example: authfactor audit list --action factor.reset"""
    options = session.chosen(context)

    async def work(af: Authfactor) -> Page[AuditEntry]:
        return await af.read(af.audit.page(PageQuery(limit=limit, after=after), action, actor, target))

    page = session.run_installation(options, work)
    rows = [
        [moments.write(item.created_at), item.actor, item.action, item.target, item.reason or "-", item.id]
        for item in page.items
    ]

    def people() -> None:
        session.table(["when", "who", "what", "to", "why", "id"], rows, "Nothing yet.")
        if page.after:
            print(f"More: --after {page.after}")

    session.show(options, [_shape(item) for item in page.items], people)


@audit.command("verify")
def verify(context: typer.Context) -> None:
    """Check that no entry was changed, inserted or removed. Example: authfactor audit verify"""
    options = session.chosen(context)

    async def work(af: Authfactor) -> Chain:
        return await af.audit.check(af.store)

    found = session.run_installation(options, work)
    last = found.last
    shape = {
        "entries": found.entries,
        "intact": found.broken is None,
        "broken_at": found.broken.id if found.broken else None,
        "last_id": last.id if last else None,
        "last_hash": last.hash.hex() if last else None,
    }

    def people() -> None:
        if found.broken is not None:
            print(
                f"The list is broken at {found.broken.id}: an entry was changed, inserted or removed there."
            )
        elif last is None:
            print("The list is empty.")
        else:
            print(f"{found.entries} entries, intact. Keep this elsewhere; a later list must contain it:")
            print(f"  {last.id}  {last.hash.hex()}")

    session.show(options, shape, people)
    if found.broken is not None:
        raise typer.Exit(BROKEN)


def _shape(entry: AuditEntry) -> dict[str, str | int | None]:
    return {
        "object": "audit_entry",
        "id": entry.id,
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "actor": entry.actor,
        "action": entry.action,
        "environment": entry.environment,
        "target": entry.target,
        "reason": entry.reason,
        "request_id": entry.request_id,
        "created_at": moments.write(entry.created_at),
        "hash": entry.hash.hex(),
    }
