"""Whether this server's own clock is wrong: then the codes of most phones are off to the same side.

Kept in the memory of one process, for metrics and a warning; nothing is decided on it.
"""

from typing import Final

# Odd, so that one code is in the middle.
BATCH: Final = 51
SPAN_SECONDS: Final = 600


class ServerClock:
    """The median offset of each 51 accepted codes."""

    __slots__ = ("_median", "_offsets", "_since", "_until")

    def __init__(self) -> None:
        """Start without codes."""
        self._offsets: list[int] = []
        self._since = self._until = 0
        self._median: int | None = None

    def add(self, seconds: int, offset: int) -> None:
        """Take in a code that was accepted at this epoch second, `offset` steps from this clock's step."""
        offsets = self._offsets
        if not offsets:
            self._since = seconds
        offsets.append(offset)
        if len(offsets) == BATCH:
            in_time = 0 <= seconds - self._since <= SPAN_SECONDS
            self._median = sorted(offsets)[BATCH // 2] if in_time else None
            self._until = seconds + SPAN_SECONDS
            offsets.clear()

    def median(self, seconds: int) -> int | None:
        """Return by how many steps phones are ahead of this clock, or None: fewer codes in 10 minutes.

        An answer is kept for 10 minutes, or until the clock is set back.
        """
        return self._median if 0 <= self._until - seconds <= SPAN_SECONDS else None
