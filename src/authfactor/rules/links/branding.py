"""Branding: what an environment's pages show of the application they belong to."""

import base64
import re
from typing import Final

from msgspec import UNSET

from authfactor.errors import InvalidRequest, Item
from authfactor.models import BrandingRecord, Clock, Environment
from authfactor.otp import key_uri
from authfactor.rules.links import logos
from authfactor.store import Tx, Unit
from authfactor.wire.links import UpdateBranding

_COLOR: Final = re.compile(r"#[0-9a-f]{6}")
NO_BRANDING: Final = BrandingRecord(None, None, None, 0)


class Brandings:
    """Reads and changes branding."""

    def __init__(self, clock: Clock) -> None:
        """Take what the rules may use."""
        self._clock = clock

    def get(self, environment: Environment) -> Unit[BrandingRecord | None]:
        """Read the branding; None when none was ever set."""

        async def run(tx: Tx) -> BrandingRecord | None:
            return await tx.brandings.of(environment.number)

        return run

    def update(self, environment: Environment, request: UpdateBranding) -> Unit[BrandingRecord]:
        """Change the fields that are given. Raises `InvalidRequest`."""
        items: list[Item] = []
        name = _name(request.name, items)
        color = _color(request.color, items)
        logo = _logo(request.logo, items)
        if items:
            raise InvalidRequest(*items)
        now = self._clock()

        async def run(tx: Tx) -> BrandingRecord:
            # Held, so that two changes of different fields at once both stay.
            await tx.environments.lock(environment.number)
            known = await tx.brandings.of(environment.number) or NO_BRANDING
            changed = BrandingRecord(
                known.name if request.name is UNSET else name,
                known.color if request.color is UNSET else color,
                known.logo if request.logo is UNSET else logo,
                now,
            )
            await tx.brandings.put(environment.number, changed)
            return changed

        return run


def _name(given: object, items: list[Item]) -> str | None:
    if not isinstance(given, str):
        return None
    try:
        return key_uri.check_name(given, longest=key_uri.MAX_ISSUER)
    except key_uri.InvalidLabel as error:
        items.append(Item("name", "name_invalid", f"name {error}."))
        return None


def _color(given: object, items: list[Item]) -> str | None:
    if not isinstance(given, str):
        return None
    if not _COLOR.fullmatch(given.lower()):
        items.append(Item("color", "color_invalid", "color: six hex digits after #, as in #1f5fd0."))
    return given.lower()


def _logo(given: object, items: list[Item]) -> bytes | None:
    if not isinstance(given, str):
        return None
    try:
        return logos.check(base64.b64decode(given, validate=True))
    except logos.InvalidLogo as error:
        items.append(Item("logo", "logo_invalid", f"logo {error}."))
    except ValueError:  # binascii's own error is one; letters outside ASCII are another
        items.append(Item("logo", "logo_invalid", "logo: must be base64."))
    return None
