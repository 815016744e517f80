"""What pages show of a passkey, and what they tell the browser about it."""

from typing import Any, Literal, NamedTuple

from authfactor.http.pages.passkey_parts import as_json
from authfactor.models import FactorDetails
from authfactor.models.passkeys import PasskeyRecord
from authfactor.webauthn import base64url
from authfactor.webauthn.product_names import product_name

Backup = Literal["backed_up", "not_yet", "device"]


class PasskeyFacts(NamedTuple):
    """Where a passkey is: the product that keeps it, if it is known, and whether there is a backup.

    `not_yet`: it can be backed up, and was not when it was last used. `device`: it never leaves its device.
    `needs_password`: browsers find it only when a page names it.
    """

    product: str | None
    backup: Backup
    is_suspect: bool
    needs_password: bool


def facts_of(passkey: PasskeyRecord) -> PasskeyFacts:
    """Return what pages show of a passkey."""
    backup: Backup = "backed_up" if passkey.backed_up else "not_yet" if passkey.backup_eligible else "device"
    needs_password = passkey.discoverable is False
    return PasskeyFacts(product_name(passkey.aaguid), backup, passkey.is_suspect, needs_password)


def signals(rp_id: str, handle: bytes, passkeys: list[PasskeyRecord], account: str | None = None) -> str:
    """Return the JSON of a `data-passkey-signals` attribute, for a page that its user has signed in to.

    The browser forgets passkeys of this user that are not listed, and shows `account` with the others.
    """
    user = {"rpId": rp_id, "userId": base64url.encode(handle)}
    listed = [base64url.encode(each.credential_id) for each in passkeys if each.rp_id == rp_id]
    told: dict[str, Any] = {"signalAllAcceptedCredentials": {**user, "allAcceptedCredentialIds": listed}}
    if account is not None:
        told["signalCurrentUserDetails"] = {**user, "name": account, "displayName": account}
    return as_json(told)


def label_of(factor: FactorDetails, facts: PasskeyFacts) -> str | None:
    """Return what a passkey is called: its name, or the product's; None if it has neither."""
    return factor.name or facts.product
