"""Idempotency keys: a repeated request has no second effect and gets the first response (decision 0008).

The first response is stored, sealed, in the transaction of its change. A request that changed nothing stores
nothing, so it can run again.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Final, TypeVar, cast

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.http import error_responses, stored_responses
from authfactor.http.response import Response
from authfactor.models import Enrollment, IdempotencyClaim
from authfactor.store import Tx, Unit

T = TypeVar("T")
MAX_KEY_LENGTH: Final = 255
# The Kotlin and Java SDKs (from version 5) derive the key from the request: identical calls share one key.
_DERIVED: Final = re.compile(r"retry-[0-9a-f]{64}")
DERIVED_TTL: Final = 10
# Only the holder of the API key could search for a collision, and would find their own responses.
_HASH_BYTES: Final = 16
_TOO_MANY_OR_UNAUTHORIZED: Final = (401, 429)
_SERVER_ERROR: Final = 500


def claim_of(
    *, environment: int, key_id: str, key: str, target: str, body: bytes, now: int, ttl: int
) -> IdempotencyClaim:
    """Build the claim of a key, which is scoped to API key and `target` (method and path), and to the body.

    `now` in milliseconds, `ttl` in seconds. Raises `InvalidRequest` for an overlong key.
    """
    if len(key) > MAX_KEY_LENGTH:
        raise errors.InvalidRequest(
            errors.Item(
                "Idempotency-Key", "idempotency_key_invalid", f"Use at most {MAX_KEY_LENGTH} characters."
            )
        )
    seconds = DERIVED_TTL if _DERIVED.fullmatch(key) else ttl
    scope = hashlib.sha256(f"{key_id}\0{target}\0{key}".encode()).digest()[:_HASH_BYTES]
    return IdempotencyClaim(
        environment, scope, hashlib.sha256(body).digest()[:_HASH_BYTES], now + seconds * 1000
    )


async def run_once(
    af: Authfactor,
    claim: IdempotencyClaim,
    unit: Unit[T],
    render: Callable[[T], Response],
    before_replay: Callable[[Response], Unit[None]] | None = None,
) -> Response:
    """Run a unit that writes, unless an identical request with this key has run: then return its response.

    Raises the unit's errors that do not commit, and `IdempotencyKeyReused` if the key was used with another
    body. An error that commits is stored and returned like any other response. `before_replay` returns a unit
    that runs before a stored response is returned, in its transaction, and may raise instead.
    """
    outcome = await af.store.write(_run_once(claim, unit, render, af.vault, af.clock(), before_replay))
    return outcome if isinstance(outcome, Response) else render(cast("T", outcome))


def _run_once(
    claimed: IdempotencyClaim,
    unit: Unit[T],
    render: Callable[[T], Response],
    vault: Vault,
    now: int,
    before_replay: Callable[[Response], Unit[None]] | None,
) -> Unit[object]:
    """Wrap a unit so that its response is stored with its change.

    The wrapped unit returns a response, or an enrollment to be rendered once its QR code is drawn.
    """
    location = SealedLocation("idempotency", "answer", claimed.environment, claimed.key.hex())

    async def run(tx: Tx) -> object:
        earlier = await tx.idempotency.claim(claimed, now)
        # A claim without a response belongs to a request that changed nothing.
        if earlier is not None and earlier.answer is not None:
            if earlier.body_hash != claimed.body_hash:
                raise errors.IdempotencyKeyReused
            stored = stored_responses.decode(vault.unseal(earlier.answer, location))
            if before_replay is not None and isinstance(stored, Response):
                await before_replay(stored)(tx)
            return stored
        outcome: Response | Enrollment
        try:
            result = await unit(tx)
        except errors.AuthfactorError as error:
            if not error.commits:
                raise
            outcome = error_responses.render(error)
        else:
            outcome = result if isinstance(result, Enrollment) else render(result)
        if isinstance(outcome, Enrollment) or _worth_keeping(outcome.status):
            await tx.idempotency.store_response(
                claimed, vault.seal(stored_responses.encode(outcome), location)
            )
        return outcome

    return run


def _worth_keeping(status: int) -> bool:
    return status < _SERVER_ERROR and status not in _TOO_MANY_OR_UNAUTHORIZED
