"""Identifiers: a type prefix ending in an underscore, and a ULID (26 characters of Crockford base32).

Ids of one `IdGenerator` increase strictly, so sorting by id is sorting by creation (decision 0005).
"""

from collections.abc import Callable
from typing import Final

USER: Final = "user_"
FACTOR: Final = "auth_factor_"
CHALLENGE: Final = "auth_challenge_"
SESSION: Final = "session_"
EVENT: Final = "event_"
WEBHOOK_ENDPOINT: Final = "we_"
DELIVERY: Final = "wd_"
MESSAGE: Final = "message_"
CLIENT: Final = "client_"
API_KEY: Final = "api_key_"
SIGNING_KEY: Final = "key_"
LINK: Final = "link_"
TRUSTED_DEVICE: Final = "trusted_device_"
EMAIL_VERIFICATION: Final = "email_verification_"
MAGIC_AUTH: Final = "magic_auth_"
PASSWORD_RESET: Final = "password_reset_"  # noqa: S105 - the prefix of an id
EMAIL_CHANGE: Final = "email_change_"
INVITATION: Final = "invitation_"
REDIRECT_URI: Final = "redir_"
CORS_ORIGIN: Final = "cors_origin_"
SIGN_IN_FLOW: Final = "flow_"
BROWSER_SESSION: Final = "browser_session_"
DEVICE_AUTHORIZATION: Final = "device_"
OPERATOR: Final = "operator_"
AUDIT: Final = "audit_"
OPERATOR_SESSION: Final = "operator_session_"

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
_RANDOM_BITS: Final = 80
ULID_LENGTH: Final = 26


def ulid(milliseconds: int, randomness: int) -> str:
    """Encode a 48-bit time in milliseconds and 80 random bits as 26 characters."""
    value = milliseconds << _RANDOM_BITS | randomness
    pairs = _PAIRS
    return "".join([pairs[value >> shift & 1023] for shift in range(120, -1, -10)])


def first(prefix: str, milliseconds: int) -> str:
    """Return the smallest possible id with this prefix and creation time (milliseconds)."""
    return prefix + ulid(max(milliseconds, 0), 0)


def is_ulid(text: str) -> bool:
    """Return whether the text is 26 characters of the alphabet and fits 128 bits."""
    return len(text) == ULID_LENGTH and text[0] <= "7" and not set(text) - set(_ALPHABET)


def milliseconds_of(identifier: str) -> int:
    """Return the creation time of an id or a bare ULID, in milliseconds since the epoch."""
    value = 0
    for character in identifier[-ULID_LENGTH:][:10]:
        value = value << 5 | _ALPHABET.index(character)
    return value


class IdGenerator:
    """Generates ids that increase strictly within one process, even if the clock goes backwards."""

    def __init__(self, clock: Callable[[], int], entropy: Callable[[int], bytes]) -> None:
        """`clock` returns milliseconds since the epoch, `entropy` that many random bytes."""
        self._clock = clock
        self._entropy = entropy
        self._last_time = -1
        self._last_random = 0
        # The last ULID without its last two characters: within a millisecond, mostly only those change.
        self._head = ""

    def advance_to(self, milliseconds: int) -> None:
        """Generate no id older than this from now on, even if the clock has been set back."""
        if milliseconds > self._last_time:
            self._last_time = milliseconds
            self._last_random = int.from_bytes(self._entropy(10), "big") >> 1
            self._head = ""

    def __call__(self, prefix: str) -> str:
        """Return a new id with this prefix ('' returns a bare ULID)."""
        now = self._clock()
        if now > self._last_time:
            self._last_time = now
            # The top bit stays clear, so that incrementing within a millisecond cannot overflow.
            self._last_random = int.from_bytes(self._entropy(10), "big") >> 1
            self._head = ""
        else:
            self._last_random += 1
        last = self._last_random & 1023
        if not self._head or not last:
            self._head = ulid(self._last_time, self._last_random)[:-2]
        return prefix + self._head + _PAIRS[last]
