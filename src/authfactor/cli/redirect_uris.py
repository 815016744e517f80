"""`authfactor redirect-uris` and `authfactor cors-origins`: where sign-ins lead, which pages may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authfactor.cli import context, terminal
from authfactor.models import Environment, PageQuery, RecordPage
from authfactor.wire import redirect_uris as wire

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models.hosted_sign_in import CorsOriginRecord, RedirectUriRecord

limit_option = click.option("--limit", type=click.IntRange(min=1, max=100), default=100, show_default=True)
after_option = click.option("--after", help="Start the page after this id.")


@click.group("redirect-uris", no_args_is_help=True)
def redirect_uris() -> None:
    """Manage the URIs to which sign-ins on the hosted pages may redirect."""


@click.group("cors-origins", no_args_is_help=True)
def cors_origins() -> None:
    """Manage the origins whose pages may sign in by themselves."""


@redirect_uris.command("list")
@limit_option
@after_option
@click.pass_context
def list_redirect_uris(ctx: click.Context, limit: int, after: str | None) -> None:
    """List the redirect URIs, newest first. Example: authfactor redirect-uris list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[RedirectUriRecord]:
        return await af.read(af.redirect_uris.page(environment, PageQuery(limit=limit, after=after)))

    page = context.run(options, work)
    rows = [[item.id, item.uri, "default" if item.is_default else "-"] for item in page.items]
    columns, empty = ["id", "uri", ""], "No redirect URIs."
    context.print_page(options, wire.redirect_uris(page), columns, rows, empty, page.after)


@redirect_uris.command("add")
@click.argument("uri")
@context.reason_option
@click.pass_context
def add_redirect_uri(ctx: click.Context, uri: str, reason: str | None) -> None:
    """Add a redirect URI, exactly as the application sends it. The first one is the default.

    One * may stand for a part of the leftmost name of the host, or for the port of http://localhost.

    Example: authfactor redirect-uris add https://app.example.org/callback
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RedirectUriRecord:
        unit, action = af.redirect_uris.add(environment, uri), "redirect_uri.create"
        return await context.run_audited(af, environment, unit, action, lambda made: made.id, reason)

    made = context.run(options, work)
    context.print_result(
        options, wire.redirect_uri(made), lambda: terminal.show(f"Added {made.uri} as {made.id}.")
    )


@redirect_uris.command("remove")
@click.argument("redirect_uri_id")
@context.yes_option
@context.reason_option
@click.pass_context
def remove_redirect_uri(ctx: click.Context, redirect_uri_id: str, yes: bool, reason: str | None) -> None:
    """Remove a redirect URI: sign-ins that name it are refused. The default cannot be removed.

    Example: authfactor redirect-uris remove redir_01… --yes
    """
    options = context.global_options(ctx)
    context.confirm(f"Remove {redirect_uri_id}? Applications that use it can sign no user in.", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.redirect_uris.remove(environment, redirect_uri_id)
        action = "redirect_uri.delete"
        await context.run_audited(af, environment, unit, action, redirect_uri_id, reason)

    context.run(options, work)
    shape = {"id": redirect_uri_id, "removed": True}
    context.print_result(options, shape, lambda: terminal.show(f"Removed {redirect_uri_id}."))


@redirect_uris.command("set-default")
@click.argument("redirect_uri_id")
@context.reason_option
@click.pass_context
def set_default(ctx: click.Context, redirect_uri_id: str, reason: str | None) -> None:
    """Make a redirect URI the default. Example: authfactor redirect-uris set-default redir_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RedirectUriRecord:
        unit, action = af.redirect_uris.make_default(environment, redirect_uri_id), "redirect_uri.update"
        return await context.run_audited(af, environment, unit, action, redirect_uri_id, reason)

    made = context.run(options, work)
    context.print_result(
        options, wire.redirect_uri(made), lambda: terminal.show(f"{made.uri} is the default.")
    )


@cors_origins.command("list")
@limit_option
@after_option
@click.pass_context
def list_cors_origins(ctx: click.Context, limit: int, after: str | None) -> None:
    """List the CORS origins, newest first. Example: authfactor cors-origins list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[CorsOriginRecord]:
        return await af.read(af.cors_origins.page(environment, PageQuery(limit=limit, after=after)))

    page = context.run(options, work)
    rows = [[item.id, item.origin] for item in page.items]
    columns, empty = ["id", "origin"], "No CORS origins."
    context.print_page(options, wire.cors_origins(page), columns, rows, empty, page.after)


@cors_origins.command("add")
@click.argument("origin")
@context.reason_option
@click.pass_context
def add_cors_origin(ctx: click.Context, origin: str, reason: str | None) -> None:
    """Add a CORS origin. Example: authfactor cors-origins add https://app.example.org"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> CorsOriginRecord:
        unit, action = af.cors_origins.add(environment, origin), "cors_origin.create"
        return await context.run_audited(af, environment, unit, action, lambda made: made.id, reason)

    made = context.run(options, work)
    context.print_result(
        options, wire.cors_origin(made), lambda: terminal.show(f"Added {made.origin} as {made.id}.")
    )


@cors_origins.command("remove")
@click.argument("cors_origin_id")
@context.yes_option
@context.reason_option
@click.pass_context
def remove_cors_origin(ctx: click.Context, cors_origin_id: str, yes: bool, reason: str | None) -> None:
    """Remove a CORS origin. Example: authfactor cors-origins remove cors_origin_01… --yes"""
    options = context.global_options(ctx)
    context.confirm(f"Remove {cors_origin_id}? Its pages can no longer sign in.", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.cors_origins.remove(environment, cors_origin_id)
        await context.run_audited(af, environment, unit, "cors_origin.delete", cors_origin_id, reason)

    context.run(options, work)
    shape = {"id": cors_origin_id, "removed": True}
    context.print_result(options, shape, lambda: terminal.show(f"Removed {cors_origin_id}."))
