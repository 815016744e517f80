"""How to start a server under test."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """How to start one server: commands to run first, the server's command, its environment.

    `authorization`: the header's value, unless it is `Bearer` with the API key. `ready`: the path that
    returns 200 once the server is up.
    """

    before: list[list[str]]
    command: list[str]
    environment: dict[str, str]
    authorization: str = ""
    ready: str = "/readyz"


@dataclass(frozen=True)
class Settings:
    """The settings of every launch."""

    port: int
    workers: int
    folder: Path
    api_key: str
    database_url: str | None
