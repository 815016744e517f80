"""Branding: the name, color and logo that an environment's pages show."""

import base64
import re
from typing import Final

from msgspec import UNSET

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.models import BrandingRecord, Clock, Environment
from authfactor.otp import key_uri
from authfactor.rules.links import logos
from authfactor.rules.unit import Scope, unit
from authfactor.store import Unit
from authfactor.wire.links import UpdateBranding

_COLOR: Final = re.compile(r"#[0-9a-f]{6}")
NO_BRANDING: Final = BrandingRecord(None, None, None, 0)


class Brandings:
    """Reads and changes branding."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock, in milliseconds of the epoch."""
        self._clock = clock

    @unit
    async def get(self, scope: Scope) -> BrandingRecord | None:
        """Return the branding; None when none was ever set."""
        return await scope.tx.brandings.of(scope.number)

    def update(
        self, environment: Environment, request: UpdateBranding, *, if_updated_at: int | None = None
    ) -> Unit[BrandingRecord]:
        """Change the given fields. Raises `InvalidRequest`.

        The unit raises `Outdated` when the branding has changed since `if_updated_at`, the `updated_at` that
        the caller saw.
        """
        items: list[Item] = []
        name = _name(request.name, items)
        color = _color(request.color, items)
        logo = _logo(request.logo, items)
        if items:
            raise InvalidRequest(*items)
        return self._update(environment, request, name, color, logo, if_updated_at)

    @unit
    async def _update(
        self,
        scope: Scope,
        request: UpdateBranding,
        name: str | None,
        color: str | None,
        logo: bytes | None,
        if_updated_at: int | None,
    ) -> BrandingRecord:
        # Locked, so that concurrent changes of different fields both take effect.
        await scope.tx.environments.lock(scope.number)
        known = await scope.tx.brandings.of(scope.number) or NO_BRANDING
        if if_updated_at not in {None, known.updated_at}:
            raise errors.Outdated(f"name {known.name or 'not set'}, color {known.color or 'not set'}")
        changed = BrandingRecord(
            known.name if request.name is UNSET else name,
            known.color if request.color is UNSET else color,
            known.logo if request.logo is UNSET else logo,
            max(scope.now, known.updated_at + 1),
        )
        await scope.tx.brandings.put(scope.number, changed)
        return changed


def _name(given: object, items: list[Item]) -> str | None:
    if not isinstance(given, str):
        return None
    try:
        return key_uri.check_name(given, max_length=key_uri.MAX_ISSUER)
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
    except ValueError:  # includes binascii.Error; non-ASCII letters raise a plain ValueError
        items.append(Item("logo", "logo_invalid", "logo: must be base64."))
    return None
