"""What is mailed to users: six-digit codes, links to a new password, invitations."""

from typing import Literal

from authfactor.models.base import Record

CodePurpose = Literal["email_verification", "magic_auth", "email_change"]
"""What a mailed code proves: the user's address, the sign-in, or a new address."""


class MailedCode(Record, frozen=True, gc=False):
    """A six-digit code mailed to `email`; `digest` and the sealed `code` are bound to its row.

    It is its user's only one for its purpose until `replaced_at`. `attempts` counts the codes that were
    compared with it.
    """

    id: str
    purpose: CodePurpose
    user_id: str
    email: str
    digest: str
    code: str
    attempts: int
    created_at: int
    expires_at: int
    used_at: int | None = None
    replaced_at: int | None = None


class PasswordResetRecord(Record, frozen=True, gc=False):
    """A link to a new password; `password_mark` no longer matches after any change of the password.

    `token` is sealed.
    """

    id: str
    user_id: str
    email: str
    password_mark: bytes
    token: str
    created_at: int
    expires_at: int
    used_at: int | None = None


class InvitationRecord(Record, frozen=True, gc=False):
    """An invitation to sign up. `token` is sealed; of one email, one is open at a time."""

    id: str
    email: str
    organization_id: str | None
    role_slug: str | None
    inviter_user_id: str | None
    accepted_user_id: str | None
    locale: str | None
    token: str
    expires_at: int
    accepted_at: int | None
    revoked_at: int | None
    created_at: int
    updated_at: int

    def state(self, now: int) -> Literal["pending", "accepted", "expired", "revoked"]:
        """Return its state at `now` (milliseconds)."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "pending"
