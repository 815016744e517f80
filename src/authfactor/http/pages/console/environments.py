"""Environments: create one, change its name, policy and branding; the limits of the installation."""

import dataclasses
from typing import Any, Final, NamedTuple, cast, get_args

import msgspec

from authfactor import errors, settings
from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages import page_branding
from authfactor.http.pages.console import passkey_settings
from authfactor.http.pages.console.console_request import UNKNOWN_VERSION, ConsoleRequest
from authfactor.http.response import Response
from authfactor.models import BrandingRecord, Environment, MfaPolicy
from authfactor.rules.authentication.applied_policy import is_weaker
from authfactor.rules.links.branding import NO_BRANDING
from authfactor.rules.tenants.environments import MAX_DEVICE_DAYS, options_of, trusts_more
from authfactor.wire.links import UpdateBranding

MAX_NAME: Final = 64
# As in the templates.
LABELS: Final = {"name": "Name", "team_name": "Issuer in authenticator apps"}
POLICY_LABELS: Final[dict[MfaPolicy, str]] = {
    "off": "Never",
    "if_enrolled": "When the user has a factor",
    "required": "Always; users without a factor must enroll first",
}
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


class Difference(NamedTuple):
    """A field of an outdated form: what is stored now, and what was typed."""

    label: str
    stored: str
    typed: str


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
    """Show an environment's name, issuer, policy and branding, and the limits of the installation.

    After an outdated form: what was typed, beside what is stored now.
    """
    outdated = isinstance(request.problem, errors.Outdated)
    if outdated:
        await request.reload_environment()
    branding = await request.af.read(request.af.brandings.get(request.environment)) or NO_BRANDING
    return request.render(
        "settings.html",
        here="settings",
        branding=branding,
        differences=_differences(request, branding) if outdated else [],
        shown_branding=page_branding.page_branding(request.environment, branding),
        policies=POLICY_LABELS,
        options=options_of(request.environment),
        max_device_days=MAX_DEVICE_DAYS,
        default_color=DEFAULT_COLOR,
        passkey_settings=passkey_settings.rows(request),
        passkeys_refused=passkey_settings.refusal(request),
        limits=[_setting_row(request, name) for name in SHOWN_LIMITS],
    )


async def save_settings(request: ConsoleRequest) -> Response:
    """Update name, issuer and policy."""
    policy = request.field("mfa_policy")
    if policy not in get_args(MfaPolicy):
        raise InvalidRequest(Item("mfa_policy", "mfa_policy_invalid", "Choose a policy."))
    known = request.environment
    policy = cast("MfaPolicy", policy)
    # Compared here with what the form was rendered from, and in the unit with what is stored by then.
    unchanged = request.version() == known.updated_at
    before = options_of(known)
    options = msgspec.structs.replace(before, **_trusted_devices(request))
    unit = request.af.environments.update(
        known,
        name=_name(request, "name"),
        team_name=_name(request, "team_name"),
        mfa_policy=policy,
        options=options,
        if_updated_at=known.updated_at if unchanged else UNKNOWN_VERSION,
    )
    weakens = unchanged and (is_weaker(policy, known.mfa_policy) or trusts_more(options, before))
    await request.act("environment.update", unit, known.client_id, dangerous=weakens)
    return request.redirect(f"{request.home}/settings", "saved")


async def save_branding(request: ConsoleRequest) -> Response:
    """Update the name and the color of the pages for users."""
    body = UpdateBranding(
        name=request.field("brand_name") or None,
        color=request.field("color") if request.field("colored") else None,
    )
    unit = request.af.brandings.update(request.environment, body, if_updated_at=request.version())
    await request.act("environment.update", unit, request.environment.client_id)
    return request.redirect(f"{request.home}/settings", "saved")


def _differences(request: ConsoleRequest, branding: BrandingRecord) -> list[Difference]:
    """Return the fields of an outdated form that differ from what is stored now."""
    environment, field = request.environment, request.field
    options = options_of(environment)
    if field("mfa_policy"):
        rows = [
            Difference("Name", environment.name, field("name")),
            Difference("Issuer in authenticator apps", environment.team_name, field("team_name")),
            Difference(
                "When a sign-in asks for a code",
                POLICY_LABELS[environment.mfa_policy],
                POLICY_LABELS.get(cast("MfaPolicy", field("mfa_policy")), ""),
            ),
            Difference(
                "Trusted devices",
                _device_label(options.trusted_devices == "allowed", options.trusted_device_days),
                _device_label(bool(field("trusted_devices")), field("trusted_device_days")),
            ),
        ]
    else:
        rows = [
            Difference("Name on pages", branding.name or "", field("brand_name")),
            Difference("Color", branding.color or "", field("color") if field("colored") else ""),
        ]
    return [row for row in rows if row.stored != row.typed]


def _device_label(allowed: bool, days: object) -> str:  # noqa: FBT001 - of a pair
    return f"For {days} days" if allowed else "Off"


def _name(request: ConsoleRequest, field: str) -> str:
    text = request.field(field)
    if not text or len(text) > MAX_NAME or not text.isprintable():
        label = LABELS[field]
        raise InvalidRequest(
            Item(field, f"{field}_invalid", f"{label}: enter 1 to {MAX_NAME} printable characters.")
        )
    return text


def _trusted_devices(request: ConsoleRequest) -> dict[str, Any]:
    """Return the options that the form changes; none for the form of an older release."""
    text = request.field("trusted_device_days")
    if not text:
        return {}
    # Any other text is refused as 0 is.
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0  # noqa: PLR2004 - digits
    policy = "allowed" if request.field("trusted_devices") else "off"
    return {"trusted_devices": policy, "trusted_device_days": days}


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
