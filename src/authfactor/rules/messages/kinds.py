"""Kinds of messages, and the channel they are sent on."""

from typing import Final, get_args

from authfactor.models.messages import MessageKind, MessageState

KINDS: Final[tuple[MessageKind, ...]] = get_args(MessageKind)
STATES: Final[tuple[MessageState, ...]] = get_args(MessageState)
# Told after the fact; the others carry a code or a URL that the user, or a stranger, has asked for.
NOTICES: Final[frozenset[MessageKind]] = frozenset(
    {
        "factor_added",
        "factor_removed",
        "recovery_code_used",
        "trusted_device_created",
        "password_changed",
        "email_changed",
    }
)
MAIL: Final = "mail"
"""The channel of mail."""
