"""An authenticator in software, for tests without a browser: JSON options in, JSON responses out.

    authenticator = SoftwareAuthenticator(secrets.token_bytes)
    response = authenticator.create(options, "https://example.org")
    response = authenticator.get(other_options, "https://example.org", Behavior(user_present=False))

It does what the options say, except for what `Behavior` says. It protects no key: it is for tests only.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor

from authfactor.webauthn.public_keys import EDDSA, ES256, RS256

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

_KEY_BYTES: Final = 32
_MODULUS_BYTES: Final = 256


class Excluded(Exception):
    """The authenticator has one of the excluded credentials (a browser's InvalidStateError)."""


class NoCredential(Exception):
    """The authenticator has none of the credentials that are asked for (a browser's NotAllowedError)."""


class Behavior(NamedTuple):
    """What an authenticator and a browser report; None stands for what is true.

    `counter` is what the signature counter says, instead of one more than before.
    """

    user_present: bool = True
    user_verified: bool = True
    backup_eligible: bool | None = None
    backed_up: bool | None = None
    counter: int | None = None
    type: str | None = None
    challenge: bytes | None = None
    origin: str | None = None
    rp_id: str | None = None
    cross_origin: bool = False
    top_origin: str | None = None
    user_handle: bytes | None = None
    attestation: Literal["none", "packed"] = "none"


HONEST: Final = Behavior()


@dataclass
class SoftwareCredential:
    """A credential. The user handle is None if the credential is not discoverable."""

    id: bytes
    rp_id: str
    user_handle: bytes | None
    algorithm: int
    private_key: PrivateKey
    backup_eligible: bool
    backed_up: bool
    counter: int = 0


class SoftwareAuthenticator:
    """Credentials by id. `entropy` returns that many random bytes; only RSA keys draw their own."""

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        *,
        aaguid: bytes = bytes(16),
        backup_eligible: bool = False,
        backed_up: bool = False,
        counts: bool = True,
        attestation_key: ec.EllipticCurvePrivateKey | None = None,
        attestation_chain: Sequence[bytes] = (),
    ) -> None:
        """The flags are those of new credentials. Without `counts`, counters stay 0, as synced ones do.

        With an attestation key, and its certificate first in the chain (DER), it attests where options ask.
        """
        self.credentials: dict[bytes, SoftwareCredential] = {}
        self._entropy = entropy
        self._aaguid = aaguid
        self._backup = backup_eligible, backed_up
        self._counts = counts
        self._attestation = attestation_key, list(attestation_chain)

    def create(
        self, options: Mapping[str, Any], origin: str, behavior: Behavior = HONEST, *, algorithm: int = 0
    ) -> dict[str, Any]:
        """Make a credential and return RegistrationResponseJSON; `algorithm` overrides the preferred one.

        Raises `Excluded`.
        """
        if any(_bytes(each["id"]) in self.credentials for each in options["excludeCredentials"]):
            raise Excluded
        made = algorithm or next(each["alg"] for each in options["pubKeyCredParams"])
        discoverable = options["authenticatorSelection"]["residentKey"] != "discouraged"
        credential = SoftwareCredential(
            self._entropy(_KEY_BYTES),
            options["rp"]["id"],
            _bytes(options["user"]["id"]) if discoverable else None,
            made,
            _private_key(made, self._entropy),
            *self._backup,
        )
        self.credentials[credential.id] = credential
        key = cbor.encode(_cose_key(credential.private_key))
        attested = self._aaguid + len(credential.id).to_bytes(2, "big") + credential.id + key
        client_data = _client_data("webauthn.create", options["challenge"], origin, behavior)
        data = self._authenticator_data(credential, behavior, attested)
        format_: str = behavior.attestation
        statement: dict[str, Any] = {}
        attests_with, chain = self._attestation
        if attests_with is not None and options["attestation"] == "direct":
            signature = _sign(attests_with, data, client_data)
            format_, statement = "packed", {"alg": ES256, "sig": signature, "x5c": chain}
        elif behavior.attestation == "packed":
            statement = {"alg": made, "sig": _sign(credential.private_key, data, client_data)}
        object_ = cbor.encode({"fmt": format_, "attStmt": statement, "authData": data})
        response = {
            "clientDataJSON": _text(client_data),
            "attestationObject": _text(object_),
            "transports": ["internal"],
        }
        return _public_key_credential(credential, response, {"credProps": {"rk": discoverable}})

    def get(self, options: Mapping[str, Any], origin: str, behavior: Behavior = HONEST) -> dict[str, Any]:
        """Sign and return AuthenticationResponseJSON. Raises `NoCredential`."""
        credential = self._chosen(options)
        client_data = _client_data("webauthn.get", options["challenge"], origin, behavior)
        data = self._authenticator_data(credential, behavior)
        handle = behavior.user_handle or credential.user_handle
        response = {
            "clientDataJSON": _text(client_data),
            "authenticatorData": _text(data),
            "signature": _text(_sign(credential.private_key, data, client_data)),
            "userHandle": None if handle is None else _text(handle),
        }
        return _public_key_credential(credential, response, {})

    def _chosen(self, options: Mapping[str, Any]) -> SoftwareCredential:
        """Return the first allowed credential, or the newest discoverable one if any is allowed."""
        held = [each for each in self.credentials.values() if each.rp_id == options["rpId"]]
        allowed = [_bytes(each["id"]) for each in options["allowCredentials"]]
        fitting = [each for each in held if each.id in allowed] if allowed else held[::-1]
        for each in fitting:
            if allowed or each.user_handle is not None:
                return each
        raise NoCredential

    def _authenticator_data(
        self, credential: SoftwareCredential, behavior: Behavior, attested: bytes = b""
    ) -> bytes:
        if self._counts:
            credential.counter += 1
        counter = credential.counter if behavior.counter is None else behavior.counter
        eligible = (
            credential.backup_eligible if behavior.backup_eligible is None else behavior.backup_eligible
        )
        backed_up = credential.backed_up if behavior.backed_up is None else behavior.backed_up
        bits = (behavior.user_present, False, behavior.user_verified, eligible, backed_up, False, attested)
        flags = sum(1 << at for at, bit in enumerate(bits) if bit)
        hashed = hashlib.sha256((behavior.rp_id or credential.rp_id).encode()).digest()
        return hashed + bytes([flags]) + counter.to_bytes(4, "big") + attested


