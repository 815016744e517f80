"""Email verifications, magic codes, password resets and email changes."""

from typing import Annotated

from msgspec import Meta

from authfactor.models import UserRecord
from authfactor.models.mailed import MailedCode, PasswordResetRecord
from authfactor.wire import responses, timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp, UserObject

CodeText = Annotated[str | None, Meta(description="The six digits from the mail.")]
Locale = Annotated[str | None, Meta(description="Language of the mail, such as `de`.")]
Email = Annotated[str | None, Meta(description="The user's email address.")]


class ConfirmMailedCode(RequestModel, frozen=True, gc=False):
    """Confirm with a code that was mailed."""

    code: CodeText = None


class SendEmailVerification(RequestModel, frozen=True, gc=False):
    """Mail a code that verifies an email."""

    locale: Locale = None


class CreateMagicAuth(RequestModel, frozen=True, gc=False):
    """Make a magic code; signs the email up if it is unknown."""

    email: Email = None
    invitation_token: Annotated[
        str | None, Meta(description="Of an invitation that is open, which opens sign-up.")
    ] = None
    ip_address: str | None = None
    user_agent: str | None = None
    locale: Locale = None
    signals_id: str | None = None
    radar_auth_attempt_id: str | None = None

    NOT_SERVED = ("radar_auth_attempt_id",)


class SendMagicAuth(RequestModel, frozen=True, gc=False):
    """Make a magic code, through the legacy route."""

    email: Email = None


class CreatePasswordReset(RequestModel, frozen=True, gc=False):
    """Make a link to a new password."""

    email: Email = None
    locale: Locale = None


class SendPasswordReset(RequestModel, frozen=True, gc=False):
    """Make a link to a new password, through the legacy route."""

    email: Email = None
    password_reset_url: Annotated[
        str | None, Meta(description="Your page; one of the environment's page redirects.")
    ] = None


class ConfirmPasswordReset(RequestModel, frozen=True, gc=False):
    """Set a new password with the token of a mailed link."""

    token: Annotated[str | None, Meta(description="The token from the link.")] = None
    new_password: Annotated[str | None, Meta(description="At least 10 characters.")] = None


class SendEmailChange(RequestModel, frozen=True, gc=False):
    """Mail a code to a user's new address."""

    new_email: Annotated[str | None, Meta(description="The address that is to replace the user's.")] = None
    locale: Locale = None


class UserAnswer(ResponseModel, frozen=True, gc=False):
    """A user, in an object of its own."""

    user: UserObject


class _CodeFields(ResponseModel, frozen=True, gc=False):
    id: str
    user_id: str
    email: str
    expires_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp


class EmailVerificationEvent(
    _CodeFields, frozen=True, gc=False, tag_field="object", tag="email_verification"
):
    """Data of the event of an email verification."""


class EmailVerificationObject(
    _CodeFields, frozen=True, gc=False, kw_only=True, tag_field="object", tag="email_verification"
):
    """An email verification with its code."""

    code: str


class MagicAuthEvent(_CodeFields, frozen=True, gc=False, tag_field="object", tag="magic_auth"):
    """Data of the event of a magic code."""


class MagicAuthObject(_CodeFields, frozen=True, gc=False, kw_only=True, tag_field="object", tag="magic_auth"):
    """A magic code."""

    code: str


class PasswordResetEvent(ResponseModel, frozen=True, gc=False, tag_field="object", tag="password_reset"):
    """Data of the events of a password reset."""

    id: str
    user_id: str
    email: str
    expires_at: Timestamp
    created_at: Timestamp


class PasswordResetObject(
    PasswordResetEvent, frozen=True, gc=False, kw_only=True, tag_field="object", tag="password_reset"
):
    """A password reset with its token and link."""

    password_reset_token: str
    password_reset_url: str


class EmailChangeObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="email_change"):
    """An email change that waits for its code."""

    user: UserObject
    new_email: str
    expires_at: Timestamp
    created_at: Timestamp


class EmailChangeConfirmationObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="email_change_confirmation"
):
    """A completed email change."""

    user: UserObject


def user_answer(record: UserRecord) -> UserAnswer:
    """Render a user in an object of its own."""
    return UserAnswer(responses.user(record))


def email_verification(record: MailedCode, code: str) -> EmailVerificationObject:
    """Render an email verification with its code."""
    return EmailVerificationObject(*_code_fields(record), code=code)


def email_verification_event(record: MailedCode) -> EmailVerificationEvent:
    """Render the event of an email verification."""
    return EmailVerificationEvent(*_code_fields(record))


def magic_auth(record: MailedCode, code: str) -> MagicAuthObject:
    """Render a magic code."""
    return MagicAuthObject(*_code_fields(record), code=code)


def magic_auth_event(record: MailedCode) -> MagicAuthEvent:
    """Render the event of a magic code."""
    return MagicAuthEvent(*_code_fields(record))


def _code_fields(record: MailedCode) -> tuple[str, str, str, str, str, str]:
    created, expires = timestamps.format_ms(record.created_at), timestamps.format_ms(record.expires_at)
    updated = timestamps.format_ms(record.used_at or record.replaced_at or record.created_at)
    return record.id, record.user_id, record.email, expires, created, updated


def password_reset(record: PasswordResetRecord, token: str, url: str) -> PasswordResetObject:
    """Render a password reset with its token and link."""
    fields = _reset_fields(record)
    return PasswordResetObject(*fields, password_reset_token=token, password_reset_url=url)


def password_reset_event(record: PasswordResetRecord) -> PasswordResetEvent:
    """Render the events of a password reset."""
    return PasswordResetEvent(*_reset_fields(record))


def _reset_fields(record: PasswordResetRecord) -> tuple[str, str, str, str, str]:
    times = timestamps.format_ms(record.expires_at), timestamps.format_ms(record.created_at)
    return record.id, record.user_id, record.email, *times


def email_change(user: UserRecord, record: MailedCode) -> EmailChangeObject:
    """Render an email change that waits for its code, which is not told."""
    times = timestamps.format_ms(record.expires_at), timestamps.format_ms(record.created_at)
    return EmailChangeObject(responses.user(user), record.email, *times)


def email_change_confirmation(user: UserRecord) -> EmailChangeConfirmationObject:
    """Render a completed email change."""
    return EmailChangeConfirmationObject(responses.user(user))
