"""The page that asks for a code before a dangerous action, and then continues the action that was submitted.

It holds the submitted fields, and submits them with the code to the same URL: nothing is stored in between,
and the action runs through the same checks as without the page.
"""

from typing import Final, NamedTuple

from authfactor.http.pages.console.shown_assertions import ASKED_FIELD
from authfactor.http.pages.page_request import PageRequest
from authfactor.models import Environment
from authfactor.rules.console.operators import CONSOLE

# The field with the code. It is never rendered back.
CODE_FIELD: Final = "confirmation_code"
# The hidden field with the `updated_at` that a form was rendered from.
VERSION_FIELD: Final = "updated_at"
# Of no use to people: versions, ids, and what a browser returned for a passkey.
_NOT_SHOWN: Final = frozenset({VERSION_FIELD, "registration_id", "credential"})
# What the fields of forms that may need a code are called.
FIELD_LABELS: Final = {
    "name": "Name",
    "team_name": "Issuer in authenticator apps",
    "policy": "When a sign-in asks for a code",
    "totp": "Codes of an authenticator app count",
    "webauthn": "Passkeys count",
    "recovery_code": "Recovery codes count",
    "mfa_policy": "When a sign-in asks for a code",
    "email": "Email",
    "role": "Role",
    "reason": "Reason",
}


class Submitted(NamedTuple):
    """What a confirmation is about: the fields to submit again, and what to show of them and for whom."""

    hidden: dict[str, str]
    shown: dict[str, str]
    subject: str | None
    back: str


async def submitted(request: PageRequest, environment: Environment | None) -> Submitted:
    """Describe a submitted form; `environment` is the one in the path, if any. The code is left out."""
    fields = request.form()
    for name in (CODE_FIELD, ASKED_FIELD):
        fields.pop(name, None)
    shown = {
        FIELD_LABELS.get(name) or name.replace("_", " ").capitalize(): value
        for name, value in fields.items()
        if value and name not in _NOT_SHOWN
    }
    home = f"/console/e/{environment.client_id}" if environment else "/console"
    # The path's part after the console or the environment, such as `users`, and the ids in it.
    kind = request.http_request.path.removeprefix(f"{home}/").partition("/")[0]
    ids = request.ids[1:] if environment else request.ids
    page = f"{home}/{kind}/{ids[0]}" if kind == "users" and ids else f"{home}/{kind}"
    subject = await (_own_passkey(request, ids) if kind == "account" else _subject(request, environment, ids))
    return Submitted(fields, shown, subject, page)


async def _own_passkey(request: PageRequest, ids: tuple[str, ...]) -> str | None:
    """Return the name of the passkey in the path; None without a name, or without one in the path."""
    found = await request.af.read(lambda tx: tx.factors.details(CONSOLE.number, ids[0])) if ids else None
    return None if found is None else found.name


async def _subject(request: PageRequest, environment: Environment | None, ids: tuple[str, ...]) -> str | None:
    """Return the email of the operator or user in the path; the id of an unknown one; None without one."""
    if not ids:
        return None
    if environment is None:
        operator = await request.af.read(lambda tx: tx.operators.by_id(ids[0]))
        return operator.email if operator else ids[0]
    user = await request.af.read(lambda tx: tx.users.by_id(environment.number, ids[0]))
    return user.email if user else ids[0]
