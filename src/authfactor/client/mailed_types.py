"""What the client returns for codes and links that are mailed; `repr` shows neither codes nor tokens."""

from datetime import datetime
from typing import Literal

from authfactor.client.types import Model, User


class UserResponse(Model, frozen=True, kw_only=True):
    """A user."""

    user: User


class CodeByMail(Model, frozen=True, kw_only=True):
    """A code that is mailed to a user. `code` is for applications that send their own mail."""

    id: str
    user_id: str
    email: str
    expires_at: datetime
    code: str
    created_at: datetime
    updated_at: datetime

    def __repr__(self) -> str:
        """Omit the code, for logs and tracebacks."""
        return f"{type(self).__name__}(id={self.id!r}, code=***)"


class EmailVerification(CodeByMail, frozen=True, kw_only=True):
    """An email verification. `code` is for applications that send their own mail."""

    object: Literal["email_verification"] = "email_verification"


class MagicAuth(CodeByMail, frozen=True, kw_only=True):
    """A magic code. `code` is for applications that send their own mail."""

    object: Literal["magic_auth"] = "magic_auth"


class PasswordReset(Model, frozen=True, kw_only=True):
    """A link to a new password. Token and URL are for applications that send their own mail."""

    id: str
    user_id: str
    email: str
    password_reset_token: str
    password_reset_url: str
    expires_at: datetime
    created_at: datetime
    object: Literal["password_reset"] = "password_reset"

    def __repr__(self) -> str:
        """Omit the token, for logs and tracebacks."""
        return f"PasswordReset(id={self.id!r}, password_reset_token=***)"


class EmailChange(Model, frozen=True, kw_only=True):
    """An email change that waits for the code mailed to the new address."""

    user: User
    new_email: str
    expires_at: datetime
    created_at: datetime
    object: Literal["email_change"] = "email_change"


class EmailChangeConfirmation(Model, frozen=True, kw_only=True):
    """A completed email change."""

    user: User
    object: Literal["email_change_confirmation"] = "email_change_confirmation"


class UserIdentity(Model, frozen=True, kw_only=True):
    """An account at a social provider."""

    idp_id: str
    type: Literal["OAuth"]
    provider: str


class Invitation(Model, frozen=True, kw_only=True):
    """An invitation to sign up. Token and URL are for applications that send their own mail."""

    id: str
    email: str
    state: Literal["pending", "accepted", "expired", "revoked"]
    accepted_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime
    organization_id: str | None
    inviter_user_id: str | None
    accepted_user_id: str | None
    role_slug: str | None
    token: str
    accept_invitation_url: str
    created_at: datetime
    updated_at: datetime
    object: Literal["invitation"] = "invitation"

    def __repr__(self) -> str:
        """Omit the token, for logs and tracebacks."""
        return f"Invitation(id={self.id!r}, state={self.state!r}, token=***)"
