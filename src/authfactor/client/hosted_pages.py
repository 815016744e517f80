"""`client.hosted_pages`: links to the pages for users, and their branding."""

from base64 import b64encode

from msgspec import UNSET, UnsetType

from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    decoder,
    drop_none,
    operation,
    path,
)
from authfactor.client.own_types import HostedPageBranding, HostedPageLink


class _HostedPages(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @operation
    def create_enrollment_link(
        self,
        *,
        user_id: str,
        return_to: str | None = None,
        state: str | None = None,
        totp_issuer: str | None = None,
        totp_user: str | None = None,
    ) -> ApiCall[HostedPageLink]:
        """Create a single-use link to a page where the user enrolls a factor.

        Only this response contains the link's `url`. Send only this user's browser there.

        Args:
            user_id: The user.
            return_to: URL that the page redirects to at the end; one of the environment's page redirects.
            state: With `return_to`: returned as `state` in its query; at most 512 characters.
            totp_issuer: Name of your application in the authenticator app. Default: the team name.
            totp_user: Name of the account in the authenticator app. Default: the user's email.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `ConflictError` if the server's base URL is
        not an https URL.
        """
        body = drop_none(
            user_id=user_id, return_to=return_to, state=state, totp_issuer=totp_issuer, totp_user=totp_user
        )
        return ApiCall("POST", "/authfactor/enrollment_links", decoder(HostedPageLink), body)

    @operation
    def get_enrollment_link(self, enrollment_link_id: str) -> ApiCall[HostedPageLink]:
        """Return an enrollment link and its status, without its `url`. Raises `NotFoundError`."""
        url_path = path("/authfactor/enrollment_links/{}", enrollment_link_id)
        return ApiCall("GET", url_path, decoder(HostedPageLink))

    @operation
    def create_challenge_link(
        self,
        *,
        user_id: str,
        factor_id: str | None = None,
        return_to: str | None = None,
        state: str | None = None,
        session_id: str | None = None,
        remember_device: bool | None = None,
    ) -> ApiCall[HostedPageLink]:
        """Create a single-use link to a page where the user enters a factor's code.

        Only this response contains the link's `url`. Ask later with `get_challenge_link` whether the code was
        right, for the link of this session and no other.

        Args:
            user_id: The user.
            factor_id: The factor; needed only if the user has several active ones.
            return_to: URL that the page redirects to at the end; one of the environment's page redirects.
            state: With `return_to`: returned as `state` in its query; at most 512 characters.
            session_id: A session of the user, which a right code raises. Default: none.
            remember_device: True lets the page offer to trust the browser, and accept a trusted one without a
                code, if the environment allows it.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `ConflictError` if the user has no factor, if
        the session has ended, or if the server's base URL is not an https URL.
        """
        body = drop_none(
            user_id=user_id,
            factor_id=factor_id,
            return_to=return_to,
            state=state,
            session_id=session_id,
            remember_device=remember_device,
        )
        return ApiCall("POST", "/authfactor/challenge_links", decoder(HostedPageLink), body)

    @operation
    def get_challenge_link(self, challenge_link_id: str) -> ApiCall[HostedPageLink]:
        """Return a challenge link and its status, without its `url`. Raises `NotFoundError`."""
        url_path = path("/authfactor/challenge_links/{}", challenge_link_id)
        return ApiCall("GET", url_path, decoder(HostedPageLink))

    @operation
    def create_factors_link(
        self,
        *,
        user_id: str,
        session_id: str | None = None,
        return_to: str | None = None,
        state: str | None = None,
    ) -> ApiCall[HostedPageLink]:
        """Create a single-use link to the page where the user manages their factors.

        The user can rename, add and remove authenticator apps there, make new recovery codes, and end
        sessions. Send only this user's browser there, signed in a moment ago.

        Args:
            user_id: The user.
            session_id: The session that the browser is signed in with; it stays when all others are ended.
            return_to: URL that the page redirects to at the end; one of the environment's page redirects.
            state: With `return_to`: returned as `state` in its query; at most 512 characters.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `ConflictError` if the server's base URL is
        not an https URL.
        """
        body = drop_none(user_id=user_id, session_id=session_id, return_to=return_to, state=state)
        return ApiCall("POST", "/authfactor/factors_links", decoder(HostedPageLink), body)

    @operation
    def get_factors_link(self, factors_link_id: str) -> ApiCall[HostedPageLink]:
        """Return a link to the factors page and its status, without its `url`. Raises `NotFoundError`."""
        url_path = path("/authfactor/factors_links/{}", factors_link_id)
        return ApiCall("GET", url_path, decoder(HostedPageLink))

    @operation
    def get_branding(self) -> ApiCall[HostedPageBranding]:
        """Return the branding of the environment's pages; None in a field means the default."""
        return ApiCall("GET", "/authfactor/branding", decoder(HostedPageBranding))

    @operation
    def update_branding(
        self,
        *,
        name: str | UnsetType | None = UNSET,
        color: str | UnsetType | None = UNSET,
        logo: bytes | UnsetType | None = UNSET,
    ) -> ApiCall[HostedPageBranding]:
        """Update the branding and return the new state. Arguments that are not given change nothing.

        Args:
            name: Name of your application on the pages; None restores the team name.
            color: Color of buttons and links, as `#rrggbb`; None restores the default.
            logo: A PNG of at most 32 KiB and 1024 by 1024 pixels; None removes it.

        Raises `UnprocessableEntityError`.
        """
        encoded = b64encode(logo).decode() if isinstance(logo, bytes) else logo
        given = {"name": name, "color": color, "logo": encoded}
        body = {field: value for field, value in given.items() if value is not UNSET}
        return ApiCall("PUT", "/authfactor/branding", decoder(HostedPageBranding), body)


class HostedPages(_HostedPages, SyncGroup):
    """`client.hosted_pages` of a `Client`."""


class AsyncHostedPages(_HostedPages, AsyncGroup):
    """`client.hosted_pages` of an `AsyncClient`."""
