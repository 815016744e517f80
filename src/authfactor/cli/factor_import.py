"""`authfactor import`."""

from __future__ import annotations

import contextlib
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from authfactor import errors
from authfactor.cli import context, progress, terminal
from authfactor.factor_files.detection import FORMATS

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.factor_files.entries import FactorEntry, Read
    from authfactor.models import Environment
    from authfactor.rules.factors.import_owners import Match
    from authfactor.rules.factors.imports import ImportOutcome, WantedFactor
    from authfactor.store import Tx

BATCH = 500
SHOWN_PROBLEMS = 20
_STATUSES = ("imported", "exists", "user_unknown", "refused")


class ImportOptions(NamedTuple):
    """The options of the command."""

    file: Path
    form: str
    match: Match
    table: Path | None
    create_users: bool
    dry_run: bool
    report: Path | None
    passphrase_file: str | None
    reason: str | None


class Finding(NamedTuple):
    """What became of an entry; `at` is where it is in the file."""

    at: str
    status: str
    reason: str | None
    user_id: str | None
    factor_id: str | None


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    help="Format of FILE. Default: recognized by its content.",
)
@click.option(
    "--match",
    type=click.Choice(["email", "external_id", "account"]),
    default="email",
    help="Which name in FILE is the user's. Default: email.",
)
@click.option(
    "--map",
    "table",
    type=click.Path(path_type=Path),
    help="CSV file without a head: a name as in FILE, and a user's id, email or external id.",
)
@click.option("--create-users", is_flag=True, help="Create users with an email that is unknown.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="CSV file to write: what became of each entry."
)
@click.option("--passphrase-file", help="File whose first line opens FILE; - reads a line of standard input.")
@context.reason_option
@click.pass_context
def import_(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Import TOTP factors from a file of another system.

    FILE is - for standard input, so that no secret is on disk. Imported factors are active at once; codes up
    to now are spent, so users wait up to a minute for the first that works. Running it again imports nothing
    twice, also after it was interrupted. Try it with --dry-run first.

    The format otpauth has lists of URIs, also of otpauth-migration; qr has PNG and JPEG pictures of them;
    ndjson has the files of authfactor export --format json, too.

    Exits with 5 if an entry was refused, or its user is unknown.

    Example: authfactor import keycloak-realm.json --match email --dry-run
    """
    options = context.global_options(ctx)
    chosen = ImportOptions(**given)

    async def work(af: Authfactor, environment: Environment) -> tuple[str, Counter[str], list[Finding]]:
        with progress.bar("reading", silent=options.as_json) as report:
            return await _import(af, environment, chosen, report)

    form, counts, problems = context.run(options, work)
    totals = {status: counts[status] for status in _STATUSES}
    listed = [{"at": each.at, "status": each.status, "reason": each.reason} for each in problems]
    shape = {"object": "import", "format": form, "dry_run": chosen.dry_run, **totals, "problems": listed}
    context.print_result(options, shape, lambda: _print(form, counts, problems, dry_run=chosen.dry_run))
    if counts["refused"] or counts["user_unknown"]:
        from authfactor.cli import exit_codes

        raise SystemExit(exit_codes.REFUSED)


async def _import(
    af: Authfactor, environment: Environment, chosen: ImportOptions, report: progress.Report
) -> tuple[str, Counter[str], list[Finding]]:
    """Import all entries in batches, each in a unit of its own; return format, counts and first problems."""
    from authfactor.factor_files import reading
    from authfactor.rules.factors import import_owners

    table = None
    if chosen.table is not None:
        with chosen.table.open(encoding="utf-8", newline="") as lines:
            table = import_owners.read_table(lines)
    passphrase = read_passphrase(chosen.passphrase_file)
    counts: Counter[str] = Counter()
    problems: list[Finding] = []
    with _source(chosen.file) as (source, size), _report(chosen.report) as write:
        form, entries = reading.read(source, chosen.form, passphrase)
        for batch in _batches(entries):
            for finding in await _run(af, environment, chosen, table, form, batch):
                counts[finding.status] += 1
                write(finding)
                if finding.status in ("user_unknown", "refused") and len(problems) < SHOWN_PROBLEMS:
                    problems.append(finding)
            done = source.tell() if size else 0
            if done < size:
                report("importing", done, size)
            else:
                # All of it is read: how many entries are left is not known.
                report("importing", counts.total())
    if not counts:
        raise errors.InvalidRequest(message=f"There is no factor in the file, read as {form}.")
    return form, counts, problems


async def _run(
    af: Authfactor,
    environment: Environment,
    chosen: ImportOptions,
    table: dict[str, str] | None,
    form: str,
    batch: list[Read],
) -> list[Finding]:
    """Import a batch; return what became of each of its entries, in order."""
    from authfactor.factor_files.entries import Refused
    from authfactor.rules.factors.import_owners import owner_of
    from authfactor.rules.factors.imports import ImportOutcome, WantedFactor

    findings: list[Finding | None] = []
    wanted: list[WantedFactor] = []
    for entry in batch:
        owner = None if isinstance(entry, Refused) else owner_of(entry, chosen.match, table)
        if isinstance(entry, Refused):
            findings.append(Finding(entry.at, "refused", entry.reason, None, None))
        elif owner is None:
            outcome = ImportOutcome("user_unknown", "not_in_map" if table else "no_name")
            findings.append(_finding(entry, outcome))
        else:
            findings.append(None)
            wanted.append(WantedFactor(owner, entry))
    outcomes = iter(await _run_unit(af, environment, chosen, form, wanted))
    entries = iter(wanted)
    for at, finding in enumerate(findings):
        if finding is None:
            findings[at] = _finding(next(entries).entry, next(outcomes))
    return [finding for finding in findings if finding is not None]


async def _run_unit(
    af: Authfactor, environment: Environment, chosen: ImportOptions, form: str, wanted: list[WantedFactor]
) -> list[ImportOutcome]:
    """Import entries with an audit entry in one unit, or say what it would do."""
    from authfactor.rules.factors.imports import ImportPreviewed

    create_users = chosen.create_users
    if chosen.dry_run:
        try:
            return await af.run(af.imports.preview(environment, wanted, create_users=create_users))
        except ImportPreviewed as previewed:
            return previewed.outcomes
    unit = af.imports.run(environment, wanted, create_users=create_users)
    reason = (chosen.reason or "").strip() or None

    async def record(tx: Tx, action: str, target: str) -> None:
        actor, number = context.actor(), environment.number
        await af.audit.append(tx, actor, action, target, environment=number, reason=reason)

    async def audited(tx: Tx) -> list[ImportOutcome]:
        outcomes = await unit(tx)
        imported = sum(outcome.status == "imported" for outcome in outcomes)
        if imported:
            await record(tx, "factors.import", f"{imported} factors ({form})")
        for outcome, (_, entry) in zip(outcomes, wanted, strict=True):
            if outcome.status == "imported" and entry.recovery_codes and outcome.user_id is not None:
                codes = af.recovery_codes.import_first_set(environment, outcome.user_id, entry.recovery_codes)
                # Codes of a shape that is none here are left out: the factor is what matters.
                with contextlib.suppress(errors.InvalidRequest):
                    await codes(tx)
                    await record(tx, "recovery_codes.import", outcome.user_id)
        return outcomes

    return await af.run(audited)


def _finding(entry: FactorEntry, outcome: ImportOutcome) -> Finding:
    return Finding(entry.at, outcome.status, outcome.code, outcome.user_id, outcome.factor_id)


def _batches(entries: Iterator[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def read_passphrase(file: str | None) -> str | None:
    """Return the first line of a file, or for `-` of standard input; None without a file.

    Raises `InvalidRequest` if the line is empty.
    """
    if file is None:
        return None
    if file == "-":
        return context.secret_argument("-")
    with Path(file).open(encoding="utf-8") as lines:
        line = lines.readline().rstrip("\r\n")
    if not line:
        raise errors.InvalidRequest(message=f"{file} has no passphrase in its first line.")
    return line


@contextlib.contextmanager
def _source(file: Path) -> Iterator[tuple[Any, int]]:
    """Open the file, or standard input; yield it with its size, 0 if that is unknown."""
    if str(file) != "-":
        with file.open("rb") as source:
            yield source, os.fstat(source.fileno()).st_size
        return
    yield sys.stdin.buffer, 0


@contextlib.contextmanager
def _report(file: Path | None) -> Iterator[Any]:
    """Yield a function that writes a line of the report, which only its owner can read."""
    if file is None:
        yield lambda _: None
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as target:  # noqa: PTH123 - a descriptor
        rows = csv.writer(target)
        rows.writerow(Finding._fields)
        yield rows.writerow


def _print(form: str, counts: Counter[str], problems: list[Finding], *, dry_run: bool) -> None:
    verb = "Would import" if dry_run else "Imported"
    print(f"{verb} {counts['imported']:,} factors from a file of the format {form}.")
    if counts["exists"]:
        print(f"{counts['exists']:,} were there already.")
    for status, text in (("user_unknown", "have no known user"), ("refused", "were refused")):
        if counts[status]:
            print(f"{counts[status]:,} {text}.")
    for each in problems:
        reason = each.reason or each.status
        terminal.show(f"  {terminal.printable(each.at)}: {terminal.printable(reason)}")
    hidden = counts["user_unknown"] + counts["refused"] - len(problems)
    if hidden:
        print(f"  … and {hidden:,} more. --report FILE writes all of them.")
