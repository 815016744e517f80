"""`authfactor --version`: this program and everything it runs on, for a bug report."""

import platform
from importlib import metadata
from typing import Any, Final

from authfactor.store import schema
from authfactor.store.sqlite.version import SQLITE_VERSION
from authfactor.version import __version__

# The dependencies in pyproject.toml, and those of the extras; a test compares them.
PACKAGES: Final = (
    "aiosmtplib",
    "alembic",
    "argon2-cffi",
    "bcrypt",
    "click",
    "cryptography",
    "fido2",
    "httptools",
    "httpx",
    "idna",
    "jinja2",
    "msgspec",
    "prometheus-client",
    "rich",
    "sqlalchemy",
    "structlog",
    "uvicorn",
    "uvloop",
)
EXTRAS: Final = (
    "asyncpg",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-sdk",
    "pillow",
    "zxing-cpp",
)


def found() -> dict[str, Any]:
    """Return the versions; a package that is not installed has None."""
    return {
        "authfactor": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "sqlite": SQLITE_VERSION,
        "schema": schema.NEEDED,
        "packages": {name: _version_of(name) for name in (*PACKAGES, *EXTRAS)},
    }


def text() -> str:
    """Return a line with name and version each; the first is this program's."""
    versions = found()
    packages = versions["packages"]
    named = {
        "authfactor": versions["authfactor"],
        "Python": f"{versions['python']} ({versions['implementation']}, {versions['platform']})",
        "SQLite": versions["sqlite"],
        "schema": versions["schema"],
        **{name: version or "(not installed)" for name, version in packages.items()},
    }
    return "\n".join(f"{name} {version}" for name, version in named.items())


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
