"""Environments: make one, rename it, choose its policy; and the limits that hold for all of them."""

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
USUAL_COLOR: Final = "#1f5fd0"
# What a person who asks "why was I locked out" needs to see.
LIMITS: Final = (
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
    """A setting as it is shown: its value, and where that came from."""

    name: str
    about: str
    value: str
    variable: str
    is_default: bool


async def show_environments(request: ConsoleRequest) -> Response:
    """List the environments."""
    return request.render("environments.html", here="environments")


async def create_environment(request: ConsoleRequest) -> Response:
    """Create an environment; its first API key is made on the page of its keys."""
    name = _name(request, "name")
    unit = request.af.environments.create(
        name, team_name=request.field("team_name") or request.af.settings.team_name
    )
    made = await request.act("environment.create", unit, _client_id)
    return request.redirect(f"/console/e/{made.client_id}/keys", "created")


async def show_settings(request: ConsoleRequest) -> Response:
    """Show name, issuer, policy and look of an environment, and the limits of the installation."""
    branding = await request.af.read(request.af.brandings.get(request.environment)) or NO_BRANDING
    return request.render(
        "settings.html",
        here="settings",
        branding=branding,
        look=page_branding.page_branding(request.environment, branding),
        usual=USUAL_COLOR,
        limits=[_limit(request, name) for name in LIMITS],
    )


async def save_settings(request: ConsoleRequest) -> Response:
    """Change name, issuer and policy."""
    policy = request.field("mfa_policy")
    if policy not in get_args(MfaPolicy):
        raise InvalidRequest(Item("mfa_policy", "mfa_policy_invalid", "Choose one of the policies."))
    unit = request.af.environments.update(
        request.environment,
        name=_name(request, "name"),
        team_name=_name(request, "team_name"),
        mfa_policy=cast("MfaPolicy", policy),
    )
    await request.act("environment.update", unit, request.environment.client_id)
    return request.redirect(f"{request.home}/settings", "saved")


async def save_look(room: ConsoleRequest) -> Response:
    """Change name and colour of the pages that users see."""
    request = UpdateBranding(
        name=room.field("brand_name") or None,
        color=room.field("color") if room.field("colored") else None,
    )
    unit = room.af.brandings.update(room.environment, request)
    await room.act("environment.update", unit, room.environment.client_id)
    return room.redirect(f"{room.home}/settings", "saved")


def _name(request: ConsoleRequest, field: str) -> str:
    text = request.field(field)
    if not text or len(text) > MAX_NAME or not text.isprintable():
        words = field.replace("_", " ")
        raise InvalidRequest(
            Item(field, f"{field}_invalid", f"The {words} needs 1 to {MAX_NAME} visible characters.")
        )
    return text


def _client_id(environment: Environment) -> str:
    return environment.client_id


def _limit(request: ConsoleRequest, name: str) -> SettingRow:
    item = next(item for item in dataclasses.fields(settings.Settings) if item.name == name)
    value: Any = getattr(request.af.settings, name)
    unit = item.metadata["unit"]
    return SettingRow(
        name,
        item.metadata["about"],
        f"{value} {unit}".strip(),
        f"{settings.PREFIX}{name.upper()}",
        value == item.default,
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
        "Change an environment",
        on_error=show_settings,
    ),
    operator_page(
        "POST", "/console/e/{environment}/look", save_look, "Change the look of pages", on_error=show_settings
    ),
]
