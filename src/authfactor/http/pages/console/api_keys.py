"""API keys: shown once when made, revoked for good."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page
from authfactor.http.response import Response
from authfactor.models import ApiKey

MAX_NAME = 64


async def show_keys(room: ConsoleRequest, made: tuple[ApiKey, str] | None = None) -> Response:
    """List the keys; a new one with its text, this once."""
    number = room.environment.number
    keys = await room.af.read(lambda tx: tx.api_keys.of_environment(number))
    keys.sort(key=lambda key: (key.revoked_at is not None, -key.created_at))
    return room.render("keys.html", here="keys", keys=keys, made=made)


async def create_key(room: ConsoleRequest) -> Response:
    """Make a key and show it."""
    name = room.field("name")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        text = f"Give the key a name of 1 to {MAX_NAME} visible characters."
        raise InvalidRequest(Item("name", "name_invalid", text))
    unit = room.af.environments.new_key(room.environment, name)
    made = await room.act("api_key.create", unit, lambda result: result[0].id)
    return await show_keys(room, made)


async def revoke_key(room: ConsoleRequest) -> Response:
    """Revoke a key: every worker refuses it within a second."""
    unit = room.af.environments.revoke_key(room.environment, room.ids[0])
    await room.act("api_key.revoke", unit, room.ids[0])
    return room.redirect(f"{room.home}/keys", "revoked")


ROUTES = [
    operator_page("GET", "/console/e/{environment}/keys", show_keys, "API keys"),
    operator_page(
        "POST", "/console/e/{environment}/keys", create_key, "Create an API key", on_error=show_keys
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/keys/{key}/revoke",
        revoke_key,
        "Revoke an API key",
        on_error=show_keys,
    ),
]
