"""Static files with a hash in their URL, so that browsers may cache them for a year."""

import functools
import gzip
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/assets/"
VENDORED: Final = FOLDER / "vendor" / "vendored.toml"
_HASH_LENGTH: Final = 12
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_ONE_DAY: Final = b"public, max-age=86400"
_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
}


class Asset(NamedTuple):
    """A static file with its URL, plain and gzipped."""

    url: str
    content_type: bytes
    plain: bytes
    compressed: bytes


@functools.cache
def files() -> dict[str, Asset]:
    """Read all static files, keyed by their name without hash (`authfactor.css`, `htmx.min.js`)."""
    assets = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
            url = f"{PREFIX}{path.stem}.{digest}{path.suffix}"
            # No timestamp in the gzip header, so that the output is reproducible.
            assets[path.name] = Asset(url, _TYPES[path.suffix], content, gzip.compress(content, 9, mtime=0))
    return assets


def url(name: str) -> str:
    """Return the URL path of a static file. Raises `KeyError` if it does not exist."""
    return files()[name].url


def vendored() -> dict[str, dict[str, str]]:
    """Read the manifest of third-party files: source, version, hash and license."""
    import tomllib  # noqa: PLC0415 - keep start-up fast

    return tomllib.loads(VENDORED.read_text(encoding="utf-8"))


async def serve(request: Request) -> Response:
    """Send a static file. Raises `RouteNotFound`."""
    stem, _, rest = request.ids[0].rpartition(".")
    asset = files().get(f"{stem.rpartition('.')[0]}.{rest}")
    if asset is None:
        raise errors.RouteNotFound("Not Found")
    # In a rolling upgrade a page of the other release requests its own version: send ours, uncached.
    return _send(request, asset, _IMMUTABLE if asset.url == request.path else b"no-cache")


async def serve_icon(request: Request) -> Response:
    """Send the icon, at the path that browsers request where no page names one."""
    return _send(request, files()["icon.svg"], _ONE_DAY)


def _send(request: Request, asset: Asset, cache_control: bytes) -> Response:
    headers = (
        (b"content-type", asset.content_type),
        (b"cache-control", cache_control),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    if b"gzip" in request.headers.get(b"accept-encoding", b""):
        return Response(request.status, asset.compressed, (*headers, (b"content-encoding", b"gzip")))
    return Response(request.status, asset.plain, headers)
