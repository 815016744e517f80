"""What a page passes to `parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` (section 5.1.9)."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from authfactor.webauthn import base64url
from authfactor.webauthn.public_keys import OFFERED
from authfactor.webauthn.relying_party import RelyingParty

CHALLENGE_BYTES: Final = 32
USER_HANDLE_BYTES: Final = 32
TIMEOUT_MS: Final = 300_000


class Account(NamedTuple):
    """For whom a passkey is made. `handle` is random, kept for the user, and neither an id nor an email."""

    handle: bytes
    name: str
    display_name: str


class KnownCredential(NamedTuple):
    """A credential that an authenticator is asked for, or asked not to create twice."""

    id: bytes
    transports: tuple[str, ...] = ()


def creation_options(
    settings: RelyingParty, account: Account, challenge: bytes, existing: Iterable[KnownCredential]
) -> dict[str, Any]:
    """Return PublicKeyCredentialCreationOptionsJSON; `challenge` is `CHALLENGE_BYTES` random bytes."""
    selection: dict[str, Any] = {
        "residentKey": settings.resident_key,
        "requireResidentKey": settings.resident_key == "required",
        "userVerification": settings.user_verification,
    }
    if settings.attachment is not None:
        selection["authenticatorAttachment"] = settings.attachment
    return {
        "rp": {"id": settings.rp_id, "name": settings.rp_name},
        "user": {
            "id": base64url.encode(account.handle),
            "name": account.name,
            "displayName": account.display_name,
        },
        "challenge": base64url.encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in OFFERED],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": [_descriptor(each) for each in existing],
        "authenticatorSelection": selection,
        "hints": list(settings.hints),
        "attestation": settings.attestation,
        "extensions": {"credProps": True},
    }


def request_options(
    settings: RelyingParty, challenge: bytes, allowed: Iterable[KnownCredential] | None
) -> dict[str, Any]:
    """Return PublicKeyCredentialRequestOptionsJSON.

    `allowed` are the user's credentials for a second factor. None is a first factor: any discoverable
    credential, with user verification. Such options name no user, so they tell nothing about one.
    """
    return {
        "challenge": base64url.encode(challenge),
        "timeout": TIMEOUT_MS,
        "rpId": settings.rp_id,
        "allowCredentials": [_descriptor(each) for each in allowed or ()],
        "userVerification": "required" if allowed is None else settings.user_verification,
        "hints": list(settings.hints),
    }


def signals(rp_id: str, account: Account, ids: Iterable[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of `signalAllAcceptedCredentials()` and `signalCurrentUserDetails()`.

    Browsers delete the user's other passkeys of this RP ID, so `ids` has all of them.
    """
    user = {"rpId": rp_id, "userId": base64url.encode(account.handle)}
    accepted = {**user, "allAcceptedCredentialIds": [base64url.encode(each) for each in ids]}
    return accepted, {**user, "name": account.name, "displayName": account.display_name}


def _descriptor(credential: KnownCredential) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "public-key", "id": base64url.encode(credential.id)}
    if credential.transports:
        described["transports"] = list(credential.transports)
    return described
