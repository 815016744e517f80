"""Whether a client prefers a page to JSON, by its `Accept` header (RFC 9110 section 12.5.1)."""

from typing import Final

HTML: Final = "text/html"
JSON: Final = "application/json"
# A header of a browser names fewer than ten media ranges.
MAX_RANGES: Final = 20


def prefers_html(accept: bytes) -> bool:
    """Return whether the header names `text/html` with a higher weight than JSON gets.

    Browsers name it. SDKs send `application/json`, curl and probes send `*/*` or nothing: they get JSON.
    """
    weights = _weights(accept.decode("latin-1").lower())
    json = weights.get(JSON, weights.get("application/*", weights.get("*/*", 0.0)))
    return weights.get(HTML, 0.0) > json


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each media range; a malformed weight counts as 0."""
    found: dict[str, float] = {}
    for part in accept.split(",")[:MAX_RANGES]:
        media_range, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        found[media_range] = float(weight) if _is_weight(weight) else 0.0
    return found


def _is_weight(text: str) -> bool:
    whole, _, digits = text.partition(".")
    return whole in {"0", "1"} and digits.isascii() and (digits.isdecimal() or not digits)
