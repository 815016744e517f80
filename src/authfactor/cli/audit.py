"""`authfactor audit`: list, export and verify the audit log."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from authfactor import errors
from authfactor.cli import context, progress, terminal
from authfactor.models import AuditEntry, PageQuery, RecordPage
from authfactor.wire import audit_entries, timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.rules.audit.event_verification import VerifiedEvents
    from authfactor.rules.audit.hash_chain import ChainResult


@click.group("audit", no_args_is_help=True)
def audit() -> None:
    """List, export and verify the audit log."""


BROKEN = 5
_HASH_BYTES = 32
# Entries between two updates of the progress bar.
_REPORTED = 1000


@audit.command("list")
@click.option("--action", help="Show only this action, such as api_key.revoke.")
@click.option("--actor", help="Show only entries of this actor, such as an email address.")
@click.option("--target", help="Show only entries about this id.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Start the page after this id.")
@click.pass_context
def list_entries(
    ctx: click.Context,
    action: str | None,
    actor: str | None,
    target: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List audit entries, newest first.

    Entries that servers append on their own are shown only with --actor server.

    Example: authfactor audit list --action factor.reset
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> RecordPage[AuditEntry]:
        return await af.read(af.audit.page(PageQuery(limit=limit, after=after), action, actor, target))

    page = context.run_installation(options, work)
    rows = [
        [
            timestamps.format_ms(item.created_at),
            _actor_label(item),
            item.action,
            item.target,
            _reason(item),
            item.id,
        ]
        for item in page.items
    ]
    columns = ["time", "actor", "action", "target", "reason", "id"]
    shape = [audit_entries.entry(item) for item in page.items]
    context.print_page(options, shape, columns, rows, "No entries.", page.after)


@audit.command("verify")
@click.option(
    "--expect",
    multiple=True,
    help="ID:HASH printed by an earlier verify; the log must contain it. Can be repeated.",
)
@click.option(
    "--accept",
    multiple=True,
    help="Id of an unsigned entry that an older release wrote, or of a seal whose events are known to be"
    " removed or changed. Can be repeated.",
)
@click.option("--file", type=click.Path(path_type=Path), help="Verify an export instead of the database.")
@click.option(
    "--with-keys",
    is_flag=True,
    help="With --file: also verify signatures, with the keys of this installation.",
)
@click.option("--entries-only", is_flag=True, help="Skip the sealed events, which take most of the time.")
@click.pass_context
def verify(
    ctx: click.Context,
    expect: tuple[str, ...],
    accept: tuple[str, ...],
    file: Path | None,
    with_keys: bool,
    entries_only: bool,
) -> None:
    """Verify that no audit entry and no sealed event was changed, inserted or removed.

    Exits with code 5 and names the first invalid entry if one was. A log that was truncated at its end is
    still valid in itself: store the last line that this command prints in another place, and pass it with
    --expect the next time. Verifying an export needs no key and no database, except that signatures need
    --with-keys, and events need the database.

    Example: authfactor audit verify --expect audit_000000000000042:9f86d0…
    """
    options = context.global_options(ctx)
    expected = dict(_parse_expected(text) for text in expect)
    if with_keys and file is None:
        context.fail(errors.InvalidRequest(message="--with-keys requires --file."))
    if file is None:
        result, events = _verify_database(options, expected, frozenset(accept), entries_only=entries_only)
    else:
        result = _verify_export(options, file, expected, frozenset(accept), with_keys=with_keys)
        events = None
    signatures = file is None or with_keys

    def print_text() -> None:
        _print_chain(result, signatures=signatures)
        if events is not None:
            _print_events(events)

    shape = _shape(result, events, signatures=signatures)
    context.print_result(options, shape, print_text)
    if not shape["intact"]:
        raise SystemExit(BROKEN)


@audit.command("export")
@click.option("--since", help="Print only entries after this id.")
@click.option("--action", help="Print only this action.")
@click.option("--actor", help="Print only entries of this actor.")
@click.option("--target", help="Print only entries about this id.")
@click.pass_context
def export(
    ctx: click.Context, since: str | None, action: str | None, actor: str | None, target: str | None
) -> None:
    """Print audit entries, oldest first, one JSON object per line.

    `authfactor audit verify --file` can verify a complete export on any machine. It cannot verify a filtered
    export, which has gaps.

    To append only new entries: authfactor audit export --since audit_000000000000042 >> audit.jsonl

    Example: authfactor audit export > audit.jsonl
    """
    options = context.global_options(ctx)
    conditions = {"action": action, "actor": actor, "target": target}
    filters = {name: value for name, value in conditions.items() if value is not None}

    async def work(af: Authfactor) -> None:
        if since is not None and await af.read(lambda tx: tx.audit.by_id(since)) is None:
            raise errors.NotFound("audit entry", since)
        # Lines on a terminal are progress enough.
        with progress.bar("entries", silent=options.as_json or sys.stdout.isatty()) as report:
            read = 0
            async for entry in _entries_after(af, since or ""):
                read += 1
                if read % _REPORTED == 0:
                    report("entries", read)
                if all(getattr(entry, name) == value for name, value in filters.items()):
                    line = msgspec.json.encode(audit_entries.entry(entry)).decode()
                    sys.stdout.write(terminal.printable_json(line) + "\n")

    context.run_installation(options, work)


async def _entries_after(af: Authfactor, after: str) -> AsyncIterator[AuditEntry]:
    from authfactor.rules.audit.audit_log import BATCH

    while found := await af.read(lambda tx, after=after: tx.audit.entries_after(after, BATCH)):  # type: ignore[misc]  # bound per batch
        for entry in found:
            yield entry
        after = found[-1].id


def _verify_database(
    options: context.GlobalOptions, expect: dict[str, bytes], accept: frozenset[str], *, entries_only: bool
) -> tuple[ChainResult, VerifiedEvents | None]:
    """Verify the audit log in the database and, if it is valid, the events that it seals."""
    from authfactor.rules.audit.hash_chain import ChainVerifier

    async def work(af: Authfactor) -> tuple[ChainResult, VerifiedEvents | None]:
        verifier = ChainVerifier(await af.audit.keys(af.store), expect=expect, accept=accept)
        with progress.bar("entries", silent=options.as_json) as report:
            broken = await af.audit.follow(af.store, verifier, report)
            if broken or entries_only:
                return broken or verifier.end(), None
            events, broken = await af.event_verification.check(af.store, verifier, accept, report)
            return broken or verifier.end(), events

    return context.run_installation(options, work)


def _verify_export(
    options: context.GlobalOptions,
    file: Path,
    expect: dict[str, bytes],
    accept: frozenset[str],
    *,
    with_keys: bool,
) -> ChainResult:
    """Verify the audit log in an export."""
    from authfactor.rules.audit.hash_chain import ChainVerifier

    keys = context.run_installation(options, lambda af: af.audit.keys(af.store)) if with_keys else None
    verifier = ChainVerifier(keys, expect=expect, accept=accept)
    try:
        with progress.bar("entries", silent=options.as_json) as report:
            for number, entry in enumerate(_read_export(file), 1):
                if why := verifier.step(entry):
                    return verifier.stop(entry, why)
                if number % _REPORTED == 0:
                    report("entries", number)
    except (errors.InvalidRequest, OSError) as error:
        context.fail(error)
    return verifier.end()


def _read_export(file: Path) -> Iterator[AuditEntry]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            entry = audit_entries.read(line)
            if entry is None:
                raise errors.InvalidRequest(message=f"Line {number} of {file} is not an audit entry.")
            yield entry


def _parse_expected(text: str) -> tuple[str, bytes]:
    entry_id, _, digits = text.partition(":")
    try:
        hashed = bytes.fromhex(digits)
    except ValueError:
        hashed = b""
    if len(hashed) != _HASH_BYTES:
        context.fail(
            errors.InvalidRequest(message=f"--expect {text}: must be ID:HASH, as printed by audit verify.")
        )
    return entry_id, hashed


def _print_chain(result: ChainResult, *, signatures: bool) -> None:
    if result.broken is not None:
        terminal.show(f"The audit log is not valid from {result.broken} on: {result.why}.")
        return
    if result.last is None:
        print("The audit log is empty.")
        return
    if result.unsigned:
        print(f"{result.unsigned} entries were written before entries were signed; their hashes are valid.")
    if not signatures:
        print("The hashes are valid. To verify signatures too, add --with-keys.")
    print(f"{result.entries} entries, intact. Store this line in another place, for --expect:")
    terminal.show(f"  {result.last.id}:{result.last.hash.hex()}")


def _shape(result: ChainResult, events: VerifiedEvents | None, *, signatures: bool) -> dict[str, object]:
    return {
        "entries": result.entries,
        "intact": result.broken is None and not (events and events.findings),
        "broken_at": result.broken,
        "why": result.why,
        "unsigned": result.unsigned,
        "signatures_checked": signatures,
        "last_id": result.last.id if result.last else None,
        "last_hash": result.last.hash.hex() if result.last else None,
        "events": _events_shape(events) if events else None,
    }


def _events_shape(events: VerifiedEvents) -> dict[str, object]:
    return {
        "seals": events.seals,
        "events": events.events,
        "sealed_up_to": _time_of(events.sealed_upto),
        "removed_up_to": _time_of(events.cleaned_upto),
        "findings": [
            {
                "what": finding.what,
                "sealed_by": finding.seal.entry if finding.seal else None,
                "from": finding.seal.start if finding.seal else None,
                "to": finding.seal.end if finding.seal else None,
                "sealed": finding.seal.count if finding.seal else None,
                "there": finding.found,
                "suspects": finding.suspects,
                "suspects_in_all": finding.suspect_count,
            }
            for finding in events.findings
        ],
    }


def _time_of(event_id: str) -> str | None:
    from authfactor.rules.audit.event_digests import time_of

    return timestamps.format_ms(time_of(event_id)) if event_id else None


def _print_events(events: VerifiedEvents) -> None:
    for finding in events.findings:
        terminal.show(str(finding))
    if not events.sealed_upto:
        print("No events are sealed yet. A running server seals them about 15 minutes after they happen.")
        return
    state = "checked" if events.findings else "unchanged since they were sealed"
    print(f"{events.events} events up to {_time_of(events.sealed_upto)}, {state}.")


def _reason(entry: AuditEntry) -> str:
    from authfactor.rules.audit.event_digests import reason_text

    return reason_text(entry) or "-"


def _actor_label(entry: AuditEntry) -> str:
    return (
        f"{entry.actor} ({entry.actor_id})"
        if entry.actor_kind in {"command_line", "api_key"}
        else entry.actor
    )
