"""What the flows need of the outbox of messages."""

from collections.abc import Mapping
from typing import Literal, Protocol

from authfactor.rules.unit import Scope

MailKind = Literal[
    "email_verification", "magic_auth", "password_reset", "email_change", "invitation", "email_changed"
]


class Outbox(Protocol):
    """Queues mail in the unit of what it is about, where the environment has a sender."""

    async def queue(
        self,
        scope: Scope,
        kind: MailKind,
        *,
        to: str,
        user_id: str | None = None,
        values: Mapping[str, str] | None = None,
        locale: str | None = None,
        expires_at: int | None = None,
        reference: str | None = None,
    ) -> bool:
        """Queue a message; False without a sender. Raises `SendLimitReached`."""

    async def cancel(self, scope: Scope, reference: str) -> int:
        """Cancel what is not sent yet about `reference`; return how many messages that were."""
