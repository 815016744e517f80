"""The parts of the client that register passkeys and sign users in with them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from authfactor.client.authentication import AUTHENTICATE, SECRET
from authfactor.client.operations import ApiCall, Group, decoder, drop_none, operation, path
from authfactor.client.types import AuthenticationChallenge, AuthenticationResponse, Model, UserFactor

PASSKEY: Final = "urn:authfactor:oauth:grant-type:passkey"


class BegunPasskeyRegistration(Model, frozen=True, kw_only=True):
    """An open registration of a passkey."""

    id: str
    public_key: dict[str, Any]
    """For `PublicKeyCredential.parseCreationOptionsFromJSON`."""
    expires_at: datetime
    object: Literal["passkey_registration"] = "passkey_registration"


class BegunPasskeySignIn(Model, frozen=True, kw_only=True):
    """A sign-in that a passkey is to answer."""

    id: str
    public_key: dict[str, Any]
    """For `PublicKeyCredential.parseRequestOptionsFromJSON`."""
    expires_at: datetime
    object: Literal["passkey_authentication"] = "passkey_authentication"


class PasskeySignals(Model, frozen=True, kw_only=True):
    """What a page tells the browser, so that it offers no deleted passkeys; None before the first one."""

    user_id: str
    all_accepted_credentials: dict[str, Any] | None
    """For `PublicKeyCredential.signalAllAcceptedCredentials`."""
    current_user_details: dict[str, Any] | None
    """For `PublicKeyCredential.signalCurrentUserDetails`."""
    object: Literal["passkey_signals"] = "passkey_signals"


class PasskeyFactorMethods(Group):
    """Passkeys as factors, in `client.mfa`."""

    @operation
    def begin_passkey_registration(
        self, user_id: str, *, name: str | None = None, session_id: str | None = None
    ) -> ApiCall[BegunPasskeyRegistration]:
        """Begin the registration of a passkey, which adds a factor: ask for an existing factor first.

        Args:
            user_id: The user.
            name: What the user calls the passkey; at most 64 characters.
            session_id: Session in which the user has proven a factor within the last ten minutes; needed
                where the environment has `enrollment_needs_mfa`.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `AuthorizationError` without that proof.
        """
        url_path = path("/authfactor/users/{}/passkey_registrations", user_id)
        body = drop_none(name=name, session_id=session_id)
        return ApiCall("POST", url_path, decoder(BegunPasskeyRegistration), body)

    @operation
    def finish_passkey_registration(
        self, user_id: str, registration_id: str, credential: Mapping[str, Any]
    ) -> ApiCall[UserFactor]:
        """Store the passkey that the browser has made; it is an active factor at once.

        Args:
            user_id: The user.
            registration_id: Id of the registration.
            credential: What `navigator.credentials.create()` returned, by its `toJSON()`.

        Raises `NotFoundError`, and `UnprocessableEntityError` for a response that was refused, or a
        registration that has expired or was used before.
        """
        url_path = path("/authfactor/users/{}/passkey_registrations/{}/verify", user_id, registration_id)
        return ApiCall("POST", url_path, decoder(UserFactor), {"credential": credential})

    @operation
    def get_passkey_signals(self, user_id: str) -> ApiCall[PasskeySignals]:
        """Return what a page should tell the browser about a user's passkeys. Raises `NotFoundError`.

        Signal only while the user is signed in, such as after a passkey was deleted or the email changed.
        """
        url_path = path("/authfactor/users/{}/passkey_signals", user_id)
        return ApiCall("GET", url_path, decoder(PasskeySignals))

    @operation
    def get_challenge(self, authentication_challenge_id: str) -> ApiCall[AuthenticationChallenge]:
        """Return a challenge; that of a passkey has its options while it is open. Raises `NotFoundError`."""
        url_path = path("/authfactor/challenges/{}", authentication_challenge_id)
        return ApiCall("GET", url_path, decoder(AuthenticationChallenge))


class PasskeySignInMethods(Group):
    """Sign-in by a passkey alone, in `client.user_management`."""

    @operation
    def begin_passkey_sign_in(self) -> ApiCall[BegunPasskeySignIn]:
        """Return options that any passkey of any user may answer. Raises `UnprocessableEntityError`."""
        return ApiCall("POST", "/authfactor/passkey_authentications", decoder(BegunPasskeySignIn), {})

    @operation
    def authenticate_with_passkey(
        self,
        *,
        authentication_id: str,
        credential: Mapping[str, Any],
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Sign in the user of a passkey, without an email and a password.

        Args:
            authentication_id: Id of the sign-in that was begun; each is answered once.
            credential: What `navigator.credentials.get()` returned, by its `toJSON()`.
            ip_address: IP address of the user's browser, stored with the session.
            user_agent: User agent of the user's browser, stored with the session.

        Raises `BadRequestError` (`code` is `invalid_one_time_code`, `one_time_code_previously_used` or
        `one_time_code_expired`).
        """
        body = drop_none(
            grant_type=PASSKEY,
            authentication_id=authentication_id,
            credential=credential,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)
