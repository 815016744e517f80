"""Operators with passkeys on an open installation, whose authenticators are software."""

import json
from typing import Any, Final

from authfactor.models import Operator
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.console.operator_assertions import AskedAssertion
from authfactor.rules.console.operator_passkey_sign_in import PasskeySignInForm
from authfactor.rules.console.operator_passkeys import OperatorPasskey
from authfactor.rules.console.operator_sign_in import SignInForm, StartedSession
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from tests.support.installation import Installation
from tests.support.operators import PASSWORD, OperatorAccount

BASE_URL: Final = "https://auth.example.org"


async def register(
    site: Installation, started: StartedSession, device: SoftwareAuthenticator, name: str = "Laptop"
) -> OperatorPasskey:
    """Register a passkey of a signed-in operator; return it as the account page lists it."""
    af, context = site.af, started.context
    begun = await af.run(af.operator_passkeys.begin(context, name))
    response = json.dumps(device.create(begun.public_key, BASE_URL))
    unit = af.operator_passkeys.finish(context.operator, begun.id, response)
    made = await af.run(
        af.console_actions.act(context, "operator_passkey.create", unit, target=lambda found: found.factor.id)
    )
    return next(each for each in await own(site, context.operator) if each.factor.id == made.factor.id)


async def own(site: Installation, operator: Operator) -> list[OperatorPasskey]:
    return await site.af.read(site.af.operator_passkeys.of_operator(operator.id))


def signed(
    device: SoftwareAuthenticator, asked: AskedAssertion, behavior: Behavior = HONEST, origin: str = BASE_URL
) -> str:
    """Return the assertion that a page posts."""
    return json.dumps(device.get(asked.public_key, origin, behavior))


async def sign_in_alone(
    site: Installation,
    key: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    asked: AskedAssertion | None = None,
    text: str = "",
    **changes: Any,  # noqa: ANN401 - any field of the form
) -> StartedSession:
    """Sign in by a passkey alone."""
    asked = asked or site.af.operator_assertions.ask("sign_in")
    form = PasskeySignInForm(asked.id, text or signed(key, asked, behavior), **changes)
    return await site.af.run(await site.af.operator_passkey_sign_in.prepare(site.af.store, form))


async def sign_in_after_password(
    site: Installation,
    account: OperatorAccount,
    device: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    *,
    asked: AskedAssertion | None = None,
    password: str = PASSWORD,
    text: str = "",
    address: str | None = None,
) -> StartedSession:
    """Sign in with password and passkey."""
    asked = asked or site.af.operator_assertions.ask("second_step")
    form = SignInForm(
        email=account.operator.email,
        password=password,
        code=text or signed(device, asked, behavior),
        asked_id=asked.id,
        origin=Origin(None, address),
    )
    return await site.af.run(await site.af.operator_sign_in.prepare_sign_in(site.af.store, form))
