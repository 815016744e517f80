"""Passkey responses that are wrong in random ways, and what two implementations say about them."""

import json
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import cbor2
import webauthn
from webauthn.helpers.cose import COSEAlgorithmIdentifier

from authfactor.testing.software_authenticator import Behavior
from authfactor.webauthn import ceremony, options, public_keys, responses
from authfactor.webauthn.ceremony import AssertionExpected, NewCredential, RegisteredCredential
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.passkeys import CHALLENGE, HANDLE, ORIGIN, Site, stored, to_bytes, to_text, with_settings

ORIGINS: Final = (ORIGIN, "https://example.org:8443")
OTHER_ORIGINS: Final = (
    "https://example.org",
    "https://sub.auth.example.org",
    "http://auth.example.org",
    "https://auth.example.org:444",
    "https://auth.example.org/",
    "https://auth.example.com",
)
ALGORITHMS: Final = [COSEAlgorithmIdentifier(each) for each in public_keys.OFFERED]
JSON_VALUES: Final[tuple[Any, ...]] = (None, 1, "", "%%%", "AA==", [], {}, True, "ä")

Response = dict[str, Any]
Verdict = tuple[str, Any]
"""Either `accepted` with what was found out, or the reason and message of a refusal."""


class Case(NamedTuple):
    """A response and what it is checked against; `row` is None for a registration."""

    response: Response
    settings: RelyingParty
    row: RegisteredCredential | None
    allowed: tuple[bytes, ...] | None


