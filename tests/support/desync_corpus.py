"""Requests whose end two HTTP implementations may find in different places, each with another request inside.

If a proxy and the server disagree about the end, the server takes the inner request for one that the proxy
has let through. Sources: RFC 9112 sections 5, 6, 7 and 11, and published attacks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

TARGET: Final = b"/user_management/users"
HOST: Final = b"host: x\r\n"
LENGTH: Final = b"content-length: %d\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

# Makes an attack from the outer request's credentials and the request inside.
Make = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Attack:
    """`refused`: the server must not accept the request at all; otherwise only one reading of it is right."""

    make: Make
    refused: bool


def attacks() -> Mapping[str, Attack]:
    """Return the whole corpus, by name."""
    return {
        **{f"coding {name}": _with_coding(line) for name, line in _CODINGS.items()},
        **{f"length {name}": _with_length(lines) for name, lines in _LENGTHS.items()},
        **{f"chunks {name}": _with_chunks(body) for name, body in _CHUNKS.items()},
        **{f"head {name}": _with_head(head) for name, head in _HEADS.items()},
        **{f"valid {name}": _valid(head) for name, head in _VALID.items()},
        "chunked and a length": Attack(_chunked_and_length, refused=True),
        "zeros before a chunk's size": Attack(_long_chunk_size, refused=False),
        "body that does not end": Attack(_endless, refused=False),
    }


# Spellings of `Transfer-Encoding: chunked` that some take for it and others do not, beside a Content-Length.
_CODINGS: Final = {
    "plain": b"Transfer-Encoding: chunked",
    "upper case": b"TRANSFER-ENCODING: CHUNKED",
    "space before the colon": b"Transfer-Encoding : chunked",
    "tab before the colon": b"Transfer-Encoding\t: chunked",
    "line break before the colon": b"Transfer-Encoding\r\n: chunked",
    "vertical tab": b"Transfer-Encoding:\x0bchunked",
    "form feed": b"Transfer-Encoding: chunked\x0c",
    "NUL": b"Transfer-Encoding: chunked\0",
    "NUL in the name": b"Transfer-Encoding\0: chunked",
    "quoted": b'Transfer-Encoding: "chunked"',
    "parameter": b"Transfer-Encoding: chunked;q=1",
    "another word": b"Transfer-Encoding: xchunked",
    "non-ASCII letter": b"Transfer-Encoding: ch\xc5\xbfunked",
    "identity": b"Transfer-Encoding: identity",
    "empty": b"Transfer-Encoding:",
    "not last": b"Transfer-Encoding: chunked, identity",
    "after identity": b"Transfer-Encoding: identity, chunked",
    "after a comma": b"Transfer-Encoding: , chunked",
    "twice in a list": b"Transfer-Encoding: chunked, chunked",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "then another": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "after another": b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    "folded value": b"Transfer-Encoding:\r\n chunked",
    "folded into a field": b"X: y\r\n Transfer-Encoding: chunked",
    "after a bare LF": b"X: y\nTransfer-Encoding: chunked",
    "after a bare CR": b"X: y\rTransfer-Encoding: chunked",
}

# Lengths that some read as N, and others as something else or as no length.
_LENGTHS: Final = {
    "zero, then N": b"content-length: 0\r\ncontent-length: N",
    "N, then zero": b"content-length: N\r\ncontent-length: 0",
    "twice": b"content-length: N\r\ncontent-length: N",
    "list": b"content-length: N, N",
    "list with zero": b"content-length: 0, N",
    "plus": b"content-length: +N",
    "minus": b"content-length: -N",
    "hexadecimal": b"content-length: 0xN",
    "fraction": b"content-length: N.0",
    "underscore": b"content-length: 0_N",
    "two numbers": b"content-length: 0 N",
    "quoted": b'content-length: "N"',
    "empty": b"content-length: ",
    "beyond 64 bits": b"content-length: 18446744073709551616",
    "vertical tab": b"content-length: N\x0b",
    "NUL": b"content-length: N\0",
    "space before the colon": b"content-length : N",
    "NUL in the name": b"content-length\0: N",
    "folded": b"content-length:\r\n N",
    "after a bare LF": b"x: y\ncontent-length: N",
    "after a bare CR": b"x: y\rcontent-length: N",
}

# Chunked bodies after which, or in which, I is the request inside.
_CHUNKS: Final = {
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\nI",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\nI",
    "bare LF after an extension": b"5;x\nhello\r\n0\r\n\r\nI",
    "bare CR in an extension": b"5;x\ry\r\nhello\r\n0\r\n\r\nI",
    "NUL in an extension": b"5;\0\r\nhello\r\n0\r\n\r\nI",
    "line break in a quoted extension": b'5;x="\r\n"\r\nhello\r\n0\r\n\r\nI',
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\nI",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\nI",
    "prefixed size": b"0x5\r\nhello\r\n0\r\n\r\nI",
    "plus": b"+5\r\nhello\r\n0\r\n\r\nI",
    "minus": b"-5\r\nhello\r\n0\r\n\r\nI",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\nI",
    "size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\nI",
    "no size": b"\r\nhello\r\n0\r\n\r\nI",
    "no digit": b"g\r\nhello\r\n0\r\n\r\nI",
    "no line break after the data": b"5\r\nhello0\r\n\r\nI",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\nI",
    "two bytes for the line break": b"5\r\nhelloXX0\r\n\r\nI",
    "data longer than the size": b"3\r\nhello\r\n0\r\n\r\nI",
    "bare LFs at the end": b"5\r\nhello\r\n0\n\nI",
    "bare LF for the last line": b"5\r\nhello\r\n0\r\n\nI",
    "bare CR for the last line": b"5\r\nhello\r\n0\r\n\rI",
    "no last line": b"5\r\nhello\r\n0\r\nI",
    "length in the trailers": b"5\r\nhello\r\n0\r\ncontent-length: 5\r\n\r\nI",
    "bare LF in the trailers": b"5\r\nhello\r\n0\r\nx: y\n\r\nI",
    "bare CR in the trailers": b"5\r\nhello\r\n0\r\nx: y\rz\r\n\r\nI",
    "folded trailer": b"5\r\nhello\r\n0\r\nx: y\r\n z\r\n\r\nI",
}

# Heads that are not HTTP/1.1; N is the length of the request inside.
_HEADS: Final = {
    "without version": b"GET /healthz\r\n",
    "of HTTP/0.9": b"GET /healthz HTTP/0.9\r\nhost: x\r\ncontent-length: N\r\n",
    "of HTTP/1.10": b"GET /healthz HTTP/1.10\r\nhost: x\r\ncontent-length: N\r\n",
    "of HTTP/2.0": b"GET /healthz HTTP/2.0\r\nhost: x\r\ncontent-length: N\r\n",
    "of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    "in lower case": b"GET /healthz http/1.1\r\nhost: x\r\ncontent-length: N\r\n",
    "of HTTP/1.0, chunked": b"POST /healthz HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n",
    "with a space in the target": b"GET /a b HTTP/1.1\r\nhost: x\r\ncontent-length: N\r\n",
    "with a tab": b"GET\t/healthz HTTP/1.1\r\nhost: x\r\ncontent-length: N\r\n",
    "with a space after the version": b"GET /healthz HTTP/1.1 \r\nhost: x\r\ncontent-length: N\r\n",
    "with a bare LF": b"GET /healthz HTTP/1.1\nhost: x\r\ncontent-length: N\r\n",
    "of CONNECT": b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\ncontent-length: N\r\n",
    "without host": b"GET /healthz HTTP/1.1\r\ncontent-length: N\r\n",
    "with two hosts": b"GET /healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\ncontent-length: N\r\n",
    "with an invalid host": b"GET /healthz HTTP/1.1\r\nhost: x/y\r\ncontent-length: N\r\n",
    "with a line without colon": b"GET /healthz HTTP/1.1\r\nhost: x\r\nabc\r\ncontent-length: N\r\n",
    "with an empty name": b"GET /healthz HTTP/1.1\r\nhost: x\r\n: abc\r\ncontent-length: N\r\n",
    "with a space in a name": b"GET /healthz HTTP/1.1\r\nhost: x\r\na b: c\r\ncontent-length: N\r\n",
    "with a space before the first name": b"GET /healthz HTTP/1.1\r\n host: x\r\ncontent-length: N\r\n",
    "with a folded value": b"GET /healthz HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\ncontent-length: N\r\n",
    "of an upgrade, chunked": (
        b"POST /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
        b"transfer-encoding: chunked\r\n"
    ),
}

# Requests that are allowed to have a body of N bytes, although some implementations do not expect one.
_VALID: Final = {
    "GET": b"GET /user_management/users HTTP/1.1\r\n",
    "GET of a public page": b"GET /healthz HTTP/1.1\r\n",
    "HEAD": b"HEAD /healthz HTTP/1.1\r\n",
    "DELETE": b"DELETE /user_management/users/x HTTP/1.1\r\n",
    "OPTIONS": b"OPTIONS /healthz HTTP/1.1\r\n",
    "unknown route": b"POST /nowhere HTTP/1.1\r\n",
    "HTTP/1.0": b"POST /user_management/users HTTP/1.0\r\nconnection: keep-alive\r\n",
    "absolute target": b"GET http://y/healthz HTTP/1.1\r\n",
    "empty lines before": b"\r\n\r\nPOST /user_management/users HTTP/1.1\r\n",
    "100-continue": b"POST /user_management/users HTTP/1.1\r\nexpect: 100-continue\r\n",
    "100-continue on GET": b"GET /user_management/users HTTP/1.1\r\nexpect: 100-continue\r\n",
    "unknown expectation": b"GET /user_management/users HTTP/1.1\r\nexpect: y 100-continue\r\n",
    "upgrade": b"GET /healthz HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n",
    "upgrade to a web socket": b"POST /healthz HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    "length named as a hop's": b"POST /user_management/users HTTP/1.1\r\nconnection: content-length\r\n",
    "coding named as a hop's": b"POST /healthz HTTP/1.1\r\nconnection: transfer-encoding, host\r\n",
    "underscore": b"POST /user_management/users HTTP/1.1\r\ntransfer_encoding: chunked\r\n",
    "zeros before the length": b"POST /user_management/users HTTP/1.1\r\nx-next: content-length\r\n",
}


def _post(credentials: bytes, fields: bytes, body: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\n" % TARGET + HOST + credentials + fields + b"\r\n" + body


def _with_coding(line: bytes) -> Attack:
    def make(credentials: bytes, inner: bytes) -> bytes:
        body = LAST_CHUNK + inner
        return _post(credentials, LENGTH % len(body) + line + b"\r\n", body)

    return Attack(make, refused=True)


def _with_length(lines: bytes) -> Attack:
    def make(credentials: bytes, inner: bytes) -> bytes:
        # Field names are in lower case, so that only the length contains the letter.
        return _post(credentials, lines.replace(b"N", b"%d" % len(inner)) + b"\r\n", inner)

    return Attack(make, refused=True)


def _with_chunks(body: bytes) -> Attack:
    def make(credentials: bytes, inner: bytes) -> bytes:
        return _post(credentials, CHUNKED, body.replace(b"I", inner))

    return Attack(make, refused=True)


def _with_head(head: bytes) -> Attack:
    def make(credentials: bytes, inner: bytes) -> bytes:
        sized = head.replace(b": N", b": %d" % len(inner))
        body = LAST_CHUNK + inner if b"chunked" in head else inner
        return sized + (credentials if b"host" in head else b"") + b"\r\n" + body

    return Attack(make, refused=True)


def _valid(head: bytes) -> Attack:
    def make(credentials: bytes, inner: bytes) -> bytes:
        length = b"content-length: 000%d\r\n" if b"x-next" in head else LENGTH
        return head + HOST + credentials + length % len(inner) + b"\r\n" + inner

    return Attack(make, refused=False)


def _chunked_and_length(credentials: bytes, inner: bytes) -> bytes:
    """Chunked, and a length that ends before the request inside."""
    return _post(credentials, CHUNKED + LENGTH % len(LAST_CHUNK), LAST_CHUNK + inner)


def _long_chunk_size(credentials: bytes, inner: bytes) -> bytes:
    return _post(credentials, CHUNKED, b"%020x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner))


def _endless(credentials: bytes, inner: bytes) -> bytes:
    return _post(credentials, LENGTH % (len(inner) + 1), inner)
