"""One request, one effect, however often an SDK sends it (decision 0008).

The first answer is kept, sealed, in the transaction of its change, and given again to an identical
request. An answer that changed nothing is not kept: asking again gives it again.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.http.response import Response
from authfactor.models import Enrollment, IdempotencyClaim
from authfactor.otp import qr
from authfactor.store import Tx, Unit
from authfactor.wire import responses

T = TypeVar("T")
MAX_KEY: Final = 255
# kotlin and java from 5 on derive the key from the request itself, so every identical call has the same one.
_DERIVED: Final = re.compile(r"retry-[0-9a-f]{64}")
DERIVED_LIFE: Final = 10
# Only who holds the API key can look for two requests with one hash, and would find his own answers.
_HASH_BYTES: Final = 16
# A URI of ours is ASCII without a quote or a backslash, so its JSON is itself.
_OMITTED: Final = re.compile(rb'"qr_code":"","uri":"([^"\\]*)"')


def claim_of(
    *, environment: int, key_id: str, key: str, target: str, body: bytes, now: int, life: int
) -> IdempotencyClaim:
    """Describe what a key covers: API key, method and path (`target`), and body.

    `now` in milliseconds, `life` in seconds. Raises `InvalidRequest` for an overlong key.
    """
    if len(key) > MAX_KEY:
        raise errors.InvalidRequest(
            errors.Item("Idempotency-Key", "idempotency_key_invalid", f"Use at most {MAX_KEY} characters.")
        )
    seconds = DERIVED_LIFE if _DERIVED.fullmatch(key) else life
    scope = hashlib.sha256(f"{key_id}\0{target}\0{key}".encode()).digest()[:_HASH_BYTES]
    return IdempotencyClaim(
        environment, scope, hashlib.sha256(body).digest()[:_HASH_BYTES], now + seconds * 1000
    )


class StoredResponse(Response, frozen=True, gc=False):
    """An answer as it is kept: without its picture, three quarters of it, which follows from its URI.

    `pictured`: a picture was left out; `halved`: what an enrolment says again was left out as well.
    """

    pictured: bool = True
    halved: bool = False


class StoredOrNewResponse(NamedTuple):
    """An answer that is durable, and the picture that belongs into it when it was made just now."""

    kept: StoredResponse
    picture: Callable[[], str] | None = None

    def answer(self) -> Response:
        """Return the answer whole."""
        return Response(self.kept.status, self._body(), self.kept.headers)

    def _body(self) -> bytes:
        body = self.kept.body
        if self.kept.pictured and (omitted := _OMITTED.search(body)):
            uri = omitted[1].decode()
            drawn = qr.png_data_uri(uri) if self.picture is None else self.picture()
            body = body.replace(omitted[0], f'"qr_code":"{drawn}","uri":"{uri}"'.encode())
        return responses.doubled(body) if self.kept.halved else body


async def run_once(
    af: Authfactor, claim: IdempotencyClaim, unit: Unit[T], render: Callable[[T], Response]
) -> Response:
    """Run a unit that writes, unless an identical request with this key has run: then give its answer."""
    return (await af.store.write(once(claim, unit, render, af.vault, af.clock()))).answer()


def once(
    claimed: IdempotencyClaim,
    unit: Unit[T],
    render: Callable[[T], Response],
    vault: Vault,
    now: int,
) -> Unit[StoredOrNewResponse]:
    """Wrap a unit so that its answer is kept with its change, or given again without it.

    The unit raises `IdempotencyKeyReused` when the key came with another body before.
    """
    where = SealedLocation("idempotency", "answer", claimed.environment, claimed.key.hex())

    async def run(tx: Tx) -> StoredOrNewResponse:
        kept = await tx.idempotency.claim(claimed, now)
        # Without an answer a claim binds nobody: its request changed nothing.
        if kept is not None and kept.answer is not None:
            if kept.body_hash != claimed.body_hash:
                raise errors.IdempotencyKeyReused
            return StoredOrNewResponse(
                msgspec.msgpack.decode(vault.unseal(kept.answer, where), type=StoredResponse)
            )
        result = await unit(tx)
        if isinstance(result, Enrollment):
            outcome = StoredOrNewResponse(_slim(render(_without_picture(result))), result.picture)
        else:
            answer = render(result)
            outcome = StoredOrNewResponse(
                StoredResponse(answer.status, answer.body, answer.headers, pictured=False)
            )
        if _worth_keeping(outcome.kept.status):
            await tx.idempotency.keep(claimed, vault.seal(msgspec.msgpack.encode(outcome.kept), where))
        return outcome

    return run


def _without_picture(enrollment: T) -> T:
    return msgspec.structs.replace(enrollment, picture=lambda: "")  # type: ignore[type-var]  # T is an Enrollment here


def _slim(answer: Response) -> StoredResponse:
    half = responses.halved(answer.body)
    return StoredResponse(
        answer.status, half or answer.body, answer.headers, pictured=True, halved=half is not None
    )


def _worth_keeping(status: int) -> bool:
    return status < 500 and status not in (401, 429)  # noqa: PLR2004 - HTTP's own numbers
