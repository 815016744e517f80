"""The checks of a registration and of an assertion, in a fixed order (WebAuthn sections 7.1 and 7.2).

The caller owns the challenge: that it is open, for this purpose and user, and closed by one conditional
write. The caller also finds the credential, by environment, RP ID and id, never by user: browsers delete the
passkey of a `webauthn_credential_unknown`, so it must not be the answer to another user's.
"""

import hashlib
import hmac
from typing import Final, Literal, NamedTuple
from uuid import UUID

from authfactor.models.passkeys import AuthenticatorModel
from authfactor.webauthn import attestation, base64url, public_keys
from authfactor.webauthn.authenticator_data import Attestation, AttestedCredential, AuthenticatorReport
from authfactor.webauthn.refusals import CeremonyRefused, malformed
from authfactor.webauthn.relying_party import RelyingParty
from authfactor.webauthn.responses import AssertionResponse, Attachment, ClientData, RegistrationResponse

Trust = Literal["none", "self", "unverified", "attested"]
"""`self`: signed with the credential's own key. `attested`: by the model that metadata has for its AAGUID.
`unverified`: certificates that lead to no such model, or are not looked at."""

_CREATE: Final = "webauthn.create"
_GET: Final = "webauthn.get"


class NewCredential(NamedTuple):
    """A registered credential. `public_key` is canonical CBOR, `aaguid` a UUID in lower case."""

    id: bytes
    public_key: bytes
    algorithm: int
    sign_count: int
    aaguid: str
    backup_eligible: bool
    backed_up: bool
    user_verified: bool
    discoverable: bool | None
    transports: tuple[str, ...]
    attachment: Attachment | None
    format: str
    trust: Trust


class KnownModel(NamedTuple):
    """What metadata says about the model of an AAGUID, None if it knows none, at a time in milliseconds."""

    model: AuthenticatorModel | None
    now: int


NOT_LOOKED_UP: Final = KnownModel(None, 0)


class AssertionExpected(NamedTuple):
    """What the options asked for. `allowed` are the user's ids for a second factor, None for a first one."""

    challenge: bytes
    allowed: tuple[bytes, ...] | None

    @property
    def is_first_factor(self) -> bool:
        """Whether the passkey names the user."""
        return self.allowed is None


class RegisteredCredential(NamedTuple):
    """What is stored of a credential and its user."""

    public_key: bytes
    sign_count: int
    backup_eligible: bool
    aaguid: str
    user_handle: bytes
    trust: str = "none"


class VerifiedAssertion(NamedTuple):
    """An accepted assertion, and what to store.

    `counter_went_back` is the signal that a synced passkey's count did not grow; `sign_count` then is the
    stored one, which is never lowered.
    """

    sign_count: int
    backed_up: bool
    user_verified: bool
    counter_went_back: bool


def aaguid_of(response: RegistrationResponse) -> str:
    """Return the AAGUID of a new credential as a UUID in lower case; "" if the response is about none."""
    credential = response.attestation.report.attested
    return "" if credential is None else str(UUID(bytes=bytes(credential.aaguid)))


def verify_registration(
    settings: RelyingParty,
    challenge: bytes,
    response: RegistrationResponse,
    existing: tuple[bytes, ...] = (),
    known: KnownModel = NOT_LOOKED_UP,
) -> NewCredential:
    """Check a registration; `existing` are the ids that the options excluded. Raises `CeremonyRefused`.

    `known` is what metadata says about the model, if the settings ask for it.
    """
    report = response.attestation.report
    _check_client(settings, response.client_data, _CREATE, challenge)
    _check_authenticator(
        settings, report, user_verification_required=settings.user_verification == "required"
    )
    credential = report.attested
    if credential is None or credential.id != response.credential_id:
        raise malformed("The authenticator data is not about the credential of the response.")
    public_keys.check_key(credential.key)
    _check_backup_state(report)
    trust = _trust(settings, response, credential, known)
    aaguid = aaguid_of(response)
    _check_policy(settings, aaguid, trust, known, backup_eligible=report.backup_eligible)
    if credential.id in existing:
        raise CeremonyRefused("webauthn_credential_exists", "The passkey is registered already.")
    return NewCredential(
        credential.id,
        public_keys.stored_form(credential.key),
        public_keys.algorithm_of(credential.key),
        report.sign_count,
        aaguid,
        backup_eligible=report.backup_eligible,
        backed_up=report.backed_up,
        user_verified=report.user_verified,
        discoverable=response.discoverable,
        transports=response.transports,
        attachment=response.attachment,
        format=response.attestation.format,
        trust=trust,
    )


def verify_assertion(
    settings: RelyingParty,
    expected: AssertionExpected,
    response: AssertionResponse,
    stored: RegisteredCredential | None,
    known: KnownModel = NOT_LOOKED_UP,
) -> VerifiedAssertion:
    """Check an assertion; `stored` is the credential of its id, if there is one. Raises `CeremonyRefused`.

    `known` is what metadata says about the credential's model, if the settings ask for it.
    """
    report = response.report
    _check_client(settings, response.client_data, _GET, expected.challenge)
    required = expected.is_first_factor or settings.user_verification == "required"
    _check_authenticator(settings, report, user_verification_required=required)
    if stored is None:
        raise CeremonyRefused("webauthn_credential_unknown", "There is no such passkey.")
    key = public_keys.of_stored(stored.public_key)
    public_keys.check_algorithm(key)
    _check_backup_state(report)
    if report.backup_eligible != stored.backup_eligible:
        raise CeremonyRefused("webauthn_backup_flag_changed", "Backup eligibility never changes.")
    _check_owner(expected, response, stored)
    message = report.raw + hashlib.sha256(response.client_data_json).digest()
    if not public_keys.is_signed_by(key, message, response.signature):
        raise CeremonyRefused("webauthn_signature_invalid", "The signature is not the passkey's.")
    _check_policy(settings, stored.aaguid, stored.trust, known, backup_eligible=stored.backup_eligible)
    went_back = _went_back(report.sign_count, stored.sign_count)
    if went_back and not stored.backup_eligible:
        raise CeremonyRefused(
            "webauthn_counter_not_growing", "The signature counter did not grow: the passkey may be a copy."
        )
    return VerifiedAssertion(
        max(report.sign_count, stored.sign_count),
        backed_up=report.backed_up,
        user_verified=report.user_verified,
        counter_went_back=went_back,
    )


