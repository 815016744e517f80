"""What state machines share that drive the real core on a real database."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any, Final, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire.requests import CreateUser

T = TypeVar("T")
START: Final = 1_700_000_010_000


class DatabaseMachine(RuleBasedStateMachine):
    """An installation in a folder of its own, with a clock that its rules move."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.now = START

    def _open(self, **settings: Any) -> Settings:  # noqa: ANN401 - of each setting
        """Open the installation; return its settings."""
        chosen = Settings(data=Path(self.folder.name), **settings)
        opening = Authfactor.open(
            chosen,
            clock=lambda: self.now,
            entropy=random.Random(7).randbytes,
            profile=passwords.CHEAPEST,
        )
        self.af = self.loop.run_until_complete(opening)
        first = self.loop.run_until_complete(self.af.read(lambda tx: tx.environments.by_number(1)))
        assert first is not None
        self.environment = first
        return chosen

    def _run(self, unit: Unit[T]) -> T:
        return self.loop.run_until_complete(self.af.run(unit))

    def _user(self, email: str) -> str:
        """Create a user; return the id."""
        preparing = self.af.users.prepare_create(self.environment, CreateUser(email=email))
        return self._run(self.loop.run_until_complete(preparing)).id

    def teardown(self) -> None:
        if hasattr(self, "af"):
            self.loop.run_until_complete(self.af.close())
        self.loop.close()
        self.folder.cleanup()
