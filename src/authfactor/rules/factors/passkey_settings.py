"""The settings of an environment's passkeys: its own over defaults from the base URL."""

from typing import Any, TypeVar

import msgspec

from authfactor.errors import Conflict, InvalidRequest, Item
from authfactor.models import Environment
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Tx, Unit
from authfactor.webauthn import relying_party
from authfactor.webauthn.ceremony import NOT_LOOKED_UP, KnownModel
from authfactor.webauthn.relying_party import RelyingParty

T = TypeVar("T")


def relying_party_of(environment: Environment, settings: Settings) -> RelyingParty:
    """Return an environment's settings. Raises `InvalidRequest` if no browser would take them."""
    return _checked(environment.team_name, options_of(environment).webauthn, settings)


def relying_party_of_pages(environment: Environment, settings: Settings) -> RelyingParty | None:
    """Return an environment's settings if the hosted pages, which are at the base URL, may ask for passkeys.

    Otherwise None: browsers refuse them there, or the environment does not list the pages' origin.
    """
    try:
        found = relying_party_of(environment, settings)
    except InvalidRequest:
        return None
    (pages,) = relying_party.for_base_url(settings.base_url, found.rp_name).origins
    return found if pages in found.origins else None


def check(team_name: str, given: dict[str, Any], settings: Settings) -> None:
    """Check settings before they are stored. Raises `InvalidRequest`."""
    _checked(team_name, given, settings)


def keeping_passkeys(
    environment: Environment, given: dict[str, Any], settings: Settings, change: Unit[T], *, force: bool
) -> Unit[T]:
    """Return the unit of a change of settings, which raises `Conflict` if passkeys would stop working.

    They belong to the RP ID that they were registered for; with `force` it changes nevertheless. Raises
    `InvalidRequest` for settings that no browser would take.
    """
    wanted = _checked(environment.team_name, given, settings).rp_id
    try:
        current = relying_party_of(environment, settings).rp_id
    except InvalidRequest:
        return change  # no passkey works now
    if force or wanted == current:
        return change

    async def run(tx: Tx) -> T:
        lost = (await tx.passkeys.count_by_rp_id(environment.number)).get(current, 0)
        if lost:
            text = (
                f"{lost} passkeys are for {current} and would not work for {wanted}: their users would need"
                " another factor or a new passkey. Use --force to change it nevertheless."
            )
            raise Conflict("passkeys_would_be_lost", text)
        return await change(tx)

    return run


async def known_model(scope: Scope, settings: RelyingParty, aaguid: str) -> KnownModel:
    """Return what metadata says about a model; nothing is read where the settings do not ask for it."""
    if settings.metadata == "off":
        return NOT_LOOKED_UP
    return KnownModel(await scope.tx.authenticator_models.of(aaguid), scope.now)


def _checked(team_name: str, given: dict[str, Any] | None, settings: Settings) -> RelyingParty:
    found = relying_party.for_base_url(settings.base_url, team_name)
    if given:
        try:
            found = msgspec.convert(msgspec.structs.asdict(found) | given, RelyingParty)
        except msgspec.ValidationError as error:
            raise InvalidRequest(Item("webauthn", "webauthn_invalid", f"webauthn: {error}.")) from error
    if problems := relying_party.problems(found):
        raise InvalidRequest(*problems)
    return found
