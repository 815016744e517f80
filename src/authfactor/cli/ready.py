"""`authfactor ready`, for the health checks of containers and supervisors."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING, Final

import click

from authfactor import errors
from authfactor.cli import context

if TYPE_CHECKING:
    from authfactor.settings import Settings

TIMEOUT_SECONDS: Final = 2.0
# A server that listens on all addresses also listens on loopback.
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, never bound
_READY: Final = 200


@click.command("ready")
@click.option("--host", help="IP address or host name that the server listens on.")
@click.option("--port", type=click.IntRange(min=1, max=65535), help="Port that the server listens on.")
@click.pass_context
def ready(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Exit with 0 if the server is ready, with 7 if it is not.

    Asks GET /readyz at the host and port of the settings, so a container's health check follows them.

    Example: authfactor ready --port 8080
    """
    options = context.global_options(ctx)
    settings = context.load_settings(options, host=host, port=port).settings
    try:
        status = _status(settings)
    except (OSError, http.client.HTTPException) as error:
        context.fail(
            errors.Unavailable(message=f"The server at port {settings.port} does not answer: {error}")
        )
    if status != _READY:
        context.fail(errors.Unavailable(message=f"The server is not ready (status {status})."))
    context.print_result(options, {"ready": True}, lambda: print("ready"))


def _status(settings: Settings) -> int:
    """Return the status of `GET /readyz`."""
    host = _LOOPBACK_OF.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_SECONDS)
    if settings.tls_cert:
        # The certificate names the public host, and the answer is no secret.
        any_name = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        any_name.check_hostname, any_name.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            host, settings.port, timeout=TIMEOUT_SECONDS, context=any_name
        )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()
