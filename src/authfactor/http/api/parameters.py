"""Parameters that several endpoints share."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.api.unserved import REFUSED_PARAMETERS
from authfactor.http.request import Request
from authfactor.wire import requests

PAGE = ("limit", "order", "before", "after")
FACTORS, USERS = "multi-factor authentication", "users"


def required(value: str | None, field: str) -> str:
    """Return a required field. Raises `InvalidRequest` if it is missing or empty."""
    if not value:
        raise InvalidRequest(Item(field, f"{field}_required", f"{field}: required."))
    return requests.without_nul(value)


def list_query(request: Request, *filters: str) -> dict[str, str]:
    """Parse the query of a list: `PAGE` and `filters`, of which only a filter may be empty.

    Raises `InvalidRequest` that names every other parameter: ignoring a filter would return too much.
    """
    pairs = request.query_pairs()
    refuse_unknown([name for name, _ in pairs if name not in PAGE and name not in filters])
    return {name: value for name, value in pairs if value or name in filters}


def refuse_unknown(names: list[str]) -> None:
    """Raise `InvalidRequest` with an item for each of these query parameters, if there are any."""
    items = [
        requests.not_supported(name) if name in REFUSED_PARAMETERS else requests.unknown(name)
        for name in dict.fromkeys(names[: requests.MAX_UNKNOWN])
    ]
    if items:
        raise InvalidRequest(*items)
