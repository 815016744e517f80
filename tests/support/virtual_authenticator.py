"""An authenticator of Chromium's, through its debugging protocol (WebAuthn domain)."""

import time
from typing import Any, Final

from playwright.sync_api import Page

_PATIENCE_SECONDS: Final = 15
_OPTIONS: Final = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class VirtualAuthenticator:
    """One authenticator of a page; keyword arguments are options of the protocol."""

    def __init__(self, page: Page, **changed: Any) -> None:  # noqa: ANN401 - any option
        self._page = page
        self._debugger = page.context.new_cdp_session(page)
        self._debugger.send("WebAuthn.enable", {"enableUI": False})
        made = self._debugger.send("WebAuthn.addVirtualAuthenticator", {"options": _OPTIONS | changed})
        self.id: str = made["authenticatorId"]
        self.events: list[str] = []
        for name in ("Added", "Asserted", "Updated", "Deleted"):
            self._debugger.on(f"WebAuthn.credential{name}", lambda _, name=name: self.events.append(name))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - any parameter
        """Send a command of the domain about this authenticator."""
        return dict(
            self._debugger.send(f"WebAuthn.{method}", {"authenticatorId": self.id, **parameters}) or {}
        )

    def credentials(self) -> list[dict[str, Any]]:
        return list(self.send("getCredentials")["credentials"])

    def wait_for(self, event: str) -> None:
        """Wait until the latest event is this one: Added, Asserted, Updated or Deleted."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.events[-1:] != [event]:
            assert time.monotonic() < deadline, self.events
            self._page.wait_for_timeout(20)
