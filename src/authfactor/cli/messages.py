"""`authfactor messages` and `authfactor senders`: mail to users, and what sends it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from authfactor.cli import context, terminal
from authfactor.models import BrandingRecord, Environment, PageQuery, RecordPage
from authfactor.models.messages import MessageRecord, MessageState

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models.messages import MailSetUp, SendOutcome
    from authfactor.wire.senders import SetMailSender

_TARGET = "sender:mail"


@click.group("messages", no_args_is_help=True)
def messages() -> None:
    """List messages to users; preview their texts."""


@click.group("senders", no_args_is_help=True)
def senders() -> None:
    """Show, set, test and delete what sends messages to users."""


@senders.group("mail", no_args_is_help=True)
def mail() -> None:
    """Show, set, test and delete the sender of mail."""


@messages.command("list")
@click.option("--user", "user_id", help="Show only messages to the user with this id.")
@click.option("--state", type=click.Choice(get_args(MessageState)), help="Show only messages in this state.")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.option("--after", help="Start the page after this id.")
@click.pass_context
def list_messages(
    ctx: click.Context, user_id: str | None, state: MessageState | None, limit: int, after: str | None
) -> None:
    """List messages, newest first, never what was sent. Example: authfactor messages list --state failed"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[MessageRecord]:
        query = PageQuery(limit=limit, after=after)
        return await af.read(af.messages.page(environment, query, user_id, state))

    from authfactor.wire import messages as wire

    page = context.run(options, work)
    rows = [
        [
            item.id,
            item.kind,
            wire.masked(item.recipient),
            item.state,
            str(item.attempts),
            item.last_error or "-",
        ]
        for item in page.items
    ]
    columns = ["id", "kind", "to", "state", "attempts", "last error"]
    context.print_page(options, wire.message_list(page), columns, rows, "No messages.", page.after)


@messages.command("preview")
@click.argument("kind")
@click.option("--locale", default="en", show_default=True, help="Language: en, de, es, fr or ja.")
@click.option("--html", "as_html", is_flag=True, help="Print the HTML part instead of the text.")
@click.pass_context
def preview(ctx: click.Context, kind: str, locale: str, as_html: bool) -> None:
    """Print a kind of message as users get it, with the environment's branding and sample values.

    Example: authfactor messages preview magic_auth --locale de
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> tuple[str, BrandingRecord | None]:
        return environment.team_name, await af.read(af.brandings.get(environment))

    from authfactor.rules.messages.rendering import brand_of, sample
    from authfactor.wire.messages import preview as shape

    try:
        found = sample(kind, brand_of(*context.run(options, work)), locale)
    except context.expected_errors() as error:
        context.fail(error)
    text = found.html if as_html else f"Subject: {found.subject}\n\n{found.text}"
    context.print_result(options, shape(kind, found), lambda: terminal.show(text))


@mail.command("show")
@click.pass_context
def show(ctx: click.Context) -> None:
    """Show the sender of mail, without its secrets. Example: authfactor senders mail show"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> MailSetUp:
        return await af.read(af.senders.get(environment))

    _print(context.run(options, work))


@mail.command("set")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@context.reason_option
@click.pass_context
def set_sender(ctx: click.Context, file: Path, reason: str | None) -> None:
    """Replace the sender of mail as a whole by the JSON in a file (- is standard input).

    What is absent gets its default; secrets that are absent stay, unless they would go to another server.

    Example: authfactor senders mail set sender.json
    """
    options = context.global_options(ctx)
    request = _read(file)

    async def work(af: Authfactor, environment: Environment) -> MailSetUp:
        unit = af.senders.set(environment, request, by_operator=True)
        return await context.run_audited(af, environment, unit, "sender.set", _TARGET, reason)

    _print(context.run(options, work))


@mail.command("test")
@click.argument("to", metavar="ADDRESS")
@click.pass_context
def test(ctx: click.Context, to: str) -> None:
    """Send a test message now, and say how that ended.

    Example: authfactor senders mail test you@example.org
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> SendOutcome:
        from authfactor.message_sending import MessageSender

        sender = MessageSender(af)
        try:
            return await sender.test(environment, to)
        finally:
            await sender.close()

    from authfactor.wire.senders import TestedSenderObject

    outcome = context.run(options, work)
    shape = TestedSenderObject(outcome.error is None, outcome.error)
    text = "The sender has taken the message." if shape.sent else f"Not sent: {outcome.error}."
    context.print_result(options, shape, lambda: terminal.show(text))
    if not shape.sent:
        ctx.exit(5)


@mail.command("delete")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@context.reason_option
@click.pass_context
def delete(ctx: click.Context, yes: bool, reason: str | None) -> None:
    """Delete the sender of mail; what waits to be sent is dropped.

    Example: authfactor senders mail delete
    """
    options = context.global_options(ctx)
    context.confirm("No more mail is sent, and what waits to be sent is dropped. Go on?", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.senders.delete(environment)
        await context.run_audited(af, environment, unit, "sender.delete", _TARGET, reason)

    context.run(options, work)
    context.print_result(options, {"deleted": True}, lambda: print("The sender of mail is deleted."))


def _read(file: Path) -> SetMailSender:
    """Read a sender, or exit with a line for each member that is wrong."""
    from authfactor.wire import mfa_policies
    from authfactor.wire.senders import SetMailSender

    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return mfa_policies.read(SetMailSender, content, code="sender_invalid")
    except context.expected_errors() as error:
        context.fail(error)


def _print(found: MailSetUp) -> None:
    """Print JSON with and without --json."""
    from authfactor.wire import senders as wire

    context.print_result(context.GlobalOptions(as_json=True), wire.mail_sender(found), lambda: None)
