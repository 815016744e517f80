"""A site with passkeys, for tests of the ceremony: settings, one user, one software authenticator."""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec

from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from authfactor.webauthn import ceremony, options, responses
from authfactor.webauthn.ceremony import (
    AssertionExpected,
    NewCredential,
    RegisteredCredential,
    VerifiedAssertion,
)
from authfactor.webauthn.relying_party import RelyingParty

ORIGIN: Final = "https://auth.example.org"
CHALLENGE: Final = bytes(range(32))
HANDLE: Final = bytes(range(64, 96))
SETTINGS: Final = RelyingParty(rp_id="example.org", rp_name="Acme", origins=(ORIGIN,))


def with_settings(**changes: object) -> RelyingParty:
    return msgspec.structs.replace(SETTINGS, **changes)


def to_text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "===")


class Site:
    """One user with one authenticator. What is random comes from the seed."""

    def __init__(
        self,
        seed: int = 1,
        settings: RelyingParty = SETTINGS,
        *,
        aaguid: bytes = bytes(16),
        backup_eligible: bool = False,
        backed_up: bool = False,
    ) -> None:
        self.settings = settings
        self.authenticator = SoftwareAuthenticator(
            random.Random(seed).randbytes, aaguid=aaguid, backup_eligible=backup_eligible, backed_up=backed_up
        )

    def creation_response(self, behavior: Behavior = HONEST, algorithm: int = 0) -> dict[str, Any]:
        account = options.Account(HANDLE, "kim@example.org", "Kim")
        asked = options.creation_options(self.settings, account, CHALLENGE, [])
        return self.authenticator.create(asked, ORIGIN, behavior, algorithm=algorithm)

    def register(
        self, response: dict[str, Any] | None = None, existing: tuple[bytes, ...] = ()
    ) -> NewCredential:
        parsed = responses.read_registration(json.dumps(response or self.creation_response()).encode())
        return ceremony.verify_registration(self.settings, CHALLENGE, parsed, existing)

    def request_response(self, behavior: Behavior = HONEST, *, first: bool = False) -> dict[str, Any]:
        held = [options.KnownCredential(each) for each in self.authenticator.credentials]
        asked = options.request_options(self.settings, CHALLENGE, None if first else held)
        return self.authenticator.get(asked, ORIGIN, behavior)

    def sign_in(
        self,
        stored: RegisteredCredential | None,
        response: dict[str, Any] | None = None,
        *,
        allowed: tuple[bytes, ...] | None,
    ) -> VerifiedAssertion:
        first = allowed is None
        body = json.dumps(response or self.request_response(first=first)).encode()
        expected = AssertionExpected(CHALLENGE, allowed)
        return ceremony.verify_assertion(self.settings, expected, responses.read_assertion(body), stored)


def stored(credential: NewCredential, **changes: object) -> RegisteredCredential:
    """Return the row of a registered credential."""
    row = RegisteredCredential(
        credential.public_key, credential.sign_count, credential.backup_eligible, credential.aaguid, HANDLE
    )
    return RegisteredCredential(**row._asdict() | changes)
