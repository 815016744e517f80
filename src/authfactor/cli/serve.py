"""`authfactor serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from authfactor import settings
from authfactor.cli import context
from authfactor.settings import reading, server_url


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
    the first environment, and prints its API key, once: on a terminal, else into the file bootstrap-api-key
    in the data directory, because a server's output is kept in logs. If AUTHFACTOR_BOOTSTRAP_API_KEY is set,
    the first environment gets that key instead.

    Example: authfactor serve --port 8080 --data /var/lib/authfactor
    """
    from authfactor.cli import first_start
    from authfactor.http.telemetry import log_stream
    from authfactor.server import run, tls

    log_stream.install()
    before = context.global_options(ctx)
    options = context.GlobalOptions(data or before.data, before.config, before.environment, before.as_json)
    overrides = {"host": host, "port": port, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key}
    # A demo also allows requests from the pages of the API reference (decision 0021).
    overrides["docs_try"] = True if demo else None
    prepared = context.load_settings(options, **overrides).settings

    def reread() -> settings.Settings:
        file = reading.find_file(os.environ, options.config)
        fresh = reading.read(os.environ, file, data=options.data, **overrides)
        return server_url.bound_to(fresh, address, by_name=demo)

    try:
        sockets = run.open_sockets(prepared)
        # Everything that can fail comes before a key is created.
        tls.certificate(prepared)
        address = sockets["api"].getsockname()
        _print_warning(prepared, address)
        prepared = server_url.bound_to(prepared, address, by_name=demo)
        context.run_async(first_start.prepare(prepared, server_url.of_socket(prepared, address), demo=demo))
        code = run.serve(prepared, sockets, reread, _check_command(options))
    except context.expected_errors() as error:
        context.fail(error)
    raise SystemExit(code)


def _check_command(options: context.GlobalOptions) -> list[str]:
    """Return the command that checks whether this server could start again."""
    pairs = (("--data", options.data), ("--config", options.config))
    words = [text for name, value in pairs if value is not None for text in (name, str(value))]
    return [sys.executable, "-m", "authfactor", *words, "config", "check"]


def _print_warning(prepared: settings.Settings, address: object) -> None:
    text = server_url.warning(prepared, server_url.host_of(address))
    if text is not None:
        print(f"authfactor: warning: {text}", file=sys.stderr, flush=True)
