"""Recorded requests of the official SDKs, and a client that replays them."""

import itertools
import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from tests.support import authenticator

EMAIL: Final = "kim@example.org"  # the recordings' user
PASSWORD: Final = "a long and rare passphrase 7!"
# Hop-by-hop headers are left out of the recordings.
RECORDED: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "recorded_requests.json").read_text(encoding="utf-8")
)
BY_SDK: Final = {
    sdk: list(requests) for sdk, requests in itertools.groupby(RECORDED, key=lambda request: request["sdk"])
}


class Replay:
    """Sends requests byte for byte, with placeholders filled from earlier responses."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._known = {"password": PASSWORD}
        self._secrets: dict[str, str] = {}
        self._asked = ""
        self._spent: dict[str, int] = {}
        self.code = ""  # sent instead of a code of the app

    def send(self, request: dict[str, Any]) -> httpx.Response:
        path, _, query = request["target"].partition("?")
        target = self._fill(path) + (f"?{self._fill(query)}" if query else "")
        body = self._fill(request["body"]).encode()
        answer = self._client.request(request["method"], target, content=body, headers=request["headers"])
        if answer.content:
            self.remember(answer.json())
        return answer

    def remember(self, found: dict[str, Any]) -> None:
        """Record ids, tokens, cursors and secrets of a response for the placeholders of later requests."""
        for name, value in found.items():
            if isinstance(value, dict) and "object" in value:
                self.remember(value)
            elif name in {"pending_authentication_token", "refresh_token"}:
                self._known[name] = value
        if found.get("object") == "list":
            self._known["cursor"] = found["list_metadata"]["after"] or self._known.get("cursor", "")
        elif "object" in found:
            self._known[found["object"].replace("authentication", "auth")] = found["id"]
            self._asked = found.get("authentication_factor_id", self._asked)
            if "secret" in found.get("totp", ()):
                self._secrets[found["id"]] = found["totp"]["secret"]

    def _fill(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        return (self.code or self._code()) if name == "code" else quote(self._known[name], safe=" !")

    def _code(self) -> str:
        """Return the next unused code of the latest challenge's factor."""
        step = max(authenticator.current_step(), self._spent.get(self._asked, 0) + 1)
        self._spent[self._asked] = step
        return authenticator.code_at(self._secrets[self._asked], step)


def without_key(request: dict[str, Any]) -> dict[str, Any]:
    """Remove the recorded Idempotency-Key, with which another test sends the same request."""
    headers = request["headers"].items()
    return {
        **request,
        "headers": {name: value for name, value in headers if name.lower() != "idempotency-key"},
    }