def _client_data(kind: str, challenge: str, origin: str, behavior: Behavior) -> bytes:
    seen: dict[str, Any] = {
        "type": behavior.type or kind,
        "challenge": challenge if behavior.challenge is None else _text(behavior.challenge),
        "origin": behavior.origin or origin,
        "crossOrigin": behavior.cross_origin,
    }
    if behavior.top_origin is not None:
        seen["topOrigin"] = behavior.top_origin
    return json.dumps(seen, separators=(",", ":")).encode()


def _public_key_credential(
    credential: SoftwareCredential, response: dict[str, Any], extensions: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": _text(credential.id),
        "rawId": _text(credential.id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "response": response,
        "clientExtensionResults": extensions,
    }


def _private_key(algorithm: int, entropy: Callable[[int], bytes]) -> PrivateKey:
    if algorithm == EDDSA:
        return ed25519.Ed25519PrivateKey.from_private_bytes(entropy(_KEY_BYTES))
    if algorithm == ES256:
        # The order of the curve is just below 2^256; 248 bits are always below it, and never 0.
        return ec.derive_private_key(int.from_bytes(b"\1" + entropy(_KEY_BYTES - 2), "big"), ec.SECP256R1())
    if algorithm == RS256:
        return rsa.generate_private_key(public_exponent=65537, key_size=8 * _MODULUS_BYTES)
    raise ValueError(f"no keys for the COSE algorithm {algorithm}")


def _cose_key(private_key: PrivateKey) -> dict[int, int | bytes]:
    public_key = private_key.public_key()
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return {1: 1, 3: EDDSA, -1: 6, -2: public_key.public_bytes_raw()}
    numbers = public_key.public_numbers()
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        x, y = (each.to_bytes(_KEY_BYTES, "big") for each in (numbers.x, numbers.y))
        return {1: 2, 3: ES256, -1: 1, -2: x, -3: y}
    return {1: 3, 3: RS256, -1: numbers.n.to_bytes(_MODULUS_BYTES, "big"), -2: b"\1\0\1"}


def _sign(private_key: PrivateKey, data: bytes, client_data: bytes) -> bytes:
    message = data + hashlib.sha256(client_data).digest()
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return private_key.sign(message, ec.ECDSA(hashes.SHA256()))
    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        return private_key.sign(message)
    return private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
