"""The part of `client.user_management` that sends mail: codes, links to a new password, email changes."""

from typing import Final

from authfactor.client.authentication import AUTHENTICATE, SECRET
from authfactor.client.mailed_types import (
    EmailChange,
    EmailChangeConfirmation,
    EmailVerification,
    MagicAuth,
    PasswordReset,
    UserIdentity,
    UserResponse,
)
from authfactor.client.operations import ApiCall, Group, decoder, drop_none, operation, path
from authfactor.client.types import AuthenticationResponse

MAGIC_AUTH: Final = "urn:workos:oauth:grant-type:magic-auth:code"
EMAIL_VERIFICATION: Final = "urn:workos:oauth:grant-type:email-verification:code"


class EmailVerificationMethods(Group):
    """Email verification, and the sign-in that waits for it."""

    @operation
    def send_verification_email(self, user_id: str) -> ApiCall[UserResponse]:
        """Mail a code that verifies a user's email; it replaces the one before.

        Raises `NotFoundError`, `BadRequestError` (`code` is `email_already_verified`), and
        `RateLimitExceededError` when too many messages were sent.
        """
        url_path = path("/user_management/users/{}/email_verification/send", user_id)
        return ApiCall("POST", url_path, decoder(UserResponse), {})

    @operation
    def verify_email(self, user_id: str, *, code: str) -> ApiCall[UserResponse]:
        """Verify a user's email with the code that was mailed.

        Args:
            user_id: The user.
            code: The six digits that the user typed.

        Raises `NotFoundError`, and `BadRequestError`, with a `code` such as
        `email_verification_code_incorrect` or `email_verification_code_expired`.
        """
        url_path = path("/user_management/users/{}/email_verification/confirm", user_id)
        return ApiCall("POST", url_path, decoder(UserResponse), {"code": code})

    @operation
    def get_email_verification(self, email_verification_id: str) -> ApiCall[EmailVerification]:
        """Return an email verification with its code, to mail it yourself. Raises `NotFoundError`."""
        url_path = path("/user_management/email_verification/{}", email_verification_id)
        return ApiCall("GET", url_path, decoder(EmailVerification))

    @operation
    def authenticate_with_email_verification(
        self,
        *,
        code: str,
        pending_authentication_token: str,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Finish a sign-in that waited for the user's email.

        Args:
            code: The six digits that the user typed.
            pending_authentication_token: Token of the `EmailVerificationRequiredError`.
            ip_address: IP address of the user's browser, stored with the session.
            user_agent: User agent of the user's browser, stored with the session.

        Raises `BadRequestError`, `TooManyAttemptsError`, and `MfaChallengeError` or `MfaEnrollmentError` if a
        second factor comes next.
        """
        body = drop_none(
            grant_type=EMAIL_VERIFICATION,
            code=code,
            pending_authentication_token=pending_authentication_token,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)


class MagicAuthMethods(Group):
    """Sign-in and sign-up with a code that is mailed."""

    @operation
    def create_magic_auth(self, *, email: str, invitation_token: str | None = None) -> ApiCall[MagicAuth]:
        """Mail a code for a sign-in; it replaces the one before. An unknown email becomes a user.

        Args:
            email: Email address of the user.
            invitation_token: Token of an open invitation, which opens sign-up where it is closed.

        Raises `BadRequestError`, with a `code` such as `sign_up_not_allowed` or `invitation_invalid`,
        `UnprocessableEntityError`, and `RateLimitExceededError` when too many messages were sent.
        """
        body = drop_none(email=email, invitation_token=invitation_token)
        return ApiCall("POST", "/user_management/magic_auth", decoder(MagicAuth), body)

    @operation
    def get_magic_auth(self, magic_auth_id: str) -> ApiCall[MagicAuth]:
        """Return a magic code, to mail it yourself. Raises `NotFoundError`."""
        return ApiCall("GET", path("/user_management/magic_auth/{}", magic_auth_id), decoder(MagicAuth))

    @operation
    def authenticate_with_magic_auth(
        self,
        *,
        code: str,
        email: str,
        invitation_token: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[AuthenticationResponse]:
        """Sign in with a magic code, which verifies the email.

        Args:
            code: The six digits that the user typed.
            email: Email address of the user.
            invitation_token: Token of an open invitation, which the user accepts.
            ip_address: IP address of the user's browser, stored with the session.
            user_agent: User agent of the user's browser, stored with the session.

        Raises `BadRequestError`, `TooManyAttemptsError`, and `MfaChallengeError` or `MfaEnrollmentError` if a
        second factor comes next.
        """
        body = drop_none(
            grant_type=MAGIC_AUTH,
            code=code,
            email=email,
            invitation_token=invitation_token,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        return ApiCall("POST", AUTHENTICATE, decoder(AuthenticationResponse), body, credentials=SECRET)


class MailedLinkMethods(Group):
    """Links to a new password, and email changes."""

    @operation
    def create_password_reset(self, *, email: str) -> ApiCall[PasswordReset]:
        """Mail a link to a new password. Say the same to who asks, whether there is such a user or not.

        Raises `NotFoundError`, `AuthorizationError` where passwords do not sign in,
        `UnprocessableEntityError`, and `RateLimitExceededError` when too many messages were sent.
        """
        body = {"email": email}
        return ApiCall("POST", "/user_management/password_reset", decoder(PasswordReset), body)

    @operation
    def get_password_reset(self, password_reset_id: str) -> ApiCall[PasswordReset]:
        """Return a password reset with its token, to mail it yourself. Raises `NotFoundError`."""
        url_path = path("/user_management/password_reset/{}", password_reset_id)
        return ApiCall("GET", url_path, decoder(PasswordReset))

    @operation
    def confirm_password_reset(self, *, token: str, new_password: str) -> ApiCall[UserResponse]:
        """Set a new password with the token of a mailed link, which ends the user's sessions.

        Args:
            token: The token from the link. It can be used once.
            new_password: At least 10 characters.

        Raises `NotFoundError` for a token that is unknown, used or expired, and `BadRequestError` for a weak
        password, which leaves the token as it is.
        """
        body = {"token": token, "new_password": new_password}
        return ApiCall("POST", "/user_management/password_reset/confirm", decoder(UserResponse), body)

    @operation
    def send_email_change(self, user_id: str, *, new_email: str) -> ApiCall[EmailChange]:
        """Mail a code to a user's new address; it replaces the one before.

        Args:
            user_id: The user.
            new_email: The address that is to replace the user's.

        Raises `NotFoundError`, `ConflictError` for an address that is the user's already or another user's,
        `UnprocessableEntityError`, and `RateLimitExceededError` when too many messages were sent.
        """
        url_path = path("/user_management/users/{}/email_change/send", user_id)
        return ApiCall("POST", url_path, decoder(EmailChange), {"new_email": new_email})

    @operation
    def confirm_email_change(self, user_id: str, *, code: str) -> ApiCall[EmailChangeConfirmation]:
        """Change a user's email with the code mailed to the new address. Sessions go on.

        Args:
            user_id: The user.
            code: The six digits that the user typed.

        Raises `NotFoundError`, `BadRequestError`, `ConflictError`, and `RateLimitExceededError` after too
        many wrong codes.
        """
        url_path = path("/user_management/users/{}/email_change/confirm", user_id)
        return ApiCall("POST", url_path, decoder(EmailChangeConfirmation), {"code": code})

    @operation
    def get_user_identities(self, user_id: str) -> ApiCall[list[UserIdentity]]:
        """Return a user's accounts at social providers; this server has none. Raises `NotFoundError`."""
        return ApiCall(
            "GET", path("/user_management/users/{}/identities", user_id), decoder(list[UserIdentity])
        )
