"""Multi-factor authentication that a team runs itself, speaking the WorkOS API."""

__version__ = "0.1.0"

__all__ = ["__version__"]
