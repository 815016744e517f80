"""How a server under test is started."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """How one server is started: commands to run first, the server's command, its environment.

    `authorization`: the header's value, where it is not a bearer of the API key. `ready`: the path that
    answers 200 once the server is up.
    """

    before: list[list[str]]
    command: list[str]
    environment: dict[str, str]
    authorization: str = ""
    ready: str = "/readyz"


@dataclass(frozen=True)
class Settings:
    """What every launch needs to know."""

    port: int
    workers: int
    folder: Path
    api_key: str
    database_url: str | None
