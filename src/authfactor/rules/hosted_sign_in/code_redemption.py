"""The grant `authorization_code`: one use, by the client it was made for, with its verifier (RFC 7636).

A second use is refused. If it also has a wrong verifier or comes from another client, the code is in the
wrong hands, and the session that was made of it ends (RFC 6749 section 4.1.2, RFC 9700 section 2.1.1).
"""

import base64
import hashlib
import hmac
import re
from typing import Final

from authfactor import errors
from authfactor.models import Clock, Environment, SignedIn
from authfactor.models.hosted_sign_in import AuthorizationCode
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.sessions import Sessions
from authfactor.rules.hosted_sign_in.proven_sessions import (
    PreparedSource,
    ProofVoid,
    ProvenSessions,
    SessionSource,
)
from authfactor.rules.unit import Scope, unit
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate, without_nul

# RFC 7636 section 4.1.
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
MAX_SHOWN: Final = 128
_NO_CHALLENGE: Final = (
    "The code was requested without a code_challenge. Leave code_verifier out and send the client_secret."
)


class CodeRedemption:
    """Redeems authorization codes."""

    def __init__(self, clock: Clock, sessions: Sessions, proven: ProvenSessions) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._sessions = sessions
        self._proven = proven

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare to redeem a code; who the client is was decided before.

        The unit raises `OAuthRefused("invalid_grant")`, `SignInRefused` for a verifier without a challenge,
        `StepUpRequired`, and `Unavailable`.
        """
        hashed, now = token_hash(without_nul(request.code or "")), self._clock()
        code = await store.read(lambda tx: tx.authorization_codes.by_hash(hashed))
        if code is None:
            # Raised by a unit, so that a repeat of the request that used the code gets the stored response.
            return self._refuse(environment, _invalid_grant(request))
        if code.environment != environment.number:
            return self._refuse_stranger(environment, hashed, _invalid_grant(request))
        refusal = _verifier_refusal(code, request)
        if refusal is not None:
            return self._refuse_stranger(environment, hashed, refusal)
        if code.used_at is not None or code.expires_at <= now:
            return self._refuse(environment, _invalid_grant(request))
        source = SessionSource(
            code.proof,
            code.browser_session_id,
            "public" if request.client_secret is None else "confidential",
            request.ip_address or code.ip_address,
            request.user_agent or code.user_agent,
            code.continues_session_id,
        )
        ready = await self._proven.prepare(store, environment, source, now)
        return lambda tx: self._redeem(Scope(tx, environment, now), hashed, ready, request)

    async def _redeem(
        self, scope: Scope, hashed: bytes, ready: PreparedSource, request: Authenticate
    ) -> SignedIn:
        await scope.tx.users.lock(scope.number, ready.source.proof.user_id)
        session_id = ready.prepared.session.id
        if not await scope.tx.authorization_codes.use(scope.number, hashed, scope.now, session_id):
            raise _invalid_grant(request)
        try:
            return await self._proven.start(scope, ready)
        except ProofVoid:
            raise _invalid_grant(request) from None

    @unit
    async def _refuse(self, _: Scope, refusal: errors.SignInRefused) -> SignedIn:
        raise refusal

    @unit
    async def _refuse_stranger(self, scope: Scope, hashed: bytes, refusal: errors.SignInRefused) -> SignedIn:
        """Refuse another client, or a wrong verifier; end the session if the code was used before."""
        code = await scope.tx.authorization_codes.by_hash(hashed)
        if code is None or code.session_id is None:
            raise refusal
        owner = await scope.tx.environments.by_number(code.environment)
        if owner is None or not await self._sessions.end_replaced(scope.within(owner), code.session_id):
            raise refusal
        raise refusal.after_commit()


def _invalid_grant(request: Authenticate) -> errors.OAuthRefused:
    shown = (request.code or "")[:MAX_SHOWN]
    return errors.OAuthRefused("invalid_grant", f"The code '{shown}' has expired or is invalid.")


def _verifier_refusal(code: AuthorizationCode, request: Authenticate) -> errors.SignInRefused | None:
    """Return why a verifier is not that of the code's challenge, if it is not."""
    verifier, challenge = request.code_verifier, code.code_challenge
    if challenge is None:
        return None if verifier is None else errors.SignInRefused("code_challenge_not_found", _NO_CHALLENGE)
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        return _invalid_grant(request)
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return None if hmac.compare_digest(made, challenge.encode()) else _invalid_grant(request)
