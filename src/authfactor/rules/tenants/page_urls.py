"""URLs of an application's own pages, and how users sign in there: checked when they are set."""

import re
from typing import Final
from urllib.parse import urlsplit

from authfactor.errors import InvalidRequest, Item
from authfactor.models import SignInOptions
from authfactor.settings import is_loopback

# The characters of a URL (RFC 3986 section 2); all others are percent-encoded.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")


def check_redirect(url: str, field: str = "page_redirects", code: str = "page_redirect_invalid") -> str:
    """Return a URL to which pages may redirect, unchanged: it is later compared as a whole.

    Allowed are HTTPS, plain HTTP on this machine, and an app's own scheme, which contains a dot (RFC 8252
    section 7.1). Raises `InvalidRequest`.
    """
    if not _may_redirect(url):
        text = (
            f"{field}: '{url[:200]}' must be an https URL without user name and fragment"
            " (or http on this machine, or an app's own scheme such as org.example.app:/done)."
        )
        raise InvalidRequest(Item(field, code, text))
    return url


def check_sign_in(options: SignInOptions) -> None:
    """Raise `InvalidRequest` for pages that are no URLs, and where no user could sign in."""
    for field in ("password_reset_url", "invitation_url"):
        url = getattr(options, field)
        if url is not None:
            check_redirect(url, field, f"{field}_invalid")
    if not options.methods:
        text = "sign_in_methods: at least one of password, magic_auth, passkey."
        raise InvalidRequest(Item("sign_in_methods", "sign_in_methods_invalid", text))


def _may_redirect(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no IPv6 address
        return False
    own = "." in parts.scheme and not parts.netloc
    web = parts.scheme == "https" and bool(parts.hostname)
    written = bool(_URL.fullmatch(url)) and "@" not in parts.netloc and not parts.fragment
    return written and (own or web or is_loopback(url))
