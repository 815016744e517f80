"""An environment's look as a style sheet and a picture of its own: the policy allows no inline styles.

Whatever colour was chosen, text stays readable: on a button it is black or white, as an accent the colour is
darkened or lightened until it has a contrast of 4.5 on the ground it stands on (WCAG 2.2, 1.4.3).
"""

import hashlib
from typing import Final, NamedTuple

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.models import BrandingRecord, Environment

READABLE: Final = 4.5
# The grounds of static/authfactor.css that accents stand on; the hardest of each scheme.
LIGHT_GROUND, DARK_GROUND = "#eceff3", "#232930"
# Of pure black and pure white one has a contrast of 4.58 or more with any colour.
_BLACK, _WHITE = "#000000", "#ffffff"
_STEPS: Final = 50
_FOREVER: Final = b"public, max-age=31536000, immutable"


class PageBranding(NamedTuple):
    """What a page shows of its environment."""

    name: str
    styles: str | None
    logo: str | None


def page_branding(environment: Environment, branding: BrandingRecord | None) -> PageBranding:
    """Say how an environment's pages look: name, addresses of style sheet and logo."""
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
    ending = file.rpartition(".")[2]
    if branding is not None and ending == "css" and branding.color:
        kind, content = b"text/css; charset=utf-8", styles(branding.color).encode()
    elif branding is not None and ending == "png" and branding.logo:
        kind, content = b"image/png", branding.logo
    else:
        raise errors.RouteNotFound("Not Found")
    # A page from before a change asks for the old version: what there is now will do, once.
    keep = _FOREVER if file.startswith(_version(branding)) else b"no-cache"
    headers = (
        (b"content-type", kind),
        (b"cache-control", keep),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    return Response(request.status, content, headers)


def styles(color: str) -> str:
    """Write the style sheet of a colour `#rrggbb`, for both schemes."""
    on_color = _BLACK if contrast(color, _BLACK) >= contrast(color, _WHITE) else _WHITE
    button = f"--accent: {color}; --on-accent: {on_color};"
    light, dark = readable(color, LIGHT_GROUND), readable(color, DARK_GROUND)
    return (
        f":root {{ {button} --accent-text: {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {button} --accent-text: {dark}; }} }}\n"
    )


def readable(color: str, ground: str) -> str:
    """Move a colour away from the ground it stands on until text in it can be read."""
    towards = 255 if luminance(ground) < 0.2 else 0  # noqa: PLR2004 - dark or light ground
    start = _parts(color)
    for step in range(_STEPS + 1):
        moved = [round(part + (towards - part) * step / _STEPS) for part in start]
        text = "#" + "".join(f"{part:02x}" for part in moved)
        if contrast(text, ground) >= READABLE:
            return text
    return _WHITE if towards else _BLACK


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """Relative luminance of a colour, 0 to 1 (WCAG 2.2, definition)."""
    shares = [part / 255 for part in _parts(color)]
    linear = [at / 12.92 if at <= 0.04045 else ((at + 0.055) / 1.055) ** 2.4 for at in shares]  # noqa: PLR2004 - sRGB
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _parts(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]
