"""One request, one effect, however often an SDK sends it (decision 0008).

The first answer is kept, sealed, in the transaction of its change, and given again to an identical
request. An answer that changed nothing is not kept: asking again gives it again.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from authfactor import errors, qr
from authfactor.models import Answer, Claim
from authfactor.store import Tx, Unit
from authfactor.vault import Row, Vault

T = TypeVar("T")
MAX_KEY: Final = 255
# kotlin and java from 5 on derive the key from the request itself, so every identical call has the same one.
_DERIVED: Final = re.compile(r"retry-[0-9a-f]{64}")
DERIVED_LIFE: Final = 10
# Only who holds the API key can look for two requests with one hash, and would find his own answers.
_HASH_BYTES: Final = 16
_PICTURE: Final = b'"qr_code":"data:image/png;base64,'
_NO_PICTURE: Final = b'"qr_code":""'
# A URI of ours is ASCII without a quote or a backslash, so its JSON is itself.
_OMITTED: Final = re.compile(rb'"qr_code":"","uri":"([^"\\]*)"')


def claim(*, environment: int, key_id: str, key: str, target: str, body: bytes, now: int, life: int) -> Claim:
    """Describe what a key covers: API key, method and path (`target`), and body.

    `now` in milliseconds, `life` in seconds. Raises `InvalidRequest` for an overlong key.
    """
    if len(key) > MAX_KEY:
        raise errors.InvalidRequest(
            errors.Item("Idempotency-Key", "idempotency_key_invalid", f"Use at most {MAX_KEY} characters.")
        )
    seconds = DERIVED_LIFE if _DERIVED.fullmatch(key) else life
    scope = hashlib.sha256(f"{key_id}\0{target}\0{key}".encode()).digest()[:_HASH_BYTES]
    return Claim(environment, scope, hashlib.sha256(body).digest()[:_HASH_BYTES], now + seconds * 1000)


def once(
    claimed: Claim,
    unit: Unit[T],
    render: Callable[[T], Answer],
    vault: Vault,
    now: int,
) -> Unit[Answer]:
    """Wrap a unit so that its answer is kept with its change, or given again without it.

    The unit raises `IdempotencyKeyReused` when the key came with another body before.
    """
    where = Row("idempotency", "answer", claimed.environment, claimed.key.hex())

    async def run(tx: Tx) -> Answer:
        kept = await tx.idempotency.claim(claimed, now)
        # Without an answer a claim binds nobody: its request changed nothing.
        if kept is not None and kept.answer is not None:
            if kept.body_hash != claimed.body_hash:
                raise errors.IdempotencyKeyReused
            answer = msgspec.msgpack.decode(vault.open(kept.answer, where), type=Answer)
            return msgspec.structs.replace(answer, body=_redrawn(answer.body))
        answer = render(await unit(tx))
        if _worth_keeping(answer.status):
            slim = msgspec.structs.replace(answer, body=_without_pictures(answer.body))
            await tx.idempotency.keep(claimed, vault.seal(msgspec.msgpack.encode(slim), where))
        return answer

    return run


def _without_pictures(body: bytes) -> bytes:
    """Leave pictures out, whose texts end with the next quote: base64 has none."""
    parts: list[bytes] = []
    at = 0
    while (start := body.find(_PICTURE, at)) >= 0:
        parts += (body[at:start], _NO_PICTURE)
        at = body.index(b'"', start + len(_PICTURE)) + 1
    return b"".join((*parts, body[at:])) if parts else body


def _redrawn(body: bytes) -> bytes:
    """Put pictures back: they are three quarters of an enrolment's answer and follow from its URI."""
    return _OMITTED.sub(lambda found: _drawn(found[1].decode()), body)


def _drawn(uri: str) -> bytes:
    return f'"qr_code":"{qr.png_data_uri(uri)}","uri":"{uri}"'.encode()


def _worth_keeping(status: int) -> bool:
    return status < 500 and status not in (401, 429)  # noqa: PLR2004 - HTTP's own numbers
