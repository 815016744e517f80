"""`authfactor export`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click

from authfactor import errors
from authfactor.cli import context, progress
from authfactor.cli.factor_import import read_passphrase
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.factor_files.writing import ExportedUser, Writer
    from authfactor.models import Environment
    from authfactor.store import Tx


class ExportOptions(NamedTuple):
    """The options of the command."""

    user: str | None
    every_user: bool
    form: str
    to: Path
    passphrase_file: str | None
    plain: bool
    reason: str
    yes: bool


@click.command("export")
@click.option("--user", help="Id or email of the user whose factors to export.")
@click.option("--all", "every_user", is_flag=True, help="Export all users of the environment.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["otpauth", "pskc", "json"]),
    required=True,
    help="otpauth: a list of URIs; pskc: RFC 6030; json: users with password hashes and factors.",
)
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, help="File to write. It must not exist."
)
@click.option("--passphrase-file", help="File whose first line encrypts; - reads a line of standard input.")
@click.option("--plain", is_flag=True, help="Write without encryption.")
@click.option("--reason", required=True, help="Reason to record in the audit log.")
@context.yes_option
@click.pass_context
def export(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Write the secrets of active TOTP factors into a file, for another system.

    The file opens the accounts: it makes the same codes as the users' phones. It is encrypted
    with a passphrase unless --plain says otherwise; authfactor import reads it. Passkeys cannot move.

    Example: authfactor export --all --format pskc --to factors.xml --passphrase-file - --reason "moving out"
    """
    options = context.global_options(ctx)
    chosen = ExportOptions(**given)
    _check(chosen)
    whose = "all users" if chosen.every_user else chosen.user
    how = "WITHOUT ENCRYPTION " if chosen.plain else ""
    context.confirm(f"Write the secrets of {whose} {how}to {chosen.to}?", yes=chosen.yes)

    async def work(af: Authfactor, environment: Environment) -> tuple[int, int]:
        with progress.bar("exporting", silent=options.as_json) as report:
            return await _export(af, environment, chosen, report)

    users, factors = context.run(options, work)
    shape = {"file": str(chosen.to), "users": users, "factors": factors, "encrypted": not chosen.plain}
    kind = "not encrypted" if chosen.plain else "encrypted"
    text = f"Wrote {chosen.to}: {factors:,} factors of {users:,} users, {kind}."
    context.print_result(options, shape, lambda: print(text))


def _check(chosen: ExportOptions) -> None:
    problem = None
    if (chosen.user is None) != chosen.every_user:
        problem = "Give either --user or --all."
    elif chosen.plain == (chosen.passphrase_file is not None):
        problem = "Give either --passphrase-file or --plain."
    elif not chosen.reason.strip():
        problem = "--reason must not be empty."
    if problem is not None:
        context.fail(errors.InvalidRequest(message=problem))


async def _export(
    af: Authfactor, environment: Environment, chosen: ExportOptions, report: progress.Report
) -> tuple[int, int]:
    """Write the file; return how many users and factors it has. A file that fails half-way is removed."""
    passphrase = read_passphrase(chosen.passphrase_file)
    user_id = None if chosen.user is None else await _find(af, environment, chosen.user)
    with _new_file(chosen.to) as file:
        await _record(af, environment, user_id or "all users", chosen)
        writer, write, finish = _opened(af, environment, file, chosen, passphrase)
        users = factors = 0
        write(writer.head())
        async for user in _users(af, environment, user_id):
            write(writer.user(user))
            users += 1
            factors += len(user.factors)
            report("exporting", users)
        write(writer.foot())
        finish()
    return users, factors


async def _find(af: Authfactor, environment: Environment, user: str) -> str:
    if "@" not in user:
        return user
    found = await af.read(lambda tx: tx.users.by_email(environment.number, user))
    if found is None:
        raise errors.NotFound("User", user)
    return found.id


async def _record(af: Authfactor, environment: Environment, target: str, chosen: ExportOptions) -> None:
    """Write the audit entry before the first secret is read."""

    async def nothing(tx: Tx) -> None:
        """Change nothing: the entry is all that is written."""

    action = "factors.export"
    await context.run_audited(af, environment, nothing, action, f"{target} ({chosen.form})", chosen.reason)


async def _users(
    af: Authfactor, environment: Environment, user_id: str | None
) -> AsyncIterator[ExportedUser]:
    if user_id is not None:
        yield await af.read(af.exports.user(environment, user_id))
        return
    after = ""
    while page := await af.read(af.exports.users_after(environment, after)):
        for user in page:
            yield user
        after = page[-1].user.id


def _opened(
    af: Authfactor, environment: Environment, file: BinaryIO, chosen: ExportOptions, passphrase: str | None
) -> tuple[Writer, Callable[[str], object], Callable[[], object]]:
    """Return the writer of a format, where its text goes, and what ends the file."""
    from authfactor.factor_files import pskc_writing, sealed_export, writing

    now = af.clock()
    if chosen.form == "pskc":
        sealing = None if passphrase is None else pskc_writing.Sealing(passphrase, af.entropy)
        writer: Writer = writing.PskcWriter(sealing)
    elif chosen.form == "json":
        writer = writing.JsonWriter(environment.name, timestamps.format_ms(now))
    else:
        writer = writing.OtpauthWriter()
    if passphrase is None or chosen.form == "pskc":
        return writer, lambda text: file.write(text.encode()), file.flush
    salt = af.entropy(sealed_export.SALT_BYTES)
    sealed = sealed_export.writer(file, passphrase, salt, now)
    return writer, lambda text: sealed.write(text.encode()), sealed.close


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Create a file that only its owner can read; remove it if what follows fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
