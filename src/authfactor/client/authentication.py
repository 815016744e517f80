"""The sign-in half of `client.user_management`: authenticate, sessions, key set."""

from typing import Final
from urllib.parse import quote, urlencode

from authfactor.client.operations import (
    ApiCall,
    Group,
    decode_nothing,
    decoder,
    drop_none,
    listing,
    operation,
    path,
    query,
)
from authfactor.client.types import AuthenticationResponse, Jwks, ListResponse, Order, Session

MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
AUTHENTICATE: Final = "/user_management/authenticate"
SECRET: Final = ("client_id", "client_secret")


class AuthenticationMethods(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @operation
    def authenticate_with_password(
        self,
        *,
        email: str,
        password: str,
        invitation_token: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Sign in with email and password.

        Args:
            email: Email address of the user.
            password: Password that the user typed.
            invitation_token: Token of an open invitation, which the user accepts.
            ip_address: IP address of the user's browser, stored with the session.
            user_agent: User agent of the user's browser, stored with the session.

        Raises `EmailVerificationRequiredError` if the email must be verified next, `MfaChallengeError` if a
        code is required next, `MfaEnrollmentError` if the user must enroll a factor next, and
        `BadRequestError` (`code` is `invalid_credentials`) for a wrong email or password.
        """
        body = drop_none(
            grant_type="password",
            email=email,
            password=password,
            invitation_token=invitation_token,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)

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

        Args:
            code: The six digits that the user typed.
            pending_authentication_token: Token of the `MfaChallengeError` or `MfaEnrollmentError`.
            authentication_challenge_id: Id of the challenge that the code belongs to.
            ip_address: IP address of the user's browser, stored with the session.
            user_agent: User agent of the user's browser, stored with the session.

        Raises `BadRequestError`, with a `code` such as `invalid_one_time_code`, `one_time_code_expired`,
        `one_time_code_previously_used` or `invalid_pending_authentication_token`; and `TooManyAttemptsError`.
        """
        body = drop_none(
            grant_type=MFA_TOTP,
            code=code,
            pending_authentication_token=pending_authentication_token,
            authentication_challenge_id=authentication_challenge_id,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)

    @operation
    def authenticate_with_refresh_token(self, *, refresh_token: str) -> ApiCall[AuthenticationResponse]:
        """Exchange a refresh token for a new access token and a new refresh token.

        Args:
            refresh_token: The newest refresh token of the session. It can be used once.

        Raises `BadRequestError` (`code` is `invalid_grant`) if the token was used before or the session has
        ended; and `MfaChallengeError` or `MfaEnrollmentError` if the policy requires a factor by now, which
        the session was not made with.
        """
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)

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
        """List a user's active sessions, newest first by default.

        Args:
            user_id: The user.
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        params = query(limit=limit, before=before, after=after, order=order)
        url_path = path("/user_management/users/{}/sessions", user_id)
        return ApiCall("GET", url_path, decoder(ListResponse[Session]), query=params)

    @operation
    def revoke_session(self, session_id: str) -> ApiCall[None]:
        """Revoke a session. Its refresh token stops working at once, its access token when it expires.

        Raises `NotFoundError`.
        """
        return ApiCall("POST", "/user_management/sessions/revoke", decode_nothing, {"session_id": session_id})

    @operation
    def get_jwks(self, client_id: str | None = None) -> ApiCall[Jwks]:
        """Return the public keys that verify access tokens.

        Args:
            client_id: Client id of the environment. Default: the client id of this client.

        Raises `NotFoundError`, and `ValueError` if no client id is known.
        """
        chosen_id = client_id or self._credentials.client_id
        return ApiCall("GET", path("/sso/jwks/{}", chosen_id), decoder(Jwks))

    def get_jwks_url(self, client_id: str | None = None) -> str:
        """Return the URL of the public keys that verify access tokens, without sending a request.

        Args:
            client_id: Client id of the environment. Default: the client id of this client.

        Raises `ValueError` if no client id is known.
        """
        chosen_id = client_id or self._credentials.client_id
        return f"{self._credentials.base_url}/sso/jwks/{quote(chosen_id, safe='')}"

    def get_logout_url(self, session_id: str, return_to: str | None = None) -> str:
        """Return the URL that ends a session when the user's browser opens it, without sending a request.

        Args:
            session_id: The session: the claim `sid` of its access token.
            return_to: Where the server redirects the browser next; one of the environment's logout redirects.
                Default: the first of them.
        """
        params = urlencode(drop_none(session_id=session_id, return_to=return_to))
        return f"{self._credentials.base_url}/user_management/sessions/logout?{params}"
