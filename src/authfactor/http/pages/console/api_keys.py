"""API keys: list, create (the key is shown once), revoke."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages.console.console_request import ConsoleRequest
from authfactor.http.response import Response
from authfactor.models import ApiKey

MAX_NAME = 64


async def show_keys(request: ConsoleRequest, created: tuple[ApiKey, str] | None = None) -> Response:
    """List the keys. `created` is a new key and its plaintext, which is shown only now."""
    number = request.environment.number
    keys = await request.af.read(lambda tx: tx.api_keys.of_environment(number))
    keys.sort(key=lambda key: (key.revoked_at is not None, -key.created_at))
    return request.render("keys.html", here="keys", keys=keys, created=created)


async def create_key(request: ConsoleRequest) -> Response:
    """Create a key and show it."""
    name = request.field("name")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        text = f"Enter a name of 1 to {MAX_NAME} printable characters."
        raise InvalidRequest(Item("name", "name_invalid", text))
    unit = request.af.environments.new_key(request.environment, name)
    created = await request.act("api_key.create", unit, lambda result: result[0].id)
    return await show_keys(request, created)


async def revoke_key(request: ConsoleRequest) -> Response:
    """Revoke a key; every worker rejects it within a second."""
    unit = request.af.environments.revoke_key(request.environment, request.ids[0])
    await request.act("api_key.revoke", unit, request.ids[0])
    return request.redirect(f"{request.home}/keys", "revoked")