def _check_client(settings: RelyingParty, client: ClientData, kind: str, challenge: bytes) -> None:
    """Check type, challenge, origin and frame."""
    if client.type != kind:
        raise CeremonyRefused("webauthn_type_mismatch", "The response is of the other ceremony.")
    if not hmac.compare_digest(client.challenge.encode(), base64url.encode(challenge).encode()):
        raise CeremonyRefused("webauthn_challenge_mismatch", "The response is to another challenge.")
    if client.origin not in settings.origins:
        message = "The page's origin is not listed. It is compared exactly, with scheme and port."
        raise CeremonyRefused("webauthn_origin_mismatch", message)
    framed = client.cross_origin or client.top_origin is not None
    if framed and client.top_origin not in settings.top_origins:
        message = "The page was framed by another site, which is not listed."
        raise CeremonyRefused("webauthn_cross_origin", message)


def _check_authenticator(
    settings: RelyingParty, report: AuthenticatorReport, *, user_verification_required: bool
) -> None:
    """Check RP ID, presence and verification of the user."""
    if report.rp_id_hash != hashlib.sha256(settings.rp_id.encode()).digest():
        raise CeremonyRefused("webauthn_rp_id_mismatch", "The passkey is for another RP ID.")
    if not report.user_present:
        raise CeremonyRefused("webauthn_user_not_present", "The authenticator saw no user.")
    if user_verification_required and not report.user_verified:
        message = "The authenticator did not verify the user by PIN or biometrics."
        raise CeremonyRefused("webauthn_user_not_verified", message)


def _check_backup_state(report: AuthenticatorReport) -> None:
    if report.backed_up and not report.backup_eligible:
        message = "A passkey that cannot be backed up is not backed up."
        raise CeremonyRefused("webauthn_backup_state_invalid", message)


def _check_owner(
    expected: AssertionExpected, response: AssertionResponse, stored: RegisteredCredential
) -> None:
    """Check that the credential was asked for, and that its user handle is the user's."""
    if expected.allowed is not None and response.credential_id not in expected.allowed:
        raise CeremonyRefused("webauthn_credential_not_allowed", "Another passkey was asked for.")
    handle = response.user_handle
    if handle is None and not expected.is_first_factor:
        return
    if handle is None or not hmac.compare_digest(handle, stored.user_handle):
        raise CeremonyRefused("webauthn_user_handle_mismatch", "The passkey names another user, or none.")


def _check_policy(
    settings: RelyingParty, aaguid: str, trust: str, known: KnownModel, *, backup_eligible: bool
) -> None:
    """Check lists and metadata, at each sign-in too: a model may be broken after its keys were registered."""
    if not settings.accepts(aaguid, backup_eligible=backup_eligible):
        message = "This environment does not accept passkeys of this kind."
        raise CeremonyRefused("webauthn_authenticator_not_allowed", message)
    if known.model is not None and known.model.is_refused(known.now):
        message = f"Authenticators of this model are not to be trusted: {known.model.status}."
        raise CeremonyRefused("webauthn_authenticator_not_allowed", message)
    if settings.metadata == "attested" and trust != "attested":
        message = "This environment accepts attested authenticators of known models only."
        raise CeremonyRefused("webauthn_authenticator_not_allowed", message)


def _trust(
    settings: RelyingParty,
    response: RegistrationResponse,
    credential: AttestedCredential,
    known: KnownModel,
) -> Trust:
    """Return what the attestation is worth (sections 8.2 and 8.7). Raises `CeremonyRefused`.

    Unless the options ask for one, what comes is nothing, or a signature with the credential's own key.
    """
    given: Attestation = response.attestation
    statement = given.statement
    if given.format == "none" and not statement:
        return "none"
    if settings.attestation == "direct" and (given.format != "packed" or "x5c" in statement):
        return "attested" if attestation.is_attested(response, known.model, known.now) else "unverified"
    signature, algorithm = statement.get("sig"), statement.get("alg")
    if given.format != "packed" or not isinstance(signature, bytes) or not isinstance(algorithm, int):
        message = "The attestation is neither none nor packed, or not in its format."
        raise CeremonyRefused("webauthn_attestation_not_supported", message)
    if "x5c" in statement:
        return "unverified"
    message_signed = given.report.raw + hashlib.sha256(response.client_data_json).digest()
    own = algorithm == public_keys.algorithm_of(credential.key)
    if not (own and public_keys.is_signed_by(credential.key, message_signed, signature)):
        raise CeremonyRefused("webauthn_signature_invalid", "The attestation is not signed with the passkey.")
    return "self"


def _went_back(sent: int, stored: int) -> bool:
    """Tell whether the count did not grow; authenticators without a counter always send 0."""
    return sent <= stored and (sent, stored) != (0, 0)
