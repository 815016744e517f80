"""The answer to a second step, given once more to the same request when it was lost (decision 0036).

It is stored, sealed, with the pending token that it spent, and is good for `REPEAT_TIME`. What must be the
same: API key, pending token, challenge and code. Any other code or challenge ends it.
"""

import hashlib
import hmac

import msgspec

from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.models import NextDeviceToken, Record, SignedIn, UserRecord
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.factors.challenges import REPEAT_TIME
from authfactor.rules.unit import Scope
from authfactor.wire.requests import Authenticate, without_nul


class SealedSignIn(Record, frozen=True, gc=False, array_like=True):
    """The answer as it is sealed: a digest of the request, the session and its first tokens.

    `trusted_device`: the next token of the device that replaced the second factor.
    """

    request: bytes
    session_id: str
    access_token: str
    refresh_token: str
    trusted_device: NextDeviceToken | None = None
    auth_method: str = "password"


class RepeatedSignIns:
    """Stores the answers to second steps and finds them again."""

    def __init__(self, vault: Vault, sessions: Sessions) -> None:
        """Keep the collaborators."""
        self._vault = vault
        self._sessions = sessions

    def seal(
        self,
        environment: int,
        token_hash: bytes,
        request: Authenticate,
        prepared: PreparedSession,
        trusted_device: NextDeviceToken | None = None,
    ) -> str:
        """Return the answer to a request that has spent its pending token, sealed for the token's row."""
        session = prepared.session
        stored = SealedSignIn(
            _digest(request), session.id, *prepared.tokens, trusted_device, session.auth_method
        )
        return self._vault.seal(msgspec.msgpack.encode(stored), _row(environment, token_hash))

    async def find(
        self, scope: Scope, user: UserRecord, token_hash: bytes, request: Authenticate
    ) -> SignedIn | None:
        """Return the answer of a token spent moments ago if this is the same request, else None.

        The caller holds the lock on `user`, so another code is compared once: then the answer is deleted.
        """
        number, now, pending_sign_ins = scope.number, scope.now, scope.tx.pending_sign_ins
        if not _typed(request):
            return None
        sealed = await pending_sign_ins.answer(number, token_hash, now - REPEAT_TIME, now + REPEAT_TIME)
        if sealed is None:
            return None
        stored = msgspec.msgpack.decode(
            self._vault.unseal(sealed, _row(number, token_hash)), type=SealedSignIn
        )
        if not hmac.compare_digest(stored.request, _digest(request)):
            await pending_sign_ins.forget_answer(number, token_hash)
            return None
        if not await self._sessions.is_unused(scope, user, stored.session_id, stored.refresh_token):
            return None
        return SignedIn(
            user,
            stored.access_token,
            stored.refresh_token,
            repeated=True,
            trusted_device=stored.trusted_device,
            auth_method=stored.auth_method,
        )


def _digest(request: Authenticate) -> bytes:
    """Return a digest of what a repeated request must have in common with the first, besides the token."""
    challenge_id = without_nul(request.authentication_challenge_id or "")
    parts = request.client_secret or "", challenge_id, _typed(request)
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _typed(request: Authenticate) -> str:
    """Return the code without what people type around it; empty for what can be none."""
    from authfactor.otp.recovery_code import read_code  # noqa: PLC0415 - not needed at a start

    typed = read_code(request.code or "")
    return "" if typed is None else typed.text


def _row(environment: int, token_hash: bytes) -> SealedLocation:
    return SealedLocation("pending_sign_ins", "answer", environment, token_hash.hex())
