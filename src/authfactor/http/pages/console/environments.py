"""Environments: create one, change its name, policy and branding; the limits of the installation."""

import dataclasses
from typing import Any, Final, NamedTuple, cast, get_args

from authfactor import settings
from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages import page_branding
from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page
from authfactor.http.response import Response
from authfactor.models import Environment, MfaPolicy
from authfactor.rules.links.branding import NO_BRANDING
from authfactor.wire.links import UpdateBranding

MAX_NAME: Final = 64
# As in the templates.
LABELS: Final = {"name": "Name", "team_name": "Issuer in authenticator apps"}
DEFAULT_COLOR: Final = "#1f5fd0"
# The settings that explain why a user was locked out or signed out.
SHOWN_LIMITS: Final = (
    "window",
    "challenge_life",
    "attempts_per_challenge",
    "lock_after",
    "lock_window",
    "lock_time",
    "failures_per_day",
    "failures_in_a_row",
    "max_factors_per_user",
    "pending_factor_life",
    "pending_sign_in_life",
    "access_token_life",
    "session_life",
    "session_inactivity",
    "event_life",
)


class SettingRow(NamedTuple):
    """A setting, its value, and whether that is the default."""

    name: str
    description: str
    value: str
    variable: str
    is_default: bool


async def show_environments(request: ConsoleRequest) -> Response:
    """List the environments."""
    return request.render("environments.html", here="environments")


async def create_environment(request: ConsoleRequest) -> Response:
    """Create an environment and redirect to its API keys."""
    name = _name(request, "name")
    unit = request.af.environments.create(
        name, team_name=request.field("team_name") or request.af.settings.team_name
    )
    created = await request.act("environment.create", unit, _client_id)
    return request.redirect(f"/console/e/{created.client_id}/keys", "created")


async def show_settings(request: ConsoleRequest) -> Response:
    """Show an environment's name, issuer, policy and branding, and the limits of the installation."""
    branding = await request.af.read(request.af.brandings.get(request.environment)) or NO_BRANDING
    return request.render(
        "settings.html",
        here="settings",
        branding=branding,
        shown_branding=page_branding.page_branding(request.environment, branding),
        default_color=DEFAULT_COLOR,
        limits=[_setting_row(request, name) for name in SHOWN_LIMITS],
    )


async def save_settings(request: ConsoleRequest) -> Response:
    """Update name, issuer and policy."""
    policy = request.field("mfa_policy")
    if policy not in get_args(MfaPolicy):
        raise InvalidRequest(Item("mfa_policy", "mfa_policy_invalid", "Choose a policy."))
    unit = request.af.environments.update(
        request.environment,
        name=_name(request, "name"),
        team_name=_name(request, "team_name"),
        mfa_policy=cast("MfaPolicy", policy),
    )
    await request.act("environment.update", unit, request.environment.client_id)
    return request.redirect(f"{request.home}/settings", "saved")


async def save_branding(request: ConsoleRequest) -> Response:
    """Update the name and the color of the pages for users."""
    body = UpdateBranding(
        name=request.field("brand_name") or None,
        color=request.field("color") if request.field("colored") else None,
    )
    unit = request.af.brandings.update(request.environment, body)
    await request.act("environment.update", unit, request.environment.client_id)
    return request.redirect(f"{request.home}/settings", "saved")


def _name(request: ConsoleRequest, field: str) -> str:
    text = request.field(field)
    if not text or len(text) > MAX_NAME or not text.isprintable():
        label = LABELS[field]
        raise InvalidRequest(
            Item(field, f"{field}_invalid", f"{label}: enter 1 to {MAX_NAME} printable characters.")
        )
    return text


def _client_id(environment: Environment) -> str:
    return environment.client_id


def _setting_row(request: ConsoleRequest, name: str) -> SettingRow:
    field = next(field for field in dataclasses.fields(settings.Settings) if field.name == name)
    value: Any = getattr(request.af.settings, name)
    unit = field.metadata["unit"]
    return SettingRow(
        name,
        field.metadata["about"],
        f"{value} {unit}".strip(),
        f"{settings.PREFIX}{name.upper()}",
        value == field.default,
    )


ROUTES = [
    operator_page("GET", "/console/environments", show_environments, "Environments"),
    operator_page(
        "POST",
        "/console/environments",
        create_environment,
        "Create an environment",
        on_error=show_environments,
    ),
    operator_page("GET", "/console/e/{environment}/settings", show_settings, "Policy and limits"),
    operator_page(
        "POST",
        "/console/e/{environment}/settings",
        save_settings,
        "Update an environment",
        on_error=show_settings,
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/look",
        save_branding,
        "Update the branding of pages",
        on_error=show_settings,
    ),
]
