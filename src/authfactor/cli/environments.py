"""`authfactor environments` and `authfactor keys`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click
import msgspec

from authfactor import models
from authfactor.cli import context, factor_settings, sign_in_settings
from authfactor.models import ApiKey, BrandingRecord, Environment
from authfactor.wire import timestamps

if TYPE_CHECKING:
    from authfactor.core import Authfactor


@click.group("environments", no_args_is_help=True)
def environments() -> None:
    """Manage environments: tenants with their own users, keys and policy."""


@click.group("keys", no_args_is_help=True)
def keys() -> None:
    """Manage the API keys and signing keys of an environment."""


Policy = Literal["off", "if_enrolled", "required"]
policy_option = click.option(
    "--mfa-policy", type=click.Choice(get_args(Policy)), help="When a sign-in requires a code."
)


def _read_object(_: click.Context, __: click.Parameter, path: Path | None) -> dict[str, Any] | None:
    try:
        return None if path is None else msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"{path} is not a JSON object: {error}") from error


webauthn_option = click.option(
    "--webauthn-file",
    "webauthn",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    callback=_read_object,
    help="JSON file with settings of passkeys, such as rp_id and origins. Replaces those that were set; {}"
    " resets them to the host of the base URL.",
)
team_option = click.option("--team-name", help="Default issuer, shown in authenticator apps.")


@environments.command("list")
@click.pass_context
def list_environments(ctx: click.Context) -> None:
    """List the environments. Example: authfactor environments list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, _: Environment) -> list[Environment]:
        return await af.read(lambda tx: tx.environments.all())

    found = context.run(context.GlobalOptions(options.data, options.config, "default", options.as_json), work)
    rows = [[item.name, item.client_id, item.team_name, item.mfa_policy] for item in found]
    context.print_result(
        options,
        [_shape(item) for item in found],
        lambda: context.print_table(
            ["name", "client id", "team name", "mfa policy"], rows, "No environments."
        ),
    )


@environments.command("create")
@click.argument("name")
@team_option
@policy_option
@click.pass_context
def create_environment(
    ctx: click.Context, name: str, team_name: str | None, mfa_policy: Policy | None
) -> None:
    """Create an environment and its first API key. Example: authfactor environments create staging"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, _: Environment) -> tuple[Environment, str]:
        unit = af.environments.create(
            name, team_name=team_name or af.settings.team_name, mfa_policy=mfa_policy or "if_enrolled"
        )
        made = await context.run_audited(af, None, unit, "environment.create", lambda it: it.client_id)
        first = af.environments.new_key(made, "first")
        return made, (await context.run_audited(af, made, first, "api_key.create", lambda it: it[0].id))[1]

    made, key = context.run(
        context.GlobalOptions(options.data, options.config, "default", options.as_json), work, create=True
    )
    context.print_result(options, {**_shape(made), "api_key": key}, lambda: _print_environment(made, key))


@environments.command("update")
@click.argument("name")
@team_option
@policy_option
@click.option(
    "--logout-redirect",
    "logout_redirects",
    multiple=True,
    help="URL to which a logout may redirect. Can be repeated; the first is the default. Replaces the list.",
)
@click.option(
    "--page-redirect",
    "page_redirects",
    multiple=True,
    help="URL to which a hosted page may redirect at the end. Can be repeated. Replaces the list.",
)
@webauthn_option
@sign_in_settings.sign_in_options
@factor_settings.factor_options
@context.reason_option
@click.pass_context
def update_environment(
    ctx: click.Context,
    /,
    name: str,
    team_name: str | None,
    mfa_policy: Policy | None,
    reason: str | None,
    force: bool,
    **given: Any,  # noqa: ANN401 - the options of the environment
) -> None:
    """Change an environment. Example: authfactor environments update default --mfa-policy required"""
    changes = {name: value for name, value in given.items() if value not in (None, ())}

    async def work(af: Authfactor, environment: Environment) -> Environment:
        from authfactor.rules.tenants.environments import options_of

        changed = sign_in_settings.changed(options_of(environment), changes) if changes else None
        unit = af.environments.update(
            environment,
            team_name=team_name,
            mfa_policy=mfa_policy,
            options=changed,
            # Some options are given, the others were read: they must not undo a change.
            if_updated_at=environment.updated_at if changes else None,
        )
        if "webauthn" in changes:
            from authfactor.rules.factors.passkey_settings import keeping_passkeys

            unit = keeping_passkeys(environment, changes["webauthn"], af.settings, unit, force=force)
        target = environment.client_id
        return await context.run_audited(af, environment, unit, "environment.update", target, reason)

    options = context.global_options(ctx)
    made = context.run(context.GlobalOptions(options.data, options.config, name, options.as_json), work)
    context.print_result(options, _shape(made), lambda: _print_environment(made, None))


@environments.command("brand")
@click.argument("name")
@click.option("--display-name", help="Name on the pages. Default: the team name.")
@click.option("--color", help="Color of buttons and links, such as #1f5fd0.")
@click.option(
    "--logo", type=click.Path(path_type=Path), help="PNG file, at most 32 KiB and 1024 x 1024 pixels."
)
@click.option("--reset", is_flag=True, help="First reset name, color and logo to their defaults.")
@click.pass_context
def brand_environment(
    ctx: click.Context,
    name: str,
    display_name: str | None,
    color: str | None,
    logo: Path | None,
    reset: bool,
) -> None:
    """Change the branding of the hosted pages, or show it if no option is given.

    Example: authfactor environments brand default --color '#0a7d5a' --logo logo.png
    """
    options = context.global_options(ctx)
    changes: dict[str, str | None] = {"name": None, "color": None, "logo": None} if reset else {}
    values = (
        ("name", display_name),
        ("color", color),
        ("logo", None if logo is None else _read_base64(logo)),
    )
    changes |= {field: value for field, value in values if value}

    async def work(af: Authfactor, environment: Environment) -> BrandingRecord | None:
        from authfactor.wire.links import UpdateBranding

        if not changes:
            return await af.read(af.brandings.get(environment))
        unit = af.brandings.update(environment, UpdateBranding(**changes))
        return await context.run_audited(af, environment, unit, "branding.update", environment.client_id)

    made = context.run(context.GlobalOptions(options.data, options.config, name, options.as_json), work)
    shape = {
        "name": made.name if made else None,
        "color": made.color if made else None,
        "logo": f"PNG, {len(made.logo)} bytes" if made and made.logo else None,
    }
    context.print_result(options, shape, lambda: context.print_pairs(list(shape.items())))


def _read_base64(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        context.fail(error)


@keys.command("list")
@click.pass_context
def list_keys(ctx: click.Context) -> None:
    """List the API keys of an environment. Example: authfactor keys list"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> list[ApiKey]:
        return await af.read(lambda tx: tx.api_keys.of_environment(environment.number))

    found = context.run(options, work)
    rows = [
        [
            item.id,
            item.name,
            f"…{item.hint}",
            timestamps.format_ms(item.created_at),
            _format_last_used(item.last_used_at),
            _state(item),
        ]
        for item in found
    ]
    columns = ["id", "name", "ends in", "created", "last used", "state"]
    context.print_result(
        options,
        [_key_shape(item) for item in found],
        lambda: context.print_table(columns, rows, "No API keys."),
    )


