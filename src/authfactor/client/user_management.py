"""`client.user_management`: users, their factors, signing in, sessions."""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote, urlencode

from msgspec import UNSET, UnsetType

from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    given,
    listing,
    nothing,
    operation,
    path,
    query,
    reader,
)
from authfactor.client.types import (
    AuthenticationFactorTotp,
    AuthenticationFactorTotpAndChallengeResponse,
    AuthenticationResponse,
    Jwks,
    ListResponse,
    Order,
    Session,
    User,
)

HashType = Literal["bcrypt", "firebase-scrypt", "ssha", "ssha256", "scrypt", "pbkdf2", "argon2"]
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
AUTHENTICATE: Final = "/user_management/authenticate"
SECRET: Final = ("client_id", "client_secret")


class _UserManagement(Group):
    """The methods, written once for both clients."""

    # --- factors ---

    @operation
    def enroll_auth_factor(
        self,
        *,
        user_id: str,
        type: Literal["totp"] = "totp",  # noqa: A002 - the API's word
        totp_issuer: str | None = None,
        totp_user: str | None = None,
        totp_secret: str | None = None,
    ) -> ApiCall[AuthenticationFactorTotpAndChallengeResponse]:
        """Enrol a user in a new authentication factor, and open its first challenge.

        Args:
            user_id: The user.
            type: Only `totp`.
            totp_issuer: Your application's name in the authenticator app; default: the environment's.
            totp_user: The account's name in the authenticator app; default: the user's email.
            totp_secret: Base32 secret for SHA-1, 6 digits, 30 seconds; generated when absent.

        Raises `NotFoundError`, `UnprocessableEntityError`. The secret is in this answer only.
        """
        body = given(type=type, totp_issuer=totp_issuer, totp_user=totp_user, totp_secret=totp_secret)
        return ApiCall(
            "POST",
            path("/user_management/users/{}/auth_factors", user_id),
            reader(AuthenticationFactorTotpAndChallengeResponse),
            body,
        )

    @listing
    def list_auth_factors(
        self,
        *,
        user_id: str,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[AuthenticationFactorTotp]]:
        """List a user's factors, newest first. Raises `NotFoundError`, `UnprocessableEntityError`."""
        return ApiCall(
            "GET",
            path("/user_management/users/{}/auth_factors", user_id),
            reader(ListResponse[AuthenticationFactorTotp]),
            query=query(limit=limit, before=before, after=after, order=order),
        )

    # --- users ---

    @operation
    def create_user(  # noqa: PLR0913 - the API's fields
        self,
        *,
        email: str,
        password: str | None = None,
        password_hash: str | None = None,
        password_hash_type: HashType | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        name: str | None = None,
        email_verified: bool | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        locale: str | None = None,
    ) -> ApiCall[User]:
        """Create a user, with a password, an imported hash, or neither.

        Raises `BadRequestError` (email or external id taken, weak password), `UnprocessableEntityError`.
        """
        body = given(
            email=email,
            password=password,
            password_hash=password_hash,
            password_hash_type=password_hash_type,
            first_name=first_name,
            last_name=last_name,
            name=name,
            email_verified=email_verified,
            external_id=external_id,
            metadata=metadata,
            locale=locale,
        )
        return ApiCall("POST", "/user_management/users", reader(User), body)

    @operation
    def get_user(self, user_id: str) -> ApiCall[User]:
        """Read a user. Raises `NotFoundError`."""
        return ApiCall("GET", path("/user_management/users/{}", user_id), reader(User))

    @operation
    def get_user_by_external_id(self, external_id: str) -> ApiCall[User]:
        """Read a user by your own id. Raises `NotFoundError`."""
        return ApiCall("GET", path("/user_management/users/external_id/{}", external_id), reader(User))

    @listing
    def list_users(
        self,
        *,
        email: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[User]]:
        """List users, newest first; with `email` the one who has it. Raises `UnprocessableEntityError`."""
        asked = query(email=email, limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", "/user_management/users", reader(ListResponse[User]), query=asked)

    @operation
    def update_user(  # noqa: PLR0913 - the API's fields
        self,
        *,
        user_id: str,
        email: str | None = None,
        password: str | None = None,
        password_hash: str | None = None,
        password_hash_type: HashType | None = None,
        first_name: str | UnsetType | None = UNSET,
        last_name: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        email_verified: bool | None = None,
        external_id: str | UnsetType | None = UNSET,
        metadata: Mapping[str, str | None] | UnsetType | None = UNSET,
        locale: str | UnsetType | None = UNSET,
    ) -> ApiCall[User]:
        """Change a user. What is not given stays; None clears where a value may be missing.

        Raises `NotFoundError`, `BadRequestError`, `UnprocessableEntityError`.
        """
        body = given(
            email=email,
            password=password,
            password_hash=password_hash,
            password_hash_type=password_hash_type,
            email_verified=email_verified,
        )
        clearable = {
            "first_name": first_name,
            "last_name": last_name,
            "name": name,
            "external_id": external_id,
            "metadata": metadata,
            "locale": locale,
        }
        body |= {field: value for field, value in clearable.items() if value is not UNSET}
        return ApiCall("PUT", path("/user_management/users/{}", user_id), reader(User), body)

    @operation
    def delete_user(self, user_id: str) -> ApiCall[None]:
        """Delete a user with all factors and sessions. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/user_management/users/{}", user_id), nothing)

    # --- signing in ---

    @operation
    def authenticate_with_password(
        self,
        *,
        email: str,
        password: str,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Sign in with email and password.

        Raises `MfaChallengeError` when a code is needed next, `MfaEnrollmentError` when a factor is, and
        `BadRequestError` (`code` is `invalid_credentials`) for a wrong email or password.
        """
        body = given(
            grant_type="password",
            email=email,
            password=password,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, reader(AuthenticationResponse), body, credentials=SECRET)

    @operation
    def authenticate_with_totp(
        self,
        *,
        code: str,
        pending_authentication_token: str,
        authentication_challenge_id: str,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Finish a sign-in with a code of the challenged factor.

        Raises `BadRequestError`, with `code` one of `invalid_one_time_code`, `one_time_code_expired`,
        `one_time_code_previously_used`, `invalid_pending_authentication_token`, …, and
        `TooManyAttemptsError`.
        """
        body = given(
            grant_type=MFA_TOTP,
            code=code,
            pending_authentication_token=pending_authentication_token,
            authentication_challenge_id=authentication_challenge_id,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, reader(AuthenticationResponse), body, credentials=SECRET)

    @operation
    def authenticate_with_refresh_token(self, *, refresh_token: str) -> ApiCall[AuthenticationResponse]:
        """Take a new pair of tokens for a refresh token, which is spent by it.

        Raises `BadRequestError` (`code` is `invalid_grant`) when the session has ended.
        """
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return ApiCall("POST", AUTHENTICATE, reader(AuthenticationResponse), body, credentials=SECRET)

    # --- sessions ---

    @listing
    def list_sessions(
        self,
        user_id: str,
        *,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[Session]]:
        """List a user's active sessions. Raises `NotFoundError`, `UnprocessableEntityError`."""
        asked = query(limit=limit, before=before, after=after, order=order)
        where = path("/user_management/users/{}/sessions", user_id)
        return ApiCall("GET", where, reader(ListResponse[Session]), query=asked)

    @operation
    def revoke_session(self, session_id: str) -> ApiCall[None]:
        """End a session: its refresh token is worthless from now on. Raises `NotFoundError`."""
        return ApiCall("POST", "/user_management/sessions/revoke", nothing, {"session_id": session_id})

    @operation
    def get_jwks(self, client_id: str | None = None) -> ApiCall[Jwks]:
        """Read the keys that verify access tokens; default: of this client's environment."""
        chosen = client_id or self._credentials.client_id
        return ApiCall("GET", path("/sso/jwks/{}", chosen), reader(Jwks))

    def get_jwks_url(self, client_id: str | None = None) -> str:
        """Say where token verifiers read the keys; default: of this client's environment."""
        chosen = client_id or self._credentials.client_id
        return f"{self._credentials.base_url}/sso/jwks/{quote(chosen, safe='')}"

    def get_logout_url(self, session_id: str, return_to: str | None = None) -> str:
        """Say where to send a browser to end its session."""
        asked = urlencode(given(session_id=session_id, return_to=return_to))
        return f"{self._credentials.base_url}/user_management/sessions/logout?{asked}"


class UserManagement(_UserManagement, SyncGroup):
    """`client.user_management` of a `Client`."""


class AsyncUserManagement(_UserManagement, AsyncGroup):
    """`client.user_management` of an `AsyncClient`."""
