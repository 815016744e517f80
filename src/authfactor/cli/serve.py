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
@click.option("--host", help="IP address or host name to listen on.")
@click.option("--port", type=click.IntRange(min=0, max=65535), help="Port to listen on.")
@click.option("--workers", type=click.IntRange(min=1, max=64), help="Number of worker processes.")
@click.option("--tls-cert", help="PEM file with the certificate and its chain.")
@click.option("--tls-key", help="PEM file with the certificate's private key.")
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the database and the key ring.")
@click.option("--demo", is_flag=True, help="Create a demo user and print a curl command to try the API.")
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

    The server is ready when GET /readyz returns 200. The first start creates the database, the key ring and
    the first environment, and prints its API key, once. If AUTHFACTOR_BOOTSTRAP_API_KEY is set, the first
    environment gets that key instead.

    Example: authfactor serve --port 8080 --data /var/lib/authfactor
    """
    from authfactor.http.telemetry import log_stream
    from authfactor.server import run

    log_stream.install()
    before = context.global_options(ctx)
    options = context.GlobalOptions(data or before.data, before.config, before.environment, before.as_json)
    overrides = {"host": host, "port": port, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key}
    # A demo also allows requests from the pages of the API reference (decision 0021).
    overrides["docs_try"] = True if demo else None
    prepared = context.load_settings(options, **overrides).settings

    def reread() -> settings.Settings:
        file = reading.find_file(os.environ, options.config)
        return reading.read(os.environ, file, data=options.data, **overrides)

    try:
        sockets = run.open_sockets(prepared)
        context.run_async(_print_banner(prepared, sockets["api"].getsockname()[1], demo=demo))
        code = run.serve(prepared, sockets, reread, _check_command(options))
    except context.expected_errors() as error:
        context.fail(error)
    raise SystemExit(code)


def _check_command(options: context.GlobalOptions) -> list[str]:
    """Return the command that checks whether this server could start again."""
    pairs = (("--data", options.data), ("--config", options.config))
    words = [text for name, value in pairs if value is not None for text in (name, str(value))]
    return [sys.executable, "-m", "authfactor", *words, "config", "check"]


async def _print_banner(prepared: settings.Settings, port: int, *, demo: bool) -> None:
    """Print the URLs, a new API key and a set-up link of a first start, and for a demo a curl command."""
    from authfactor.core import Authfactor

    af = await Authfactor.open(prepared)
    try:
        host = f"[{prepared.host}]" if ":" in prepared.host else prepared.host
        base = f"{'https' if prepared.tls_cert else 'http'}://{host}:{port}"
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        keys = await af.read(lambda tx: tx.api_keys.of_environment(environment.number))
        bootstrap_key = prepared.bootstrap_api_key
        # Do not print it: the output of a server is usually kept in a log.
        key = "(from AUTHFACTOR_BOOTSTRAP_API_KEY)" if bootstrap_key else ""
        if demo:
            key = bootstrap_key or await _demo_key(af, prepared.data)
        elif not keys:
            _, key = await af.run(af.environments.new_key(environment, "first"))
            print("Store the API key below. It is shown only once.")
        print(f"authfactor is listening on {base}")
        print(f"  client id  {environment.client_id}")
        if prepared.docs:
            print(f"  reference  {base}/docs")
        print(f"  API key    {key or '(already created; create another with: authfactor keys create)'}")
        link = await af.run(af.operators.first_link()) if prepared.console else None
        if link:
            print("\nThe console has no owner yet. To set one up, open this link, valid once, for 24 hours:")
            print(f"  {base}/console/set-up/{link}", flush=True)
        if demo:
            await _print_demo(af, base, key)
    finally:
        await af.close()


async def _print_demo(af: Authfactor, base: str, key: str) -> None:
    """Print two ways to enroll a factor: a curl command and a link to a hosted page."""
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
        print("Or open this page within 10 minutes and scan its QR code with your phone:\n")
        print(f"{base}{PATH}{issued.url.rpartition('/')[2]}\n", flush=True)


async def _demo_key(af: Authfactor, folder: Path) -> str:
    """Return the demo's API key. It is stored in a file, so that every start can print it."""
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
        known = await af.run(await af.users.prepare_create(environment, CreateUser(email=DEMO_EMAIL)))
    return known.id
