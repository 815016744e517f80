"""`authfactor doctor`."""

import os
from pathlib import Path

import click

from authfactor.cli import context
from authfactor.settings import reading


@click.command("doctor")
@click.option("--url", help="A running server (any URL): compare clocks with it.")
@click.option(
    "--backup",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A backup to open, or any file to search for secrets in the clear; give it once a file.",
)
@click.option("--strict", is_flag=True, help="Count warnings as problems.")
@click.pass_context
def doctor(ctx: click.Context, url: str | None, backup: tuple[Path, ...], strict: bool) -> None:
    """Look an installation over: files, keys, schema, clock, secrets, webhooks, backups. Changes nothing.

    Exit code 0 when nothing has to be mended, 8 when something has. Every secret is opened to see whether it
    is weak or lies in the clear in the database; none is printed. An encrypted backup is read to its end.

    Example: authfactor doctor --url https://mfa.example.org --backup /var/backups/authfactor.db
    """
    from authfactor.cli import exit_codes
    from authfactor.core import system_clock, system_entropy
    from authfactor.doctor import DoctorFinding, Level, examine

    options = context.chosen(ctx)
    loaded = context.load_settings(options)
    file = reading.find_file(os.environ, options.config)
    found = context.finish(
        examine(loaded.settings, system_clock, system_entropy, config=file, url=url, backups=backup)
    )

    def people() -> None:
        for finding in found:
            print(_line(finding))
        counts = {level: sum(finding.level is level for finding in found) for level in Level}
        print(f"\nproblems: {counts[Level.PROBLEM]}, warnings: {counts[Level.WARNING]}", end="")
        print(f", fine: {counts[Level.OK]}")

    def _line(finding: DoctorFinding) -> str:
        mark = {Level.OK: "ok", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"}[finding.level]
        advice = f"\n{'':<21}{finding.advice}" if finding.advice else ""
        return f"{mark:<8} {finding.check:<11} {finding.text}{advice}"

    context.show(options, {"findings": found}, people)
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    if any(finding.level in bad for finding in found):
        raise SystemExit(exit_codes.MISCONFIGURED)
