"""What happened, written in the transaction of its cause; the world hears of it later (webhooks, /events).

Names under `authfactor.` are ours; the others are the contract's (section 6.2).
"""

from typing import Final

import msgspec

from authfactor import ids
from authfactor.ids import Mint
from authfactor.store import Tx

USER_CREATED: Final = "user.created"
USER_UPDATED: Final = "user.updated"
USER_DELETED: Final = "user.deleted"
FACTOR_ENROLLED: Final = "authfactor.factor_enrolled"
FACTOR_ACTIVATED: Final = "authfactor.factor_activated"
FACTOR_DELETED: Final = "authfactor.factor_deleted"
REPLAY_REFUSED: Final = "authfactor.replay_refused"
USER_LOCKED: Final = "authfactor.user_locked"

_ENCODER = msgspec.json.Encoder()


class EventLog:
    """Appends events."""

    def __init__(self, mint: Mint) -> None:
        """Take the source of ids."""
        self._mint = mint

    async def append(
        self, tx: Tx, environment: int, name: str, user_id: str | None, data: object, now: int
    ) -> None:
        """Write one event about a user; `data` becomes its JSON."""
        text = _ENCODER.encode(data).decode()
        await tx.events.append(environment, self._mint(ids.EVENT), name, user_id, text, now)
