"""Browser security of pages: headers, CSRF protection by origin, encryption, cookies (decision 0018)."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from authfactor import errors, settings
from authfactor.settings import server_url

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'{form_targets}; base-uri 'none'; frame-ancestors 'none'"
)
# Not `no-referrer`, under which browsers without fetch metadata send `Origin: null` with our own forms.
# Neither sends a referrer to other sites.
_COMMON: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
_PERMISSIONS: Final = (
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(),"
    " publickey-credentials-create={passkeys}, publickey-credentials-get={passkeys}"
)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
Headers = tuple[tuple[bytes, bytes], ...]


class CrossOrigin(errors.AuthfactorError):
    """A form was sent by another site's page, or without a header that names its origin."""

    code = "cross_origin_request"

    def __init__(self) -> None:
        """Use the fixed message."""
        super().__init__("This form was not sent from our own page. Open the page again and retry.")


class ConnectionNotEncrypted(errors.AuthfactorError):
    """A page that takes or shows secrets was requested over plain HTTP, and not on the server itself."""

    code = "connection_not_encrypted"

    def __init__(self) -> None:
        """Use the fixed message."""
        super().__init__("The console needs https, except on the server itself.")


class Cookie(NamedTuple):
    """A cookie to set. Without `seconds` it lasts for the browser session; 0 deletes it."""

    name: str
    value: str
    seconds: int | None = None
    same_site: str = "Lax"


def page_headers(form_target: str | None = None, *, passkeys: bool = False) -> Headers:
    """Return the headers specific to pages.

    `form_target`: a URL that its form may redirect to. `passkeys`: whether the page may ask for passkeys.
    """
    targets = "" if form_target is None else f" {_source(form_target)}"
    policy = _POLICY.format(form_targets=targets).encode()
    permissions = _PERMISSIONS.format(passkeys="(self)" if passkeys else "()").encode()
    return (*_COMMON, (b"permissions-policy", permissions), (b"content-security-policy", policy))


def _source(url: str) -> str:
    """Return a URL's origin as a CSP source; for a custom scheme of an app, the scheme alone."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def check_origin(method: str, headers: dict[bytes, bytes], base_url: str) -> None:
    """Check that a form was sent by our own page. Raises `CrossOrigin`.

    `Sec-Fetch-Site` (W3C Fetch Metadata) decides if the browser sends it; older browsers send `Origin`, which
    must be this server's. A request with neither is rejected: pages are for browsers, programs use the API.
    """
    if method in _SAFE_METHODS:
        return
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        # `none`: initiated by the user (a typed URL, a reload), which no page can cause.
        if site in {b"same-origin", b"none"}:
            return
        raise CrossOrigin
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    # A TLS proxy forwards the Host header or rewrites it; in the latter case compare with the base URL.
    # Not parsed: `urlsplit` fails on what a stranger may send.
    if not host or origin not in (f"https://{host}", f"http://{host}", origin_of(base_url)):
        raise CrossOrigin


def check_encrypted(headers: dict[bytes, bytes], serving: settings.Settings) -> None:
    """Check that the browser uses HTTPS or is on this machine. Raises `ConnectionNotEncrypted`.

    Behind a TLS proxy only the browser knows: the `Origin` of a form has the scheme, and `Sec-Fetch-Site` is
    sent only to HTTPS and loopback URLs (W3C Fetch Metadata section 2). Older browsers send neither with a
    GET; then the `Host` must be loopback, or that of an https `base_url`.
    """
    if serving.tls_cert:
        return
    origin = headers.get(b"origin", b"null").decode("latin-1")
    if origin != "null":
        encrypted = origin.startswith("https://") or _is_on_this_machine(origin)
    elif b"sec-fetch-site" in headers:
        encrypted = True
    else:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        encrypted = _is_on_this_machine(f"http://{host}") or origin_of(serving.base_url) == f"https://{host}"
    if not encrypted:
        raise ConnectionNotEncrypted


def _is_on_this_machine(url: str) -> bool:
    try:
        return server_url.is_loopback_host(urlsplit(url).hostname or "")
    except ValueError:  # a malformed IPv6 address
        return False


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def cookie(spec: Cookie, base_url: str) -> tuple[bytes, bytes]:
    """Return a `Set-Cookie` header with `__Host-`, `Secure`, `HttpOnly`, `SameSite` and `Path=/`.

    `__Host-` (RFC 6265bis section 4.1.3.2) prevents subdomains and plain HTTP from setting one. On loopback
    over plain HTTP it and `Secure` are left out, as Safari stores no `Secure` cookie there.
    """
    parts = [f"{cookie_name(spec.name, base_url)}={spec.value}", "Path=/", "HttpOnly"]
    parts.append(f"SameSite={spec.same_site}")
    if not settings.is_loopback(base_url):
        parts.append("Secure")
    if spec.seconds is not None:
        parts.append(f"Max-Age={spec.seconds}")
    return b"set-cookie", "; ".join(parts).encode("latin-1")


def cookie_name(name: str, base_url: str) -> str:
    """Return a cookie's name on the wire."""
    return name if settings.is_loopback(base_url) else f"__Host-{name}"


def read_cookie(headers: dict[bytes, bytes], name: str, base_url: str) -> str | None:
    """Return the value of a cookie set with `cookie`, or None."""
    wire_name = cookie_name(name, base_url)
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        sent_name, _, value = pair.strip().partition("=")
        if sent_name == wire_name:
            return value
    return None
