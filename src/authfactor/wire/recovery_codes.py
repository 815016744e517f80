"""Bodies of requests and responses of recovery codes."""

from typing import Annotated

from msgspec import Meta

from authfactor.models import NewRecoveryCodes, RecoveryCodeCount
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp


class ImportRecoveryCodes(RequestModel, frozen=True, gc=False):
    """Import the recovery codes of another system."""

    codes: Annotated[
        list[str] | None,
        Meta(
            description="1 to 50 unused codes of 8 to 40 letters and digits; case, spaces and hyphens do not"
            " matter."
        ),
    ] = None

    def __repr__(self) -> str:
        """Omit the codes, for logs and tracebacks."""
        return "ImportRecoveryCodes(***)"


class RecoveryCodesCreatedObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="recovery_codes"
):
    """A new set. No other response has the codes."""

    user_id: str
    codes: list[str]
    total: int
    remaining: int
    created_at: Timestamp


class RecoveryCodesObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="recovery_codes"):
    """How many recovery codes a user has; `created_at` is null without a set."""

    user_id: str
    total: int
    remaining: int
    created_at: Timestamp | None


def created(user_id: str, made: NewRecoveryCodes) -> RecoveryCodesCreatedObject:
    """Render a new set."""
    total, created_at = len(made.codes), timestamps.format_ms(made.created_at)
    return RecoveryCodesCreatedObject(user_id, list(made.codes), total, total, created_at)


def counted(user_id: str, count: RecoveryCodeCount) -> RecoveryCodesObject:
    """Render the count of a set."""
    created = timestamps.format_optional(count.created_at)
    return RecoveryCodesObject(user_id, count.total, count.remaining, created)
