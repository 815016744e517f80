"""What a console page says after a change."""

from typing import Final

# Messages after a change. The query selects one by its key, so a link cannot inject other text.
DONE_MESSAGES: Final = {
    "created": "Created.",
    "saved": "Saved.",
    "revoked": "Revoked.",
    "deleted": "Deleted.",
    "unlocked": "Unlocked. The user can enter codes again.",
    "nothing": "There was nothing to unlock.",
    "disabled": "Disabled.",
    "enabled": "Enabled.",
    "pinged": "The test event will be sent in a moment. Its outcome is among the deliveries.",
    "resent": "The delivery will be sent in a moment.",
    "ended": "The session has ended.",
    "role": "The role was changed and applies from the next request.",
    "renamed": "Renamed.",
    "passkey_added": "The passkey was added.",
    "passkey_removed": "The passkey was removed. Delete it on its device too, if it is still shown there.",
}
