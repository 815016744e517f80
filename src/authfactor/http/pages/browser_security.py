"""What keeps pages safe in a browser: headers, where a POST may come from, cookies (decision 0018)."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from authfactor import errors, settings

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'{form_targets}; base-uri 'none'; frame-ancestors 'none'"
)
# `same-origin`, not `no-referrer`: under the latter browsers without fetch metadata send `Origin: null` with
# our own forms. No other site ever sees where a visitor came from, under either.
_COMMON: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
Headers = tuple[tuple[bytes, bytes], ...]


class CrossOrigin(errors.AuthfactorError):
    """A form was sent by another site's page, or by a browser that does not say by whose."""

    code = "cross_origin_request"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This form was not sent from our own page. Open the page again and retry.")


class Cookie(NamedTuple):
    """A cookie to set; `seconds` None lasts as long as the browser runs, 0 removes it."""

    name: str
    value: str
    seconds: int | None = None
    same_site: str = "Lax"


def page_headers(form_target: str | None = None) -> Headers:
    """Headers of a page, besides those of every answer; `form_target` is a URL its form may end up at."""
    targets = "" if form_target is None else f" {_source(form_target)}"
    policy = _POLICY.format(form_targets=targets).encode()
    return (*_COMMON, (b"content-security-policy", policy))


def _source(url: str) -> str:
    """Write the origin of a URL as a source of a policy; a scheme alone for an app's own scheme."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def check_origin(method: str, headers: dict[bytes, bytes], base_url: str) -> None:
    """Refuse a form that another site's page sent. Raises `CrossOrigin`.

    Fetch metadata decides where a browser sends it (W3C Fetch Metadata, `Sec-Fetch-Site`); older ones send
    `Origin`, which must be this server's. A request with neither comes from no browser of this decade and
    is refused too: pages are for browsers, programs have the API.
    """
    if method in _SAFE_METHODS:
        return
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        # `none` is the person's own doing (a typed address, a reload), which no page can cause.
        if site in {b"same-origin", b"none"}:
            return
        raise CrossOrigin
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    # A proxy that ends TLS passes the host on, or rewrites it; then the base URL tells.
    if urlsplit(origin).netloc and (urlsplit(origin).netloc == host or origin == origin_of(base_url)):
        return
    raise CrossOrigin


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def cookie(wanted: Cookie, base_url: str) -> tuple[bytes, bytes]:
    """Write a `Set-Cookie` header: `__Host-`, `Secure`, `HttpOnly`, `SameSite`, whole site.

    `__Host-` (RFC 6265bis section 4.1.3.2) keeps subdomains and plain HTTP from planting one. On loopback
    by plain HTTP both words are left out, since Safari keeps no `Secure` cookie there.
    """
    parts = [f"{cookie_name(wanted.name, base_url)}={wanted.value}", "Path=/", "HttpOnly"]
    parts.append(f"SameSite={wanted.same_site}")
    if not settings.is_loopback(base_url):
        parts.append("Secure")
    if wanted.seconds is not None:
        parts.append(f"Max-Age={wanted.seconds}")
    return b"set-cookie", "; ".join(parts).encode("latin-1")


def cookie_name(name: str, base_url: str) -> str:
    """Return the name that a cookie has on the wire."""
    return name if settings.is_loopback(base_url) else f"__Host-{name}"


def read_cookie(headers: dict[bytes, bytes], name: str, base_url: str) -> str | None:
    """Read a cookie that was set with `cookie`."""
    wanted = cookie_name(name, base_url)
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == wanted:
            return value
    return None
