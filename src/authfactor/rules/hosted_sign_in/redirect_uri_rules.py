"""Which redirect URIs may be listed, and which URI of a request a listed one matches (contract section 4.1).

A URI of a request is compared as text and never parsed: two parsers that read it differently are the way
open redirects are made. One `*` stands for letters, digits, `-` and `_` of the leftmost label of a host, or,
as a port of loopback, for digits.
"""

import functools
import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from authfactor.errors import InvalidRequest, Item

MAX_LENGTH: Final = 2048
WILDCARD: Final = "*"
# The characters of a URL (RFC 3986 section 2) except `#`: what is appended must be part of the query.
_CHARACTERS: Final = r"[A-Za-z0-9._~:/?@!$&'()+,;=%\[\]-]"
_WRITTEN: Final = re.compile(rf"{_CHARACTERS}+")
_LOOPBACK_HOSTS: Final = r"(?:localhost|127\.0\.0\.1|\[::1\])"
_PORT: Final = r":[0-9]{1,5}"
_PATH: Final = r"(?:/[A-Za-z0-9._~:/@!$&'()+,;=%-]*)?(?:\?[A-Za-z0-9._~:/?@!$&'()+,;=%-]*)?"
_ANY_LOOPBACK: Final = re.compile(rf"http://{_LOOPBACK_HOSTS}(?:{_PORT})?{_PATH}")
# RFC 8252 section 7.3: a native app listens on a port that it is given at that moment.
_LOOPBACK_IP: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?([/?].*|)")
_NATIVE_APP: Final = re.compile(r"http://(?:127\.0\.0\.1|\[::1\])(?::(?:[0-9]{1,5}|\*))?(?:[/?].*|)")
_LOOPBACK_PORTS: Final = re.compile(rf"(http://{_LOOPBACK_HOSTS}):\*([/?].*|)")
_HOST: Final = re.compile(r"[a-z0-9*_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)
_OWN_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/.*", re.IGNORECASE)
# The answer adds these; a URI that has them already would give its application two.
_ANSWERED: Final = frozenset({"code", "state", "error", "error_description"})
# Suffixes under which strangers get names, besides top-level domains. The public list has thousands more: a
# wildcard under another one is the operator's mistake.
PUBLIC_SUFFIXES: Final = frozenset(
    """
    ac.uk co.uk gov.uk ltd.uk me.uk net.uk org.uk plc.uk com.au net.au org.au edu.au id.au co.nz net.nz org.nz
    co.jp ne.jp or.jp ac.jp co.kr or.kr com.br net.br org.br com.cn net.cn org.cn com.tw com.hk com.sg com.my
    com.mx com.ar com.co com.tr com.ua com.pl com.es com.pt co.in net.in org.in co.za org.za co.il org.il
    co.id co.th com.ph com.vn com.sa com.eg
    github.io gitlab.io pages.dev workers.dev vercel.app now.sh netlify.app herokuapp.com web.app
    firebaseapp.com appspot.com run.app azurewebsites.net azurestaticapps.net cloudapp.net cloudfront.net
    amazonaws.com elasticbeanstalk.com amplifyapp.com fly.dev onrender.com railway.app up.railway.app
    ngrok.io ngrok.app ngrok.dev ngrok-free.app ngrok-free.dev trycloudflare.com loca.lt localhost.run
    surge.sh glitch.me replit.dev replit.app repl.co deno.dev github.dev gitpod.io stackblitz.io
    webcontainer.io blogspot.com wordpress.com myshopify.com translate.goog r2.dev supabase.co duckdns.org
    """.split()  # noqa: SIM905 - as a list it would fill a page
)


def check_uri(uri: str, *, production: bool, field: str = "uri") -> str:
    """Return a URI that may be listed, unchanged. Raises `InvalidRequest`."""
    problem = _problem(uri, production=production)
    if problem is not None:
        raise InvalidRequest(Item(field, f"{field}_invalid", f"{field}: {problem}"))
    return uri


def check_default(uri: str) -> str:
    """Return a URI that may be the default, unchanged. Raises `InvalidRequest` for one with a wildcard."""
    if WILDCARD in uri:
        text = "uri: one with a * cannot be the default, because nothing says what the * stands for."
        raise InvalidRequest(Item("uri", "uri_invalid", text))
    return uri


def matches(listed: str, given: str) -> bool:
    """Return whether a listed URI is the given one, or matches it by its wildcard or as loopback address."""
    return listed == given or (len(given) <= MAX_LENGTH and _pattern(listed).fullmatch(given) is not None)


def is_loopback_uri(given: str) -> bool:
    """Return whether a URI leads to a port of the browser's own machine, by plain HTTP.

    Environments that are not for production accept those that are not listed.
    """
    return len(given) <= MAX_LENGTH and _ANY_LOOPBACK.fullmatch(given) is not None and not _answers(given)


def with_answer(uri: str, pairs: str) -> str:
    """Return a redirect URI with more of a query; `pairs` is encoded. A query that it has is kept."""
    if uri.endswith(("?", "&")):
        return uri + pairs
    return f"{uri}{'&' if '?' in uri else '?'}{pairs}"


@functools.lru_cache(maxsize=1024)
def _pattern(listed: str) -> re.Pattern[str]:
    """Compile a listed URI; one that has no wildcard and is no loopback address matches itself alone."""
    found = _LOOPBACK_IP.fullmatch(listed) or _LOOPBACK_PORTS.fullmatch(listed)
    if found is not None:
        origin, rest = found.groups()
        return re.compile(f"{re.escape(origin)}(?:{_PORT})?{re.escape(rest)}")
    before, star, after = listed.partition(WILDCARD)
    return re.compile(re.escape(before) + ("[A-Za-z0-9_-]+" if star else "") + re.escape(after))


def _problem(uri: str, *, production: bool) -> str | None:
    if not 0 < len(uri) <= MAX_LENGTH:
        return f"required, with at most {MAX_LENGTH} characters."
    if uri.count(WILDCARD) > 1 or not _WRITTEN.fullmatch(uri.replace(WILDCARD, "")):
        return "an absolute URL without fragment, with at most one *; encode all other characters."
    if _answers(uri):
        return f"must not have {', '.join(sorted(_ANSWERED))} in its query: the answer adds them."
    if _LOOPBACK_PORTS.fullmatch(uri):
        return _loopback_problem(uri, production=production)
    try:
        parts = urlsplit(uri)
        return _problem_of_parts(uri, parts, parts.port, production=production)
    except ValueError:
        return "not a URL: its host or port is malformed."


def _problem_of_parts(uri: str, parts: SplitResult, port: int | None, *, production: bool) -> str | None:
    if parts.scheme not in {"http", "https"}:
        if _OWN_SCHEME.fullmatch(uri) and WILDCARD not in uri:
            return None
        return "https, http, or an app's own scheme with a dot, such as org.example.app:/callback."
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    if "@" in parts.netloc or not _HOST.fullmatch(host) or not uri.startswith(f"{parts.scheme}://"):
        return "must name a host, without user name and password."
    if WILDCARD in uri:
        return _wildcard_problem(uri, host, https=parts.scheme == "https", production=production)
    if parts.scheme == "http":
        return _loopback_problem(uri, production=production)
    return None


def _loopback_problem(uri: str, *, production: bool) -> str | None:
    """Return why plain HTTP is not possible; RFC 8252 section 8.3 has why not `localhost`."""
    if production and not uri.startswith(
        ("http://127.0.0.1:", "http://127.0.0.1/", "http://[::1]:", "http://[::1]/")
    ):
        return "https in production, or http://127.0.0.1 with any port for native apps."
    return None


def _wildcard_problem(uri: str, host: str, *, https: bool, production: bool) -> str | None:
    label, _, parent = host.partition(".")
    if WILDCARD not in label or uri.replace(host, "", 1).count(WILDCARD):
        return "a * stands for a part of the leftmost name of the host, or for the port of loopback."
    if not https and production:
        return "a * only with https in production."
    if "." not in parent or parent.lower() in PUBLIC_SUFFIXES:
        return "no * directly under a domain where strangers get names."
    return None


def _answers(uri: str) -> bool:
    query = uri.partition("?")[2]
    return any(name in _ANSWERED for name, _ in parse_qsl(query, keep_blank_values=True))
