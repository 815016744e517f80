"""An assertion as text, in the field that otherwise has a one-time code: `AuthenticationResponseJSON`."""

import asyncio
import importlib
from typing import Final

MAX_TEXT: Final = 8 * 1024


def is_assertion(text: str) -> bool:
    """Return whether a text can be an assertion and nothing else: codes never begin with a brace."""
    return text.lstrip()[:1] == "{"


async def import_parsers() -> None:
    """Import `fido2` on a thread, so that the first response does not make the event loop wait for it."""
    await asyncio.to_thread(importlib.import_module, "fido2.webauthn")
