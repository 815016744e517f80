"""Who may come in, and what every answer carries."""

from typing import Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models import Answer, Caller

# Sent with every answer. HSTS belongs to whoever terminates TLS.
SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"vary", b"origin, accept-encoding"),
]
NO_CONTENT: Final = 204
Headers = list[tuple[bytes, bytes]]
JSON_TYPE: Final = (b"content-type", b"application/json; charset=utf-8")


async def caller_of(af: Authfactor, headers: dict[bytes, bytes]) -> Caller:
    """Tell whose API key the request holds. Raises `Unauthorized`."""
    value = headers.get(b"authorization", b"")
    scheme, _, key = value.partition(b" ")
    if scheme.lower() != b"bearer" or not key:
        raise errors.Unauthorized
    return await af.environments.caller(af.store, key.strip().decode("latin-1"))


def answer_headers(request_id: str, answer: Answer, extra: Headers) -> Headers:
    """Headers of an answer; an empty one claims no content type (SDKs fail on empty JSON)."""
    if answer.headers:
        # An answer that brings headers of its own (a page, a static file) may say otherwise.
        own = {name for name, _ in answer.headers}
        usual = (*SECURITY_HEADERS, JSON_TYPE) if answer.body else SECURITY_HEADERS
        headers = [header for header in usual if header[0] not in own]
        headers += [*answer.headers, *extra, (b"x-request-id", request_id.encode())]
    else:
        headers = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode()), *extra]
        if answer.body:
            headers.append(JSON_TYPE)
    if answer.status != NO_CONTENT:  # RFC 9110 section 8.6: no length where there is no content
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return headers


class RequestIds:
    """Random UUIDs, version 4, from a block of entropy at a time."""

    def __init__(self, af: Authfactor) -> None:
        """Draw on the same entropy source as everything else."""
        self._entropy = af.entropy
        self._block = b""
        self._at = 0

    def __call__(self) -> str:
        """Make one (RFC 9562 section 5.4)."""
        if self._at >= len(self._block):
            self._block, self._at = self._entropy(4096), 0
        number = int.from_bytes(self._block[self._at : self._at + 16], "big")
        self._at += 16
        number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
