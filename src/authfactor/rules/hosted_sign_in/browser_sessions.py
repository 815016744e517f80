"""Hosted sessions: a browser that has signed in need not again, for one environment (decision 0051).

Its cookie holds a secret that changes whenever its user is authenticated, so that one planted before the
sign-in is of no use. It ends with any session that was made from it, and with all of its user's.
"""

from typing import NamedTuple

import msgspec

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Entropy
from authfactor.models.hosted_sign_in import AuthenticationProof, BrowserSession
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.unit import Scope
from authfactor.settings import Settings


class RenewedBrowserSession(NamedTuple):
    """A hosted session, the new secret for its cookie, and whether it was this browser's before."""

    session: BrowserSession
    secret: str
    continued: bool


class BrowserSessions:
    """Finds, makes and renews hosted sessions."""

    def __init__(self, entropy: Entropy, new_id: IdGenerator, settings: Settings) -> None:
        """Keep the collaborators."""
        self._entropy = entropy
        self._new_id = new_id
        self._settings = settings

    async def find(self, scope: Scope, secret: str | None) -> BrowserSession | None:
        """Return the session of a cookie if it is alive."""
        if not secret:
            return None
        found = await scope.tx.browser_sessions.by_secret(scope.number, token_hash(secret))
        return found if found is not None and self.is_alive(found, scope.now) else None

    async def by_id(self, scope: Scope, session_id: str | None) -> BrowserSession | None:
        """Return a session if it is alive."""
        if session_id is None:
            return None
        found = await scope.tx.browser_sessions.by_id(scope.number, session_id)
        return found if found is not None and self.is_alive(found, scope.now) else None

    def is_alive(self, session: BrowserSession, now: int) -> bool:
        """Return whether it has neither ended nor expired nor was unused for too long."""
        idle_since = session_state.idle_since(self._settings, now)
        return session.ended_at is None and session.expires_at > now and session.last_active_at > idle_since

    async def authenticated(
        self, scope: Scope, known: BrowserSession | None, proof: AuthenticationProof
    ) -> RenewedBrowserSession:
        """Renew the browser's session, or make one in its place if it is another user's or there is none."""
        secret, now, number = random_token(self._entropy), scope.now, scope.number
        hashed, sessions = token_hash(secret), scope.tx.browser_sessions
        if known is not None and await sessions.renew(number, known.id, now, hashed, proof):
            renewed = msgspec.structs.replace(known, proof=proof, last_active_at=now)
            return RenewedBrowserSession(renewed, secret, continued=True)
        if known is not None:
            await sessions.end(number, known.id, now)
        expires_at = now + self._settings.session_life * 1000
        made = BrowserSession(self._new_id(ids.BROWSER_SESSION), proof, None, now, now, expires_at)
        await sessions.insert(number, hashed, made)
        return RenewedBrowserSession(made, secret, continued=False)
