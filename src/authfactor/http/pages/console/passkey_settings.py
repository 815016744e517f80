"""The settings of an environment's passkeys, as the page of its policy shows them."""

from typing import Final

from authfactor import errors
from authfactor.http.pages.console.console_request import ConsoleRequest
from authfactor.rules.factors.passkey_settings import relying_party_of

_LABELS: Final = {
    "rp_id": "RP ID: the site that passkeys are for",
    "rp_name": "Name of the site",
    "origins": "Pages that may ask for passkeys",
    "top_origins": "Pages that may frame those",
    "user_verification": "PIN, fingerprint or face, as second factor",
    "resident_key": "Passkeys that sign in alone",
    "attachment": "Where passkeys may be kept",
    "hints": "What browsers offer first",
    "backup_eligible": "Passkeys that are backed up",
    "aaguids_allowed": "Only these models (AAGUIDs)",
    "aaguids_denied": "Not these models (AAGUIDs)",
}


def rows(request: ConsoleRequest) -> list[tuple[str, str]]:
    """Return label and value of each setting that says something; none where browsers refuse them."""
    try:
        settings = relying_party_of(request.environment, request.af.settings)
    except errors.InvalidRequest:
        return []
    found = []
    for name, label in _LABELS.items():
        value = getattr(settings, name)
        text = ", ".join(value) if isinstance(value, tuple) else value
        if text:
            found.append((label, text))
    return found


def refusal(request: ConsoleRequest) -> str | None:
    """Return why browsers refuse this environment's passkeys, and what to do; None if they do not."""
    try:
        relying_party_of(request.environment, request.af.settings)
    except errors.InvalidRequest as refused:
        return refused.items[0].message
    return None
