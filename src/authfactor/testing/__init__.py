"""Test support for applications: a real server with a movable clock, and valid codes for its factors.

With pytest, use the fixture `authfactor_server` of `authfactor.testing.plugin`. Without pytest:

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

_MODULES = {"Clock": "clock", "AuthfactorServer": "server", "Credentials": "server", "serving": "server"}


def __getattr__(name: str) -> object:
    """Import on first use: pytest loads the plugin, and so this package, in every run."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"authfactor.testing.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'authfactor.testing' has no attribute '{name}'")
