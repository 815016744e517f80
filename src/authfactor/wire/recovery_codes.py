"""Response bodies of recovery codes."""

from authfactor.models import NewRecoveryCodes, RecoveryCodeCount
from authfactor.wire import timestamps
from authfactor.wire.responses import ResponseModel, Timestamp


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
