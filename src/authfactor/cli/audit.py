"""`authfactor audit`: who changed what and why, and whether the list is whole."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from authfactor import errors
from authfactor.cli import context
from authfactor.models import AuditEntry, PageQuery, RecordPage
from authfactor.wire import audit_entries, timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.rules.audit.audit_log import Tell
    from authfactor.rules.audit.event_verification import VerifiedEvents
    from authfactor.rules.audit.hash_chain import ChainResult


@click.group("audit", no_args_is_help=True)
def audit() -> None:
    """Who changed what, and why; and whether the list is whole."""


BROKEN = 5
_HASH_BYTES = 32


@audit.command("list")
@click.option("--action", help="Only this action, such as api_key.revoke.")
@click.option("--actor", help="Only what this actor did: an email, say.")
@click.option("--target", help="Only what was done to this id.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Id after which the page starts.")
@click.pass_context
def list_entries(
    ctx: click.Context,
    action: str | None,
    actor: str | None,
    target: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List entries, newest first; those that servers write by themselves with --actor server.

    Example: authfactor audit list --action factor.reset
    """
    options = context.chosen(ctx)

    async def work(af: Authfactor) -> RecordPage[AuditEntry]:
        return await af.read(af.audit.page(PageQuery(limit=limit, after=after), action, actor, target))

    page = context.run_installation(options, work)
    rows = [
        [timestamps.format_ms(item.created_at), _who(item), item.action, item.target, _why(item), item.id]
        for item in page.items
    ]

    def people() -> None:
        context.table(["when", "who", "what", "to", "why", "id"], rows, "Nothing yet.")
        if page.after:
            print(f"More: --after {page.after}")

    context.show(options, [audit_entries.entry(item) for item in page.items], people)


@audit.command("verify")
@click.option(
    "--expect",
    multiple=True,
    help="ID:HASH that must be in the list, as an earlier verify printed; repeat it.",
)
@click.option(
    "--accept",
    multiple=True,
    help="Id of an unsigned entry that you know an older release wrote, or of a seal whose events you know to"
    " be gone or changed; repeat it.",
)
@click.option("--file", type=click.Path(path_type=Path), help="Check an export instead of the database.")
@click.option("--with-keys", is_flag=True, help="With --file: check signatures too, by this installation.")
@click.option("--entries-only", is_flag=True, help="Leave events out: they are most of the work.")
@click.pass_context
def verify(
    ctx: click.Context,
    expect: tuple[str, ...],
    accept: tuple[str, ...],
    file: Path | None,
    with_keys: bool,
    entries_only: bool,
) -> None:
    """Check that no entry and no sealed event was changed, inserted or removed; exit code 5 when one was.

    It names the first entry that does not fit. That entries were cut off at the end shows only against a
    line kept elsewhere, so keep the last line that it prints, and give it back with --expect. An export is
    checked without any key or database; signatures need --with-keys, and events need the database.

    Example: authfactor audit verify --expect audit_000000000000042:9f86d0…
    """
    options = context.chosen(ctx)
    expected = dict(_expected(text) for text in expect)
    if with_keys and file is None:
        context.fail(errors.InvalidRequest(message="--with-keys goes with --file."))
    if file is None:
        found, checked = _look(options, expected, frozenset(accept), entries_only=entries_only)
    else:
        found = _follow(options, file, expected, frozenset(accept), with_keys=with_keys)
        checked = None
    signatures = file is None or with_keys

    def people() -> None:
        _show_result(found, signatures=signatures)
        if checked is not None:
            _show_events(checked)

    shape = _shape(found, checked, signatures=signatures)
    context.show(options, shape, people)
    if not shape["intact"]:
        raise SystemExit(BROKEN)


@audit.command("export")
@click.option("--since", help="Only entries after this id.")
@click.option("--action", help="Only this action.")
@click.option("--actor", help="Only what this actor did.")
@click.option("--target", help="Only what was done to this id.")
@click.pass_context
def export(
    ctx: click.Context, since: str | None, action: str | None, actor: str | None, target: str | None
) -> None:
    """Print entries, oldest first, one JSON object a line.

    A whole export can be checked later, anywhere: authfactor audit verify --file. One that was filtered
    lacks entries between, so it cannot.

    Later, --since adds what is new: authfactor audit export --since audit_000000000000042 >> audit.jsonl

    Example: authfactor audit export > audit.jsonl
    """
    options = context.chosen(ctx)
    wanted = {"action": action, "actor": actor, "target": target}
    chosen = {name: value for name, value in wanted.items() if value is not None}

    async def work(af: Authfactor) -> None:
        if since is not None and await af.read(lambda tx: tx.audit.by_id(since)) is None:
            raise errors.NotFound("audit entry", since)
        async for entry in _entries(af, since or ""):
            if all(getattr(entry, name) == value for name, value in chosen.items()):
                sys.stdout.write(msgspec.json.encode(audit_entries.entry(entry)).decode() + "\n")

    context.run_installation(options, work)


