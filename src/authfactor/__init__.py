"""A self-hosted multi-factor authentication service with the WorkOS API."""

import importlib
from typing import TYPE_CHECKING

from authfactor.version import __version__

if TYPE_CHECKING:
    from authfactor.client import AsyncClient as AsyncClient
    from authfactor.client import Client as Client

__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> object:
    """Import the client on first access: the command line must not wait for it."""
    if name in {"AsyncClient", "Client"}:
        return getattr(importlib.import_module("authfactor.client"), name)
    raise AttributeError(f"module 'authfactor' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