@keys.command("create")
@click.option("--name", default="unnamed", show_default=True, help="What the key is for.")
@click.pass_context
def create_key(ctx: click.Context, name: str) -> None:
    """Create an API key. It is printed only this once. Example: authfactor keys create --name billing"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> tuple[ApiKey, str]:
        unit = af.environments.new_key(environment, name)
        return await context.run_audited(af, environment, unit, "api_key.create", lambda it: it[0].id)

    made, text = context.run(options, work, create=True)
    context.print_result(
        options,
        {**_key_shape(made), "api_key": text},
        lambda: context.print_pairs([("id", made.id), ("key", text)]),
    )


@keys.command("revoke")
@click.argument("key_id")
@context.reason_option
@click.pass_context
def revoke_key(ctx: click.Context, key_id: str, reason: str | None) -> None:
    """Revoke an API key. Servers reject it within a second. Example: authfactor keys revoke api_key_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.environments.revoke_key(environment, key_id)
        await context.run_audited(af, environment, unit, "api_key.revoke", key_id, reason)

    context.run(options, work)
    context.print_result(options, {"id": key_id, "revoked": True}, lambda: print(f"Revoked {key_id}."))


@keys.command("rotate-signing")
@click.pass_context
def rotate_signing(ctx: click.Context) -> None:
    """Create a new signing key for access tokens.

    Servers start to sign with it after a minute. Tokens signed with older keys stay valid until they expire.

    Example: authfactor keys rotate-signing
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> models.SigningKey:
        unit = await af.token_signing.prepare_rotation(environment)
        return await context.run_audited(af, environment, unit, "signing_key.rotate", lambda it: it.id)

    made = context.run(options, work)
    shape = {"id": made.id, "signs_from": timestamps.format_ms(made.signs_from)}
    context.print_result(options, shape, lambda: context.print_pairs(list(shape.items())))


def _shape(environment: models.Environment) -> dict[str, str | int | None]:
    from authfactor.rules.tenants.environments import options_of

    options = options_of(environment)
    return {
        "name": environment.name,
        "client_id": environment.client_id,
        "team_name": environment.team_name,
        "mfa_policy": environment.mfa_policy,
        "trusted_devices": options.trusted_devices,
        "trusted_device_days": options.trusted_device_days,
        **sign_in_settings.shape(options.sign_in),
        "listed_factor_types": " ".join(options.listed_factor_types),
        "enrollment_needs_mfa": options.enrollment_needs_mfa,
        "production": options.production,
        "sign_in_url": options.sign_in_url,
        "created_at": timestamps.format_ms(environment.created_at),
    }


def _print_environment(environment: Environment, key: str | None) -> None:
    lines: list[tuple[str, object]] = list(_shape(environment).items())
    context.print_pairs([*lines, ("api_key", f"{key}  (shown only once)")] if key else lines)


def _key_shape(key: ApiKey) -> dict[str, str | None]:
    return {
        "id": key.id,
        "name": key.name,
        "ends_in": key.hint,
        "created_at": timestamps.format_ms(key.created_at),
        "last_used_at": timestamps.format_optional(key.last_used_at),
        "revoked_at": timestamps.format_optional(key.revoked_at),
    }


def _format_last_used(at: int | None) -> str:
    return "never" if at is None else timestamps.format_ms(at)


def _state(key: ApiKey) -> str:
    return "active" if key.revoked_at is None else "revoked"
