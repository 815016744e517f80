"""An environment's branding as a style sheet and a logo; the policy allows no inline styles.

Text stays readable with any color: on a button it is black or white, and an accent color is darkened or
lightened until its contrast with the background is 4.5 (WCAG 2.2, 1.4.3).
"""

import hashlib
from typing import Final, NamedTuple

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.models import BrandingRecord, Environment

MIN_CONTRAST: Final = 4.5
# The background of each color scheme in static/authfactor.css with the least contrast to an accent.
LIGHT_BACKGROUND, DARK_BACKGROUND = "#eceff3", "#232930"
# For any color, either black or white has a contrast of at least 4.58.
_BLACK, _WHITE = "#000000", "#ffffff"
_STEPS: Final = 50
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"


class PageBranding(NamedTuple):
    """The name of an environment and the URL paths of its style sheet and logo."""

    name: str
    styles: str | None
    logo: str | None


def page_branding(environment: Environment, branding: BrandingRecord | None) -> PageBranding:
    """Return what an environment's pages show; the paths are None where nothing is set."""
    if branding is None:
        return PageBranding(environment.team_name, None, None)
    base = f"/assets/brand/{environment.client_id}/{_version(branding)}"
    return PageBranding(
        branding.name or environment.team_name,
        f"{base}.css" if branding.color else None,
        f"{base}.png" if branding.logo else None,
    )


def _version(branding: BrandingRecord) -> str:
    return hashlib.sha256((branding.color or "").encode() + b"\0" + (branding.logo or b"")).hexdigest()[:12]


async def serve(request: Request) -> Response:
    """Send an environment's style sheet or logo. Raises `RouteNotFound`."""
    client_id, file = request.ids
    environment = await request.af.read(lambda tx: tx.environments.by_client_id(client_id))
    if environment is None:
        raise errors.RouteNotFound("Not Found")
    number = environment.number
    branding = await request.af.read(lambda tx: tx.brandings.of(number))
    extension = file.rpartition(".")[2]
    if branding is not None and extension == "css" and branding.color:
        content_type, content = b"text/css; charset=utf-8", styles(branding.color).encode()
    elif branding is not None and extension == "png" and branding.logo:
        content_type, content = b"image/png", branding.logo
    else:
        raise errors.RouteNotFound("Not Found")
    # A page rendered before a change requests the old version: send the new one, uncached.
    cache_control = _IMMUTABLE if file.startswith(_version(branding)) else b"no-cache"
    headers = (
        (b"content-type", content_type),
        (b"cache-control", cache_control),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    return Response(request.status, content, headers)


def styles(color: str) -> str:
    """Return the style sheet for a color `#rrggbb`, with both color schemes."""
    on_color = _BLACK if contrast(color, _BLACK) >= contrast(color, _WHITE) else _WHITE
    button = f"--accent: {color}; --on-accent: {on_color};"
    light, dark = readable_color(color, LIGHT_BACKGROUND), readable_color(color, DARK_BACKGROUND)
    return (
        f":root {{ {button} --accent-text: {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {button} --accent-text: {dark}; }} }}\n"
    )


def readable_color(color: str, background: str) -> str:
    """Darken or lighten a color until it is readable as text on a background."""
    target = 255 if luminance(background) < 0.2 else 0  # noqa: PLR2004 - dark or light
    start = _channels(color)
    for step in range(_STEPS + 1):
        mixed = [round(channel + (target - channel) * step / _STEPS) for channel in start]
        candidate = "#" + "".join(f"{channel:02x}" for channel in mixed)
        if contrast(candidate, background) >= MIN_CONTRAST:
            return candidate
    return _WHITE if target else _BLACK


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, 1 to 21 (WCAG 2.2, definition)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """Return the relative luminance of a color, 0 to 1 (WCAG 2.2, definition)."""
    srgb = [channel / 255 for channel in _channels(color)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in srgb]  # noqa: PLR2004 - sRGB
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(color: str) -> list[int]:
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]
