"""Lists of an environment: the URIs to which sign-ins may redirect, and the origins of browser clients."""

import re
from typing import Final

import msgspec

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Environment, PageQuery, RecordPage
from authfactor.models.hosted_sign_in import CorsOriginRecord, RedirectUriRecord
from authfactor.rules import pagination
from authfactor.rules.hosted_sign_in.authorizations import is_production
from authfactor.rules.hosted_sign_in.redirect_uri_rules import WILDCARD, check_default, check_uri
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.settings import Settings, is_loopback
from authfactor.store import Unit

MAX_URIS: Final = 500
_ORIGIN: Final = re.compile(
    r"https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
)
_MAX_ORIGIN: Final = 255


class RedirectUris:
    """Lists, adds and removes redirect URIs."""

    def __init__(self, clock: Clock, new_id: IdGenerator, settings: Settings) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._new_id = new_id
        self._settings = settings

    @unit
    async def page(self, scope: Scope, query: PageQuery) -> RecordPage[RedirectUriRecord]:
        """List the URIs. Raises `InvalidRequest` for an unknown cursor."""
        table = scope.tx.redirect_uris
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await table.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await table.page(scope.number, query)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    @unit
    async def all(self, scope: Scope) -> list[RedirectUriRecord]:
        """List all URIs, oldest first."""
        return await scope.tx.redirect_uris.all(scope.number)

    def add(self, environment: Environment, uri: str) -> Unit[RedirectUriRecord]:
        """Add a URI; the first one without a wildcard becomes the default.

        Raises `InvalidRequest`, and so does the unit for a URI that is on the list, or too many.
        """
        check_uri(uri, production=is_production(environment, self._settings))
        return self._add(environment, uri)

    @unit
    async def _add(self, scope: Scope, uri: str) -> RedirectUriRecord:
        # Locked, so that of two first URIs one becomes the default.
        await scope.tx.environments.lock(scope.number)
        known = await scope.tx.redirect_uris.all(scope.number)
        if any(item.uri == uri for item in known):
            raise InvalidRequest(message=f"Redirect URI '{uri}' already exists.")
        if len(known) >= MAX_URIS:
            raise InvalidRequest(message=f"There are {MAX_URIS} redirect URIs. Remove one first.")
        is_default = WILDCARD not in uri and not any(item.is_default for item in known)
        made = RedirectUriRecord(self._new_id(ids.REDIRECT_URI), uri, is_default, scope.now, scope.now)
        await scope.tx.redirect_uris.insert(scope.number, made)
        return made

    @unit
    async def make_default(self, scope: Scope, uri_id: str) -> RedirectUriRecord:
        """Make a URI the default in place of the one that is. Raises `NotFound` and `InvalidRequest`."""
        await scope.tx.environments.lock(scope.number)
        found = await self._load(scope, uri_id)
        check_default(found.uri)
        await scope.tx.redirect_uris.set_default(scope.number, uri_id, scope.now)
        return msgspec.structs.replace(found, is_default=True, updated_at=scope.now)

    @unit
    async def remove(self, scope: Scope, uri_id: str) -> None:
        """Remove a URI. Raises `NotFound`, and `Conflict` for the default."""
        await self._load(scope, uri_id)
        if not await scope.tx.redirect_uris.delete(scope.number, uri_id):
            raise errors.Conflict("redirect_uri_is_default", "Cannot delete the default redirect URI.")

    @installation_unit
    async def seed(self, scope: InstallationScope, client_id: str, uris: tuple[str, ...]) -> None:
        """Add those that the first environment's list lacks. Raises `InvalidRequest`."""
        environments = scope.tx.environments
        first = await (environments.by_client_id(client_id) if client_id else environments.by_number(1))
        if first is None:
            return
        listed = {item.uri for item in await scope.tx.redirect_uris.all(first.number)}
        for uri in dict.fromkeys(uris):
            if uri not in listed:
                await self.add(first, uri)(scope.tx)

    async def _load(self, scope: Scope, uri_id: str) -> RedirectUriRecord:
        found = await scope.tx.redirect_uris.by_id(scope.number, uri_id)
        if found is None:
            raise errors.NotFound("Redirect URI", uri_id)
        return found


class CorsOrigins:
    """Lists, adds and removes origins whose pages may read the answers of `authenticate`."""

    def __init__(self, clock: Clock, new_id: IdGenerator, settings: Settings) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._new_id = new_id
        self._settings = settings

    @unit
    async def page(self, scope: Scope, query: PageQuery) -> RecordPage[CorsOriginRecord]:
        """List the origins. Raises `InvalidRequest` for an unknown cursor."""
        table = scope.tx.cors_origins
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await table.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await table.page(scope.number, query)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    def add(self, environment: Environment, origin: str) -> Unit[CorsOriginRecord]:
        """Add an origin. Raises `InvalidRequest`; the unit raises `Conflict` for one that is on the list."""
        secure = origin.startswith("https://") or not is_production(environment, self._settings)
        if len(origin) > _MAX_ORIGIN or not _ORIGIN.fullmatch(origin) or not (secure or is_loopback(origin)):
            text = "origin: as browsers send it, such as https://app.example.org; https in production."
            raise InvalidRequest(Item("origin", "origin_invalid", text))
        return self._add(environment, origin)

    @unit
    async def _add(self, scope: Scope, origin: str) -> CorsOriginRecord:
        made = CorsOriginRecord(self._new_id(ids.CORS_ORIGIN), origin, scope.now, scope.now)
        if not await scope.tx.cors_origins.insert(scope.number, made):
            raise errors.Conflict("duplicate_cors_origin", f"The origin '{origin}' is on the list.")
        return made

    @unit
    async def remove(self, scope: Scope, origin_id: str) -> None:
        """Remove an origin. Raises `NotFound`."""
        if not await scope.tx.cors_origins.delete(scope.number, origin_id):
            raise errors.NotFound("CORS origin", origin_id)
