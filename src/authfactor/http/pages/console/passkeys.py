"""Passkeys of operators: sign-in with them, and those of the signed-in operator (decision 0049)."""

from typing import NamedTuple

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http import refusal_timing
from authfactor.http.pages import passkey_rows
from authfactor.http.pages.console import sign_in as sign_in_pages
from authfactor.http.pages.console.console_request import (
    DEVICE_COOKIE,
    SESSION_COOKIE,
    ConsoleRequest,
    device_cookie,
    session_cookie,
)
from authfactor.http.pages.console.shown_assertions import ASKED_FIELD
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.pages.passkey_parts import as_json
from authfactor.http.pages.passkey_rows import PasskeyFacts
from authfactor.http.response import Response
from authfactor.models import FactorDetails
from authfactor.rules.console.operator_assertions import console_site
from authfactor.rules.console.operator_passkey_sign_in import PasskeySignInForm
from authfactor.rules.console.operator_passkeys import MAX_PASSKEYS, OperatorPasskey
from authfactor.rules.console.operators import CONSOLE

ACCOUNT = "/console/account"


class OwnPasskeyRow(NamedTuple):
    """A passkey of the account page."""

    factor: FactorDetails
    label: str
    facts: PasskeyFacts


async def sign_in(request: PageRequest) -> Response:
    """Check an assertion and start a session with a new token."""
    client = (CONSOLE.number, request.http_request.origin.address)
    return await refusal_timing.hold_refusals(request.af.settings, client, _sign_in(request))


async def _sign_in(request: PageRequest) -> Response:
    form = request.form()
    attempt = PasskeySignInForm(
        form.get(ASKED_FIELD, ""),
        form.get("credential", ""),
        user_agent=sign_in_pages.user_agent(request),
        old_token=request.cookie(SESSION_COOKIE),
        device=request.cookie(DEVICE_COOKIE),
        origin=request.http_request.origin,
    )
    try:
        unit = await request.af.operator_passkey_sign_in.prepare(request.af.store, attempt)
        started = await request.af.run(unit)
    except (
        errors.SignInRefused,
        errors.TooManyAttempts,
        errors.Unavailable,
        errors.InvalidRequest,
    ) as error:
        return await sign_in_pages.show_sign_in(request, error)
    cookies = [session_cookie(started.token), device_cookie(started.device)]
    return request.redirect(sign_in_pages.HOME, cookies=cookies)


async def show_account(request: ConsoleRequest) -> Response:
    """Show the operator's own passkeys and sessions."""
    af, operator = request.af, request.context.operator
    sessions = await af.read(af.operator_sign_in.live(operator))
    passkeys = await af.read(af.operator_passkeys.of_operator(operator.id))
    return request.render(
        "account.html",
        here="account",
        sessions=sessions,
        current_id=request.context.session.id,
        own_passkeys=[_row(each) for each in passkeys],
        is_full=len(passkeys) >= MAX_PASSKEYS,
        refused=refusal_of_site(af),
        signals=await _signals(request, passkeys),
    )


async def begin(request: ConsoleRequest) -> Response:
    """Show the page that registers a passkey; nothing is stored of it before the browser's response."""
    await request.require_confirmation()
    begun = await request.af.run(
        request.af.operator_passkeys.begin(request.context, request.field("passkey_name"))
    )
    return request.render(
        "passkey_new.html",
        here="account",
        passkeys=True,
        registration_id=begun.id,
        options=as_json(begun.public_key),
    )


async def finish(request: ConsoleRequest) -> Response:
    """Store the passkey of the browser's response."""
    operator = request.context.operator
    given = request.field("registration_id"), request.field("credential")
    unit = request.af.operator_passkeys.finish(operator, *given)
    await request.act("operator_passkey.create", unit, lambda made: made.factor.id)
    return request.redirect(ACCOUNT, "passkey_added")


async def rename(request: ConsoleRequest) -> Response:
    """Rename one of the operator's own passkeys."""
    operator_id, factor_id = request.context.operator.id, request.ids[0]
    unit = request.af.operator_passkeys.rename(operator_id, factor_id, request.field("passkey_name"))
    await request.act("operator_passkey.rename", unit, factor_id)
    return request.redirect(ACCOUNT, "renamed")


async def remove(request: ConsoleRequest) -> Response:
    """Remove one of the operator's own passkeys."""
    factor_id = request.ids[0]
    unit = request.af.operator_passkeys.remove(request.context.operator.id, factor_id)
    await request.act("operator_passkey.delete", unit, factor_id)
    return request.redirect(ACCOUNT, "passkey_removed")


def refusal_of_site(af: Authfactor) -> str | None:
    """Return why browsers refuse passkeys of this console, and what to do; None if they do not."""
    try:
        console_site(af.settings)
    except errors.InvalidRequest as refusal:
        return refusal.items[0].message
    return None


async def _signals(request: ConsoleRequest, passkeys: list[OperatorPasskey]) -> str | None:
    """Return the signals about the operator's passkeys; None without any, now or before."""
    operator_id = request.context.operator.id
    handle = await request.af.read(lambda tx: tx.passkeys.handle_of(CONSOLE.number, operator_id))
    if handle is None or refusal_of_site(request.af) is not None:
        return None
    rp_id = console_site(request.af.settings).rp_id
    return passkey_rows.signals(rp_id, handle, [each.passkey for each in passkeys])


def _row(found: OperatorPasskey) -> OwnPasskeyRow:
    facts = passkey_rows.facts_of(found.passkey)
    return OwnPasskeyRow(found.factor, passkey_rows.label_of(found.factor, facts) or "Passkey", facts)
