"""The part of the client that signs users in on the hosted pages."""

from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode

from authfactor.client.authentication import AUTHENTICATE, SECRET
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
from authfactor.client.types import AuthenticationResponse, ListResponse, Model, Order

REDIRECT_URIS: Final = "/user_management/redirect_uris"
CORS_ORIGINS: Final = "/user_management/cors_origins"


class RedirectUri(Model, frozen=True, kw_only=True):
    """A URI to which sign-ins may redirect."""

    id: str
    uri: str
    default: bool
    created_at: datetime
    updated_at: datetime
    object: Literal["redirect_uri"] = "redirect_uri"


class CorsOrigin(Model, frozen=True, kw_only=True):
    """An origin whose pages may exchange codes and refresh tokens themselves."""

    id: str
    origin: str
    created_at: datetime
    updated_at: datetime
    object: Literal["cors_origin"] = "cors_origin"


class HostedSignInMethods(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    def get_authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str | None = None,
        code_challenge: str | None = None,
        screen_hint: Literal["sign-in", "sign-up"] | None = None,
        login_hint: str | None = None,
        prompt: str | None = None,
        max_age: int | None = None,
    ) -> str:
        """Return the URL at which a browser signs in, without sending a request.

        Args:
            redirect_uri: Where to redirect with the code; on the environment's list.
            state: Sent back as it is. Bind it to the browser.
            code_challenge: base64url of the SHA-256 of a verifier that only your application knows (PKCE).
            screen_hint: Which page comes first. Default: `sign-in`.
            login_hint: An email address for the form.
            prompt: `login` asks again, `select_account` shows whose account it is, `none` shows no page.
            max_age: Ask again if the last proof is older than this, in seconds.

        Raises `ValueError` if no client id is known.
        """
        parameters = drop_none(
            client_id=self._credentials.client_id,
            redirect_uri=redirect_uri,
            response_type="code",
            provider="authkit",
            state=state,
            code_challenge=code_challenge,
            code_challenge_method=None if code_challenge is None else "S256",
            screen_hint=screen_hint,
            login_hint=login_hint,
            prompt=prompt,
            max_age=max_age,
        )
        return f"{self._credentials.base_url}/user_management/authorize?{urlencode(parameters)}"

    @operation
    def authenticate_with_code(
        self,
        *,
        code: str,
        code_verifier: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Exchange the code of a redirect for a session.

        Args:
            code: The code, which works once within ten minutes.
            code_verifier: The verifier of the `code_challenge` that the sign-in began with.
            ip_address: IP address of the browser. Default: the one that the pages saw.
            user_agent: User agent of the browser. Default: the one that the pages saw.

        Raises `BadRequestError` (`code` is `invalid_grant`) for a code that is unknown, used or expired, or
        has another verifier; and `MfaChallengeError` or `MfaEnrollmentError` if the policy asks for more by
        now.
        """
        body = drop_none(
            grant_type="authorization_code",
            code=code,
            code_verifier=code_verifier,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)

    @listing
    def list_redirect_uris(
        self,
        *,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[RedirectUri]]:
        """List the redirect URIs, newest first by default.

        Args:
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `UnprocessableEntityError`.
        """
        asked = query(limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", REDIRECT_URIS, decoder(ListResponse[RedirectUri]), query=asked)

    @operation
    def create_redirect_uri(self, *, uri: str) -> ApiCall[RedirectUri]:
        """Add a redirect URI.

        Args:
            uri: Exactly as the application sends it; one `*` may stand for a part of it.

        Raises `UnprocessableEntityError`.
        """
        return ApiCall("POST", REDIRECT_URIS, decoder(RedirectUri), {"uri": uri})

    @operation
    def delete_redirect_uri(self, redirect_uri_id: str) -> ApiCall[None]:
        """Remove a redirect URI.

        Raises `NotFoundError`, and `ConflictError` for the default.
        """
        return ApiCall("DELETE", path(f"{REDIRECT_URIS}/{{}}", redirect_uri_id), decode_nothing)

    @listing
    def list_cors_origins(
        self,
        *,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[CorsOrigin]]:
        """List the CORS origins, newest first by default.

        Args:
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `UnprocessableEntityError`.
        """
        asked = query(limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", CORS_ORIGINS, decoder(ListResponse[CorsOrigin]), query=asked)

    @operation
    def create_cors_origin(self, *, origin: str) -> ApiCall[CorsOrigin]:
        """Add a CORS origin.

        Args:
            origin: Scheme, host and port, as browsers send them.

        Raises `ConflictError`, `UnprocessableEntityError`.
        """
        return ApiCall("POST", CORS_ORIGINS, decoder(CorsOrigin), {"origin": origin})
