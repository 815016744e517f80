"""The types of trusted devices that the client returns."""

from datetime import datetime
from typing import Literal

from authfactor.client.types import Model


class TrustedDevice(Model, frozen=True, kw_only=True):
    """A trusted device of a user. `ended`: revoked, or the password or the factors have changed."""

    id: str
    user_id: str
    status: Literal["active", "expired", "ended"]
    created_at: datetime
    expires_at: datetime
    name: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    last_used_at: datetime | None = None
    object: Literal["trusted_device"] = "trusted_device"


class TrustedDeviceIssued(TrustedDevice, frozen=True, kw_only=True):
    """A trusted device with a new token, which works once. Nothing returns it again."""

    token: str

    def __repr__(self) -> str:
        """Omit the token, for logs and tracebacks."""
        return f"TrustedDeviceIssued(id={self.id!r}, user_id={self.user_id!r}, token=***)"
