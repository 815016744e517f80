"""Parameters that several endpoints share."""

from authfactor.errors import InvalidRequest, Item
from authfactor.wire import requests

PAGE = ("limit", "order", "before", "after")
FACTORS, USERS = "multi-factor authentication", "users"


def required(value: str | None, field: str) -> str:
    """Return a required field. Raises `InvalidRequest` if it is missing or empty."""
    if not value:
        raise InvalidRequest(Item(field, f"{field}_required", f"{field}: required."))
    return requests.without_nul(value)
