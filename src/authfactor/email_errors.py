"""Errors of mailed codes, password resets, email changes, invitations, and of sign-ins that need them.

AuthfactorError
├── MailedCodeRefused         a mailed code, or sending one, is refused
├── InvitationRefused         the invitation's state does not allow it
├── ResetTokenUnknown         no password reset has this token
└── EmailChangeAttemptsUsed   too many wrong codes for an email change
InvalidRequest
└── NewPasswordRefused        the password of a reset is not strong enough
SignInRefused
├── EmailVerificationRequired  the email must be verified first
└── SignInMethodOff           the environment does not allow this way of signing in
"""

from authfactor import errors


class MailedCodeRefused(errors.AuthfactorError):
    """A mailed code, or sending one, is refused; the code is one of the contract's."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is the contract's code."""
        super().__init__(message)
        self.code = code


class InvitationRefused(errors.AuthfactorError):
    """The state of the invitation, or of what it would be for, does not allow it."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is the contract's code."""
        super().__init__(message)
        self.code = code


class ResetTokenUnknown(errors.AuthfactorError):
    """No open password reset has this token; the error does not say why."""

    code = "password_reset_token_not_found"

    def __init__(self, token: str) -> None:
        """Repeat the token, as the contract has it."""
        super().__init__(f"Could not locate user with provided token: '{token}'.")


class EmailChangeAttemptsUsed(errors.AuthfactorError):
    """Too many wrong codes for this email change or its user."""

    code = "email_change_too_many_attempts"

    def __init__(self) -> None:
        """Use a fixed message."""
        super().__init__("Too many wrong codes. Wait, then send the email change again.")


class NewPasswordRefused(errors.InvalidRequest):
    """The password of a reset is not strong enough; the items say why. The token is still good."""

    code = "password_reset_error"


class EmailVerificationRequired(errors.SignInRefused):
    """The password was correct, but the email must be verified first; has what the next request needs."""

    def __init__(self, *, pending_token: str, email: str, email_verification_id: str) -> None:
        """Name the verification whose code was mailed."""
        text = "Email ownership must be verified before authentication."
        super().__init__("email_verification_required", text)
        self.pending_token = pending_token
        self.email = email
        self.email_verification_id = email_verification_id


class SignInMethodOff(errors.SignInRefused):
    """The environment does not allow this way of signing in."""
