"""Authorization codes: made by a completed flow, redeemed once by `authenticate` (contract section 3.1)."""

from typing import Final
from urllib.parse import quote

from authfactor.models import Entropy
from authfactor.models.hosted_sign_in import (
    AuthenticationProof,
    AuthorizationCode,
    BrowserSession,
    FlowRequest,
)
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.hosted_sign_in.authorization_requests import AuthorizationRefusal
from authfactor.rules.hosted_sign_in.redirect_uri_rules import with_answer
from authfactor.rules.unit import Scope

LIFE_MS: Final = 600_000


class AuthorizationCodes:
    """Makes authorization codes."""

    def __init__(self, entropy: Entropy) -> None:
        """Keep the source of randomness."""
        self._entropy = entropy

    async def issue(
        self,
        scope: Scope,
        request: FlowRequest,
        proof: AuthenticationProof,
        browser: BrowserSession,
        *,
        continues: str | None = None,
    ) -> str:
        """Make a code and return where to redirect with it.

        `continues`: the id of the session that goes on with the time of this proof.
        """
        text = random_token(self._entropy)
        code = AuthorizationCode(
            environment=scope.number,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            proof=proof,
            ip_address=request.ip_address,
            user_agent=request.user_agent,
            browser_session_id=browser.id,
            continues_session_id=continues,
            created_at=scope.now,
            expires_at=scope.now + LIFE_MS,
        )
        await scope.tx.authorization_codes.insert(token_hash(text), code)
        return with_answer(request.redirect_uri, f"code={text}{_state(request.state)}")


def refusal_location(redirect_uri: str, state: str | None, refusal: AuthorizationRefusal) -> str:
    """Return where to redirect with an error."""
    text = f"error={refusal.error}&error_description={quote(refusal.description, safe='')}"
    return with_answer(redirect_uri, text + _state(state))


def _state(state: str | None) -> str:
    return "" if state is None else f"&state={state}"
