"""What pages that ask for passkeys have in common; `static/passkeys.js` is the script of all of them."""

from typing import Any

import msgspec

from authfactor import errors
from authfactor.http.pages.page_request import PageRequest
from authfactor.models import Verification
from authfactor.rules.factors.passkey_settings import relying_party_of_pages
from authfactor.rules.links.page_proofs import UnknownPasskey
from authfactor.rules.links.page_sessions import PageSession
from authfactor.webauthn.assertion_text import import_parsers, is_assertion


async def proof(request: PageRequest) -> str:
    """Return what was submitted as `code`: a code, a recovery code, or an assertion."""
    text = request.form().get("code", "")
    if is_assertion(text):
        await import_parsers()
    return text


def are_usable(request: PageRequest, page_session: PageSession) -> bool:
    """Return whether browsers use an environment's passkeys on our pages."""
    return relying_party_of_pages(page_session.environment, request.af.settings) is not None


def as_json(value: object) -> str:
    """Return a value as the script reads it from an attribute."""
    return msgspec.json.encode(value).decode()


def names(
    options: dict[str, Any] | None,
    unknown: UnknownPasskey | None,
    problem: str | None,
    verification: Verification | None,
) -> dict[str, Any]:
    """Return the names of a page that asks for a proof, with the problem where it arose."""
    with_passkey = verification is not None and (verification.reason or "").startswith("webauthn_")
    signal = None
    if unknown is not None:
        signal = {"signalUnknownCredential": {"rpId": unknown.rp_id, "credentialId": unknown.credential_id}}
    return {
        "passkeys": options is not None or signal is not None,
        "passkey": None if options is None else as_json(options),
        "passkey_problem": problem if with_passkey else None,
        "passkey_signals": None if signal is None else as_json(signal),
        "problem": None if with_passkey and options is not None else problem,
    }


def refusal_in(error: errors.InvalidRequest) -> str:
    """Return why a passkey was refused. Raises the error if that was not the passkey's fault."""
    code = error.items[0].code if error.items else ""
    if not code.startswith("webauthn_"):
        raise error
    return code