class Mutations:
    """Makes cases from a seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._sites = [self._site(algorithm) for algorithm in public_keys.OFFERED * 2]

    def registration(self) -> Case:
        """Return a registration with up to three faults."""
        # RSA keys take long to make, so few are.
        algorithm = self._draw.choices(public_keys.OFFERED, (45, 50, 5))[0]
        site = Site(self._draw.getrandbits(32), backup_eligible=self._draw.random() < 0.5)
        packed = self._draw.random() < 0.4
        behavior = self._behavior(attestation="packed" if packed else "none")
        response = site.creation_response(behavior, algorithm)
        self._spoil(response, ("clientDataJSON", "attestationObject"), self._change_attestation)
        return Case(response, self._settings(), None, None)

    def assertion(self) -> Case:
        """Return an assertion with up to three faults, and the row of its credential."""
        site, made = self._draw.choice(self._sites)
        count = self._draw.choice([0, 0, 0, 1, 7])
        first = self._draw.random() < 0.3
        behavior = self._behavior(
            counter=self._draw.choice([0, 1, 7, 8, 8, 9, 9, 2**32 - 1]),
            user_handle=b"another" if self._draw.random() < 0.05 else None,
        )
        known = None if first else [options.KnownCredential(made.id)]
        settings = self._settings(first=first)
        response = site.authenticator.get(
            options.request_options(settings, CHALLENGE, known), ORIGIN, behavior
        )
        allowed = (made.id,) if self._draw.random() < 0.95 else (HANDLE,)
        self._spoil(response, ("clientDataJSON", "authenticatorData", "signature", "userHandle"), None)
        return Case(response, settings, stored(made, sign_count=count), None if first else allowed)

    def _site(self, algorithm: int) -> tuple[Site, NewCredential]:
        site = Site(self._draw.getrandbits(32), backup_eligible=self._draw.random() < 0.5)
        return site, site.register(site.creation_response(algorithm=algorithm))

    def _settings(self, *, first: bool = False) -> RelyingParty:
        required = first or self._draw.random() < 0.5
        return with_settings(origins=ORIGINS, user_verification="required" if required else "preferred")

    def _behavior(self, **more: object) -> Behavior:
        """Return a behavior of which each part is wrong once in about forty times."""
        wrong: dict[str, Any] = {
            "user_present": False,
            "backup_eligible": self._draw.random() < 0.5,
            "backed_up": True,
            "type": self._draw.choice(["webauthn.create", "webauthn.get", "payment.get"]),
            "challenge": self._draw.randbytes(self._draw.choice([0, 31, 32, 33])),
            "origin": self._draw.choice(OTHER_ORIGINS),
            "rp_id": self._draw.choice(["example.com", "auth.example.org", "org"]),
            "cross_origin": True,
            "top_origin": "https://portal.example.com",
        }
        chosen = {name: value for name, value in wrong.items() if self._draw.random() < 1 / 40}
        return Behavior(user_verified=self._draw.random() < 0.9, **chosen | more)

    def _spoil(
        self, response: Response, fields: tuple[str, ...], rewrite: Callable[[Response], None] | None
    ) -> None:
        """Change the response in up to two ways."""
        ways = [self._flip, self._flip, self._resize, self._swap, self._drop, self._retype, self._respell]
        for _ in range(self._draw.choice([0, 0, 1, 1, 1, 2])):
            if not isinstance(response.get("response"), dict):
                return
            if rewrite is not None and self._draw.random() < 0.4:
                rewrite(response)
            elif self._draw.random() < 0.15:
                self._change_members(response)
            elif self._draw.random() < 0.25:
                self._change_client_data(response)
            else:
                self._draw.choice(ways)(response["response"], self._draw.choice(fields), fields)

    def _flip(self, members: Response, field: str, _: tuple[str, ...]) -> None:
        value = bytearray(_decoded(members.get(field)))
        if value:
            value[self._draw.randrange(len(value))] ^= 1 << self._draw.randrange(8)
            members[field] = to_text(bytes(value))

    def _resize(self, members: Response, field: str, _: tuple[str, ...]) -> None:
        value = _decoded(members.get(field))
        cut = value[: self._draw.randrange(len(value) + 1)]
        members[field] = to_text(self._draw.choice([cut, value[:-1], value + b"\0", value + b"\xa0"]))

    def _swap(self, members: Response, field: str, fields: tuple[str, ...]) -> None:
        other = self._draw.choice(fields)
        members[field], members[other] = members.get(other), members.get(field)

    def _drop(self, members: Response, field: str, _: tuple[str, ...]) -> None:
        members.pop(field, None)

    def _retype(self, members: Response, field: str, _: tuple[str, ...]) -> None:
        members[field] = self._draw.choice(JSON_VALUES)

    def _respell(self, members: Response, field: str, _: tuple[str, ...]) -> None:
        text = members.get(field) or ""
        if isinstance(text, str):
            at = self._draw.randrange(len(text) + 1)
            added = self._draw.choice(["\n", " ", "=", "*", "A", "+", "/"])
            members[field] = self._draw.choice([text[:at] + added + text[at:], text + "=="])

    def _change_members(self, response: Response) -> None:
        field = self._draw.choice([*response, "rawId", "both"])
        if field == "both":
            response["id"] = response["rawId"] = to_text(
                self._draw.randbytes(self._draw.choice([1, 32, 1024]))
            )
        elif self._draw.random() < 0.5:
            response.pop(field, None)
        else:
            response[field] = self._draw.choice([*JSON_VALUES, "public-key", to_text(b"another")])

    def _change_client_data(self, response: Response) -> None:
        """Change a member of the client data, which no signature covers if there is no attestation."""
        try:
            seen = json.loads(_decoded(response["response"].get("clientDataJSON")))
            field = self._draw.choice([*seen, "topOrigin", "tokenBinding", "more"])
        except (ValueError, TypeError, KeyError):
            return
        if self._draw.random() < 0.3:
            seen.pop(field, None)
        else:
            seen[field] = self._draw.choice(
                [*JSON_VALUES, seen.get("challenge"), {"status": "odd"}, 0, False]
            )
        response["response"]["clientDataJSON"] = to_text(json.dumps(seen).encode())

    def _change_attestation(self, response: Response) -> None:
        """Change a member of the attestation object or of the key in it."""
        try:
            attestation = cbor2.loads(_decoded(response["response"].get("attestationObject")))
            self._draw.choice([self._change_object, self._change_key, self._add_extensions])(attestation)
            canonical = self._draw.random() < 0.8
            encoded = cbor2.dumps(attestation, canonical=canonical)
        except (cbor2.CBORError, KeyError, TypeError, ValueError, AttributeError, IndexError):
            return
        response["response"]["attestationObject"] = to_text(encoded)

    def _change_object(self, attestation: Response) -> None:
        field, value = self._draw.choice(
            [
                ("fmt", "none"),
                ("fmt", "packed"),
                ("fmt", "tpm"),
                ("fmt", "unheard-of"),
                ("attStmt", {}),
                ("attStmt", {"more": 1}),
                ("attStmt", {"alg": -7, "sig": b"1"}),
                ("more", 1),
                ("authData", None),
                ("fmt", None),
            ]
        )
        attestation[field] = value
        if self._draw.random() < 0.1:
            del attestation[field]

    def _change_key(self, attestation: Response) -> None:
        data = attestation["authData"]
        at = 55 + int.from_bytes(data[53:55], "big")
        key = cbor2.loads(data[at:])
        label = self._draw.choice([*key, 2, 5])
        key[label] = self._draw.choice([1, 2, 3, 0, -7, -8, -257, -35, 8, bytes(32), b"\1" * 31, None])
        if self._draw.random() < 0.2:
            del key[label]
        attestation["authData"] = data[:at] + cbor2.dumps(key, canonical=self._draw.random() < 0.7)

    def _add_extensions(self, attestation: Response) -> None:
        data = bytearray(attestation["authData"])
        data[32] ^= 0x80
        extensions = self._draw.choice([{}, {"a": True}, {"a": {"b": [1]}}, None, 1.5, [[[[[[[1]]]]]]]])
        attestation["authData"] = bytes(data) + cbor2.dumps(extensions)


def _decoded(text: object) -> bytes:
    try:
        return to_bytes(text) if isinstance(text, str) else b""
    except ValueError:
        return b""


def ours(case: Case) -> Verdict:
    """Return the verdict of the ceremony under test; any other exception than its own is a failure."""
    body = json.dumps(case.response).encode()
    try:
        if case.row is None:
            made = ceremony.verify_registration(case.settings, CHALLENGE, responses.read_registration(body))
            return "accepted", (
                made.id,
                made.sign_count,
                made.aaguid,
                made.backup_eligible,
                made.backed_up,
                made.user_verified,
                made.format,
                made.public_key,
            )
        expected = AssertionExpected(CHALLENGE, case.allowed)
        response = responses.read_assertion(body)
        accepted = ceremony.verify_assertion(case.settings, expected, response, case.row)
    except CeremonyRefused as refusal:
        return refusal.reason, refusal.message
    return "accepted", (response.credential_id, accepted.backed_up, accepted.user_verified)


def theirs(case: Case) -> Verdict:
    """Return the verdict of py_webauthn; whatever it raises is a refusal."""
    required = case.settings.user_verification == "required"
    try:
        if case.row is None:
            made = webauthn.verify_registration_response(
                credential=json.dumps(case.response),
                expected_challenge=CHALLENGE,
                expected_rp_id=case.settings.rp_id,
                expected_origin=list(case.settings.origins),
                require_user_verification=required,
                supported_pub_key_algs=ALGORITHMS,
            )
            return "accepted", (
                made.credential_id,
                made.sign_count,
                made.aaguid,
                made.credential_device_type == "multi_device",
                made.credential_backed_up,
                made.user_verified,
                made.fmt,
                cbor2.dumps(cbor2.loads(made.credential_public_key), canonical=True),
            )
        accepted = webauthn.verify_authentication_response(
            credential=json.dumps(case.response),
            expected_challenge=CHALLENGE,
            expected_rp_id=case.settings.rp_id,
            expected_origin=list(case.settings.origins),
            credential_public_key=case.row.public_key,
            credential_current_sign_count=case.row.sign_count,
            require_user_verification=required,
        )
    except Exception as error:  # noqa: BLE001 - whatever it raises, it did not accept
        return "refused", f"{type(error).__name__}: {error}"
    return "accepted", (accepted.credential_id, accepted.credential_backed_up, accepted.user_verified)
