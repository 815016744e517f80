"""`authfactor serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authfactor import settings
from authfactor.cli import context
from authfactor.settings import reading

if TYPE_CHECKING:
    from authfactor.core import Authfactor

DEMO_EMAIL = "kim@example.org"


@click.command("serve")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(min=0, max=65535), help="Port to listen on.")
@click.option("--workers", type=click.IntRange(min=1, max=64), help="Number of processes.")
@click.option("--tls-cert", help="File with certificate and chain.")
@click.option("--tls-key", help="File with the certificate's key.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of database and key ring.")
@click.option("--demo", is_flag=True, help="Make a user to try things with; print a curl line.")
@click.pass_context
def serve(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    workers: int | None,
    tls_cert: str | None,
    tls_key: str | None,
    data: Path | None,
    demo: bool,
) -> None:
    """Serve the API until SIGTERM.

    Ready when GET /readyz answers 200. The first start makes the database, the key ring and the first
    environment, whose API key it prints once (or takes from AUTHFACTOR_BOOTSTRAP_API_KEY).

    Example: authfactor serve --port 8080 --data /var/lib/authfactor
    """
    from authfactor.server import run

    given = context.chosen(ctx)
    options = context.GlobalOptions(data or given.data, given.config, given.environment, given.as_json)
    given_here = {"host": host, "port": port, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key}
    # Somebody who tries things out may do so on the pages of the reference too (decision 0021).
    given_here["docs_try"] = True if demo else None
    prepared = context.load_settings(options, **given_here).settings

    def reread() -> settings.Settings:
        file = reading.find_file(os.environ, options.config)
        return reading.read(os.environ, file, data=options.data, **given_here)

    try:
        sockets = run.take_sockets(prepared)
        context.finish(_introduce(prepared, sockets["api"].getsockname()[1], demo=demo))
        code = run.serve(prepared, sockets, reread, _check_command(options))
    except context.known() as error:
        context.fail(error)
    raise SystemExit(code)


def _check_command(options: context.GlobalOptions) -> list[str]:
    """Return the command that tells whether this server could start anew."""
    given = (("--data", options.data), ("--config", options.config))
    chosen = [text for name, value in given if value is not None for text in (name, str(value))]
    return [sys.executable, "-m", "authfactor", *chosen, "config", "check"]


async def _introduce(prepared: settings.Settings, port: int, *, demo: bool) -> None:
    """Print what a newcomer needs: the key of a first start and, for a demo, a line to paste."""
    from authfactor.core import Authfactor

    af = await Authfactor.open(prepared)
    try:
        host = f"[{prepared.host}]" if ":" in prepared.host else prepared.host
        base = f"{'https' if prepared.tls_cert else 'http'}://{host}:{port}"
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        keys = await af.read(lambda tx: tx.api_keys.of_environment(environment.number))
        given = prepared.bootstrap_api_key
        # A key that came by the environment is known there; what a server prints ends up in its log.
        key = "(from AUTHFACTOR_BOOTSTRAP_API_KEY)" if given else ""
        if demo:
            key = given or await _demo_key(af, prepared.data)
        elif not keys:
            _, key = await af.run(af.environments.new_key(environment, "first"))
            print("This API key is shown once. Keep it.")
        print(f"authfactor listens on {base}")
        print(f"  client id  {environment.client_id}")
        if prepared.docs:
            print(f"  reference  {base}/docs")
        print(f"  API key    {key or '(shown at its creation; make another with: authfactor keys create)'}")
        link = await af.run(af.operators.first_link()) if prepared.console else None
        if link:
            print("\nThe console has no owner yet. Set one up here, once, within 24 hours:")
            print(f"  {base}/console/set-up/{link}", flush=True)
        if demo:
            await _show_demo(af, base, key)
    finally:
        await af.close()


async def _show_demo(af: Authfactor, base: str, key: str) -> None:
    """Print two ways to enrol a factor: a line to paste, and a page to open."""
    from authfactor.rules.links.links import PATH
    from authfactor.wire.links import CreateEnrollmentLink

    user_id = await _demo_user(af)
    print("\nEnroll a factor:\n")
    print(
        f"curl -s {base}/user_management/users/{user_id}/auth_factors"
        f" -H 'Authorization: Bearer {key}'"
        " -H 'Content-Type: application/json' -d '{\"type\":\"totp\"}'\n",
        flush=True,
    )
    if af.settings.base_url_is_safe:
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        request = CreateEnrollmentLink(user_id=user_id)
        issued = await af.run(af.links.create_enrollment(environment, request))
        print("Or open this page within 10 minutes and scan it with your phone:\n")
        print(f"{base}{PATH}{issued.url.rpartition('/')[2]}\n", flush=True)


async def _demo_key(af: Authfactor, folder: Path) -> str:
    """Return the demo's API key: kept in a file of its own, so that every start can print it."""
    from authfactor.rules.authentication.opaque_tokens import random_token
    from authfactor.rules.tenants.environments import KEY_PREFIX

    path = folder / "demo-api-key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(KEY_PREFIX + random_token(af.entropy))
    key = path.read_text().strip()
    await af.run(af.environments.ensure_first(team_name=af.settings.team_name, client_id="", key=key))
    return key


async def _demo_user(af: Authfactor) -> str:
    from authfactor.wire.requests import CreateUser

    environment = (await af.read(lambda tx: tx.environments.all()))[0]
    known = await af.read(lambda tx: tx.users.by_email(environment.number, DEMO_EMAIL))
    if known is None:
        known = await af.run(await af.users.create(environment, CreateUser(email=DEMO_EMAIL)))
    return known.id
