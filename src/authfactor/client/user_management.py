"""`client.user_management`: users, their factors, sign-in, sessions."""

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, UnsetType

from authfactor.client.authentication import AuthenticationMethods
from authfactor.client.email_flows import EmailVerificationMethods, MagicAuthMethods, MailedLinkMethods
from authfactor.client.hosted_sign_in import HostedSignInMethods
from authfactor.client.invitations import InvitationMethods
from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    SyncGroup,
    decode_nothing,
    decoder,
    drop_none,
    listing,
    operation,
    path,
    query,
)
from authfactor.client.passkeys import PasskeySignInMethods
from authfactor.client.session_checks import SessionCheckMethods
from authfactor.client.types import (
    AuthenticationFactorTotp,
    AuthenticationFactorTotpAndChallengeResponse,
    ListResponse,
    Order,
    User,
)

HashType = Literal["bcrypt", "firebase-scrypt", "ssha", "ssha256", "scrypt", "pbkdf2", "argon2"]


class _UserManagement(
    AuthenticationMethods,
    EmailVerificationMethods,
    HostedSignInMethods,
    InvitationMethods,
    MagicAuthMethods,
    MailedLinkMethods,
    PasskeySignInMethods,
    SessionCheckMethods,
):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

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
        """Enroll a user in a new TOTP factor and create its first challenge.

        Only this response contains the factor's secret. The factor is pending until a code is verified.

        Args:
            user_id: The user to enroll.
            type: Only `totp` is supported.
            totp_issuer: Name of your application in the app. Default: the environment's team name.
            totp_user: Name of the account in the app. Default: the user's email.
            totp_secret: Base32 secret to import, used with SHA-1, 6 digits and 30 seconds. Such a factor is
                active at once. Default: a new random secret.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        body = drop_none(type=type, totp_issuer=totp_issuer, totp_user=totp_user, totp_secret=totp_secret)
        return ApiCall(
            "POST",
            path("/user_management/users/{}/auth_factors", user_id),
            decoder(AuthenticationFactorTotpAndChallengeResponse),
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
        """List a user's factors, without their secrets, newest first by default.

        Args:
            user_id: The user.
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        return ApiCall(
            "GET",
            path("/user_management/users/{}/auth_factors", user_id),
            decoder(ListResponse[AuthenticationFactorTotp]),
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
        """Create a user with a password, with an imported password hash, or with neither.

        Args:
            email: Email address, unique in the environment regardless of case.
            password: At least 10 characters.
            password_hash: Hash from another system, instead of `password`.
            password_hash_type: Algorithm of `password_hash`.
            first_name: First name.
            last_name: Last name.
            name: Full name, for names that do not consist of a first and a last name.
            email_verified: Whether you have verified the address. Default: False.
            external_id: Your own id for the user, unique in the environment.
            metadata: Up to 50 pairs of strings of your own.
            locale: Language tag, such as `de-CH`.

        Raises `BadRequestError` (email or external id already used, weak password, invalid hash),
        `UnprocessableEntityError`.
        """
        body = drop_none(
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
        return ApiCall("POST", "/user_management/users", decoder(User), body)

    @operation
    def get_user(self, user_id: str) -> ApiCall[User]:
        """Return a user. Raises `NotFoundError`."""
        return ApiCall("GET", path("/user_management/users/{}", user_id), decoder(User))

    @operation
    def get_user_by_external_id(self, external_id: str) -> ApiCall[User]:
        """Return the user with this external id, your own id for them. Raises `NotFoundError`."""
        return ApiCall("GET", path("/user_management/users/external_id/{}", external_id), decoder(User))

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
        """List users, newest first by default.

        Args:
            email: Return only the user with this email address.
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `UnprocessableEntityError`.
        """
        params = query(email=email, limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", "/user_management/users", decoder(ListResponse[User]), query=params)

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
        """Update a user and return the new state. Arguments that are not given leave their field unchanged.

        Args:
            user_id: The user to update.
            email: New email address. It is unverified unless `email_verified` is given.
            password: New password, at least 10 characters. It ends the user's sessions by default.
            password_hash: Hash from another system, instead of `password`.
            password_hash_type: Algorithm of `password_hash`.
            first_name: First name; None clears it.
            last_name: Last name; None clears it.
            name: Full name; None clears it.
            email_verified: Whether you have verified the address.
            external_id: Your own id for the user; None clears it.
            metadata: Pairs to merge into the existing ones. A value of None removes its key; None or an empty
                mapping removes all pairs.
            locale: Language tag, such as `de-CH`; None clears it.

        Raises `NotFoundError`, `BadRequestError` (email or external id already used, weak password, invalid
        hash), `UnprocessableEntityError`.
        """
        body = drop_none(
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
        return ApiCall("PUT", path("/user_management/users/{}", user_id), decoder(User), body)

    @operation
    def delete_user(self, user_id: str) -> ApiCall[None]:
        """Delete a user with all factors, challenges and sessions. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/user_management/users/{}", user_id), decode_nothing)


class UserManagement(_UserManagement, SyncGroup):
    """`client.user_management` of a `Client`."""


class AsyncUserManagement(_UserManagement, AsyncGroup):
    """`client.user_management` of an `AsyncClient`."""
