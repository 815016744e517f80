"""`authfactor webauthn`: metadata of authenticators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from authfactor.cli import context, progress, terminal
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models.passkeys import AuthenticatorModel, MetadataHead

_NO_METADATA = "No metadata is loaded. See: authfactor webauthn metadata load --help"
_MOST_BYTES = 64 * 1024 * 1024


@click.group("webauthn", no_args_is_help=True)
def webauthn() -> None:
    """Load and show what is known of models of authenticators."""


@webauthn.group("metadata", no_args_is_help=True)
def metadata() -> None:
    """Load and show metadata of authenticators."""


@metadata.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--root",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Certificate, PEM or DER, that the BLOB's chain must lead to. Can be repeated.",
)
@click.option("--older", is_flag=True, help="Also load metadata that is older than what is loaded.")
@context.reason_option
@click.pass_context
def load(ctx: click.Context, file: Path, roots: tuple[Path, ...], older: bool, reason: str | None) -> None:
    """Load FILE, the BLOB of the FIDO Metadata Service (MDS3), for all environments and servers.

    Its signature and certificate chain are verified; the server fetches nothing. What was loaded before is
    replaced. Environments use it if their passkey settings have metadata: status or attested.

    Example: authfactor webauthn metadata load blob.jwt --root root-r3.crt
    """
    from authfactor.webauthn.certificates import InvalidChain, read_roots

    options = context.global_options(ctx)
    trusted: list[bytes] = []
    blob = _read(file)
    for root in roots:
        try:
            trusted += read_roots(_read(root))
        except InvalidChain as error:
            raise click.BadParameter(f"{root}: {error}") from error

    async def work(af: Authfactor) -> tuple[MetadataHead, list[AuthenticatorModel], int]:
        with progress.bar("verifying the metadata", silent=options.as_json) as report:
            unit = af.authenticator_metadata.load(blob, trusted, older=older)
            report("storing the metadata")
            audited = context.run_audited(
                af, None, unit, "webauthn_metadata.load", lambda head: str(head.number), reason
            )
            head = await audited
        return head, await af.read(af.authenticator_metadata.refused()), af.clock()

    head, refused, now = context.run_installation(options, work)
    context.print_result(options, _shape(head, refused), lambda: _print(head, refused, now))


@metadata.command("show")
@click.pass_context
def show(ctx: click.Context) -> None:
    """Show which metadata is loaded, and which models are not to be trusted.

    Example: authfactor webauthn metadata show
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor) -> tuple[MetadataHead | None, list[AuthenticatorModel], int]:
        rules = af.authenticator_metadata
        return await af.read(rules.head()), await af.read(rules.refused()), af.clock()

    head, refused, now = context.run_installation(options, work)
    if head is None:
        context.print_result(options, None, lambda: print(_NO_METADATA))
        return
    context.print_result(options, _shape(head, refused), lambda: _print(head, refused, now))


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise click.BadParameter(f"{file} is longer than {_MOST_BYTES} bytes.")
        return file.read_bytes()
    except OSError as error:
        context.fail(error)


def _shape(head: MetadataHead, refused: list[AuthenticatorModel]) -> dict[str, object]:
    return {
        "number": head.number,
        "next_update": timestamps.format_ms(head.next_update),
        "loaded_at": timestamps.format_ms(head.loaded_at),
        "sha256": head.sha256,
        "models": head.models,
        "refused": [
            {"aaguid": each.aaguid, "description": each.description, "status": each.status}
            for each in refused
        ],
    }


def _print(head: MetadataHead, refused: list[AuthenticatorModel], now: int) -> None:
    context.print_pairs(
        [
            ("serial number", head.number),
            ("next update", timestamps.format_ms(head.next_update)),
            ("loaded", timestamps.format_ms(head.loaded_at)),
            ("sha256", head.sha256),
            ("models", head.models),
        ]
    )
    rows = [[each.aaguid, each.description, each.status or ""] for each in refused]
    context.print_table(["model", "name", "not to be trusted"], rows, "All models may be trusted.")
    if head.next_update <= now:
        terminal.show("\nNewer metadata should be available: load it.")
