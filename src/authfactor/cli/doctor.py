"""`authfactor doctor`."""

import os
from pathlib import Path

import click

from authfactor.cli import context, progress, terminal
from authfactor.settings import reading


@click.command("doctor")
@click.option("--url", help="URL of a running server, to compare its clock with this machine's.")
@click.option(
    "--backup",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Backup to decrypt, or any other file to search for secrets in plaintext. Can be repeated.",
)
@click.option("--strict", is_flag=True, help="Exit with code 8 for warnings too.")
@click.pass_context
def doctor(ctx: click.Context, url: str | None, backup: tuple[Path, ...], strict: bool) -> None:
    """Check an installation: files, keys, schema, clock, secrets, webhooks, backups. Changes nothing.

    Exits with code 8 if there is a problem, and prints how to fix it. Every secret is decrypted, to find weak
    secrets and secrets that are stored in plaintext; none is printed. Encrypted backups are read completely.

    Example: authfactor doctor --url https://mfa.example.org --backup /var/backups/authfactor.db
    """
    from authfactor.cli import exit_codes
    from authfactor.core import system_clock, system_entropy
    from authfactor.doctor import DoctorFinding, Level, examine

    options = context.global_options(ctx)
    loaded = context.load_settings(options)
    file = reading.find_file(os.environ, options.config)
    with progress.bar("examining the installation", silent=options.as_json):
        found = context.run_async(
            examine(loaded.settings, system_clock, system_entropy, config=file, url=url, backups=backup)
        )

    def print_text() -> None:
        for finding in found:
            terminal.show(_line(finding))
        counts = {level: sum(finding.level is level for finding in found) for level in Level}
        print(f"\nproblems: {counts[Level.PROBLEM]}, warnings: {counts[Level.WARNING]}", end="")
        print(f", ok: {counts[Level.OK]}")

    def _line(finding: DoctorFinding) -> str:
        mark = {Level.OK: "ok", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"}[finding.level]
        advice = f"\n{'':<21}{finding.advice}" if finding.advice else ""
        return f"{mark:<8} {finding.check:<11} {finding.text}{advice}"

    context.print_result(options, {"findings": found}, print_text)
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    if any(finding.level in bad for finding in found):
        raise SystemExit(exit_codes.MISCONFIGURED)