async def _entries(af: Authfactor, after: str) -> AsyncIterator[AuditEntry]:
    from authfactor.rules.audit.audit_log import BATCH

    while found := await af.read(lambda tx, after=after: tx.audit.following(after, BATCH)):  # type: ignore[misc]  # bound per batch
        for entry in found:
            yield entry
        after = found[-1].id


def _look(
    options: context.GlobalOptions, expect: dict[str, bytes], accept: frozenset[str], *, entries_only: bool
) -> tuple[ChainResult, VerifiedEvents | None]:
    """Check the list in the database, and unless it is broken the events that it seals."""
    from authfactor.rules.audit.hash_chain import ChainVerifier

    async def work(af: Authfactor) -> tuple[ChainResult, VerifiedEvents | None]:
        walk = ChainVerifier(await af.audit.keys(af.store), expect=expect, accept=accept)
        with _bars() as tell:
            broken = await af.audit.follow(af.store, walk, tell)
            if broken or entries_only:
                return broken or walk.end(), None
            checked, broken = await af.event_verification.check(af.store, walk, accept, tell)
            return broken or walk.end(), checked

    return context.run_installation(options, work)


def _follow(
    options: context.GlobalOptions,
    file: Path,
    expect: dict[str, bytes],
    accept: frozenset[str],
    *,
    with_keys: bool,
) -> ChainResult:
    """Check the list in an export."""
    from authfactor.rules.audit.hash_chain import ChainVerifier

    keys = context.run_installation(options, lambda af: af.audit.keys(af.store)) if with_keys else None
    walk = ChainVerifier(keys, expect=expect, accept=accept)
    try:
        for number, entry in enumerate(_read(file), 1):
            if entry is None:
                context.fail(errors.InvalidRequest(message=f"Line {number} of {file} is no audit entry."))
            if why := walk.step(entry):
                return walk.stop(entry, why)
    except OSError as error:
        context.fail(error)
    return walk.end()


def _read(file: Path) -> Iterator[AuditEntry | None]:
    with file.open("rb") as lines:
        for line in lines:
            yield audit_entries.read(line)


def _expected(text: str) -> tuple[str, bytes]:
    entry_id, _, digits = text.partition(":")
    try:
        hashed = bytes.fromhex(digits)
    except ValueError:
        hashed = b""
    if len(hashed) != _HASH_BYTES:
        context.fail(errors.InvalidRequest(message=f"--expect {text}: ID:HASH, as audit verify prints it."))
    return entry_id, hashed


def _show_result(found: ChainResult, *, signatures: bool) -> None:
    if found.broken is not None:
        print(f"The list is broken at {found.broken}: {found.why}.")
        return
    if found.last is None:
        print("The list is empty.")
        return
    if found.unsigned:
        print(f"{found.unsigned} entries are from before entries were signed: their hashes fit.")
    if not signatures:
        print("Hashes fit. Signatures were not checked: --with-keys checks them.")
    print(f"{found.entries} entries, intact. Keep this elsewhere, for --expect:")
    print(f"  {found.last.id}:{found.last.hash.hex()}")


def _shape(found: ChainResult, checked: VerifiedEvents | None, *, signatures: bool) -> dict[str, object]:
    return {
        "entries": found.entries,
        "intact": found.broken is None and not (checked and checked.findings),
        "broken_at": found.broken,
        "why": found.why,
        "unsigned": found.unsigned,
        "signatures_checked": signatures,
        "last_id": found.last.id if found.last else None,
        "last_hash": found.last.hash.hex() if found.last else None,
        "events": _events(checked) if checked else None,
    }


def _events(checked: VerifiedEvents) -> dict[str, object]:
    return {
        "seals": checked.seals,
        "events": checked.events,
        "sealed_up_to": _moment(checked.sealed_upto),
        "removed_up_to": _moment(checked.cleaned_upto),
        "findings": [
            {
                "what": finding.what,
                "sealed_by": finding.seal.entry if finding.seal else None,
                "from": finding.seal.start if finding.seal else None,
                "to": finding.seal.end if finding.seal else None,
                "sealed": finding.seal.count if finding.seal else None,
                "there": finding.there,
                "suspects": finding.suspects,
                "suspects_in_all": finding.of,
            }
            for finding in checked.findings
        ],
    }


def _moment(event_id: str) -> str | None:
    from authfactor.rules.audit.event_digests import moment_of

    return timestamps.format_ms(moment_of(event_id)) if event_id else None


def _show_events(checked: VerifiedEvents) -> None:
    for finding in checked.findings:
        print(finding)
    if not checked.sealed_upto:
        print("No events are sealed yet: a server does that a quarter of an hour after they happened.")
        return
    state = "as they were sealed" if not checked.findings else "looked at"
    print(f"{checked.events} events up to {_moment(checked.sealed_upto)}, {state}.")


@contextlib.contextmanager
def _bars() -> Iterator[Tell]:
    """Draw bars on standard error if it is a terminal; they are gone when the work is done."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell


def _why(entry: AuditEntry) -> str:
    from authfactor.rules.audit.event_digests import why

    return why(entry) or "-"


def _who(entry: AuditEntry) -> str:
    return (
        f"{entry.actor} ({entry.actor_id})"
        if entry.actor_kind in {"command_line", "api_key"}
        else entry.actor
    )
