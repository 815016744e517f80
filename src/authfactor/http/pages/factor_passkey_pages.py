"""Passkeys on the page on which users manage their factors: one is added in two steps (decision 0049)."""

from typing import Final

from authfactor import errors
from authfactor.http.pages import factor_page_parts as parts
from authfactor.http.pages import passkey_rows
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.pages.passkey_parts import as_json
from authfactor.http.response import Response
from authfactor.models import Verification
from authfactor.rules.links.factor_page_passkeys import PagePasskeys
from authfactor.rules.links.factor_pages import FactorsPage
from authfactor.webauthn.assertion_text import import_parsers, is_assertion

# What the page says of a refusal, by the reason of the response; of others, that it was not accepted.
_REFUSALS: Final = {
    "factor_limit_reached": "full",
    "webauthn_authenticator_not_allowed": "passkey_kind",
    "webauthn_user_not_verified": "passkey_unverified",
    "webauthn_credential_exists": "passkey_exists",
}


async def view(request: PageRequest) -> PagePasskeys:
    """Return the passkeys of the page."""
    unit = request.af.factor_page_passkeys.view(request.ids[0], request.page_secret())
    return await request.af.read(unit)


def signals(page: FactorsPage, known: PagePasskeys) -> str | None:
    """Return the signals about the user's passkeys; None without any, now or before."""
    if known.handle is None or known.site is None:
        return None
    passkeys, email = list(known.passkeys.values()), page.page_session.user.email
    return passkey_rows.signals(known.site.rp_id, known.handle, passkeys, email)


@parts.asks_for_a_code("passkey")
async def start_adding(request: PageRequest) -> Response:
    """Show the page that adds a passkey."""
    unit = request.af.factor_page_passkeys.start_adding(request.ids[0], request.page_secret())
    try:
        page_session, begun = await request.af.run(unit)
    except errors.InvalidRequest as refusal:
        return parts.done(request, _message_of(refusal))
    return parts.render(
        request,
        "factors_passkey",
        parts.in_users_language(request, page_session),
        passkeys=True,
        registration_id=begun.id,
        options=as_json(begun.public_key),
        back=parts.home(request),
    )


@parts.asks_for_a_code("passkey")
async def finish_adding(request: PageRequest) -> Response:
    """Store the passkey that the browser has made."""
    await import_parsers()
    form = request.form()
    given = form.get("registration_id", ""), form.get("credential", "")
    unit = request.af.factor_page_passkeys.finish_adding(request.ids[0], request.page_secret(), *given)
    try:
        await request.af.run(unit)
    except errors.InvalidRequest as refusal:
        return parts.done(request, _message_of(refusal))
    except errors.ChallengeAlreadyVerified:
        # The form was sent twice.
        return parts.done(request, "passkey_added")
    except (errors.NotFound, errors.ChallengeExpired):
        return parts.done(request, "passkey_expired")
    return parts.done(request, "passkey_added")


async def confirmation_options(request: PageRequest) -> str | None:
    """Return the options for a passkey in place of a code; None if the user has none that can be used."""
    unit = request.af.factor_page_passkeys.ask(request.ids[0], request.page_secret())
    public_key = await request.af.run(unit)
    return None if public_key is None else as_json(public_key)


async def check(request: PageRequest, text: str) -> tuple[Verification | None, bool]:
    """Check an assertion; return its result, and whether the challenge that it answers was over."""
    await import_parsers()
    unit = request.af.factor_page_passkeys.confirm(request.ids[0], request.page_secret(), text)
    try:
        return (await request.af.run(unit)).verification, False
    except (errors.ChallengeRefused, errors.NotFound):
        return None, True


def is_by_passkey(request: PageRequest) -> bool:
    """Return whether the submitted code is an assertion."""
    return request.http_request.method == "POST" and is_assertion(request.form().get("code", ""))


def _message_of(refusal: errors.InvalidRequest) -> str:
    code = refusal.items[0].code if refusal.items else ""
    return _REFUSALS.get(code, "passkey_refused")
