"""For the tests of applications: a real server with a clock that tests can move, and codes that it accepts.

With pytest, ask for the fixture `authfactor_server` (`authfactor.testing.plugin`). Without:

    with serving() as server:
        ...  # server.base_url, server.api_key, server.client_id, server.code_for(...), server.clock
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.testing.clock import Clock as Clock
    from authfactor.testing.server import AuthfactorServer as AuthfactorServer
    from authfactor.testing.server import Credentials as Credentials
    from authfactor.testing.server import serving as serving

__all__ = ["AuthfactorServer", "Clock", "Credentials", "serving"]

_WHERE = {"Clock": "clock", "AuthfactorServer": "server", "Credentials": "server", "serving": "server"}


def __getattr__(name: str) -> object:
    """Import when asked: pytest loads the plugin in every run, whether it is used or not."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"authfactor.testing.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'authfactor.testing' has no attribute '{name}'")
