"""What a console page shows where it asks for a passkey: the id of the request, and its options."""

from typing import Final, NamedTuple

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http.pages.passkey_parts import as_json
from authfactor.models import OperatorContext
from authfactor.rules.console.operator_assertions import Purpose

# The hidden field with the id. It is never rendered back.
ASKED_FIELD: Final = "passkey_request"


class ShownAssertion(NamedTuple):
    """The values of a form that asks for a passkey."""

    id: str
    options: str


async def for_sign_in(af: Authfactor, purpose: Purpose, device: str | None) -> ShownAssertion | None:
    """Return what the sign-in page asks for; None where browsers refuse passkeys.

    After the password it names the passkeys of the operator whose known `device` this is.
    """
    own = None
    if purpose == "second_step":
        own = await af.read(af.operator_passkey_sign_in.passkeys_of_device(device))
    try:
        asked = af.operator_assertions.ask(purpose, own=own)
    except errors.InvalidRequest:
        return None
    return ShownAssertion(asked.id, as_json(asked.public_key))


async def for_confirmation(af: Authfactor, context: OperatorContext) -> ShownAssertion | None:
    """Return what a page asks of a signed-in operator; None without passkeys, or where they are refused."""
    found = await af.read(af.operator_passkeys.of_operator(context.operator.id))
    passkeys = [each.passkey for each in found if not each.passkey.is_suspect]
    try:
        asked = af.operator_assertions.ask("confirmation", context.session.id, passkeys)
    except errors.InvalidRequest:
        return None
    if not asked.public_key["allowCredentials"]:
        return None
    return ShownAssertion(asked.id, as_json(asked.public_key))
