"""Step-up: the factor that the policy requires before a session starts, or before an older one goes on."""

import hashlib

from authfactor import errors
from authfactor.models import Entropy, Environment, FactorRecord, PendingSignIn, SessionRecord, UserRecord
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import Scope
from authfactor.settings import Settings

# A sign-in may use a policy that was replaced this long ago: API callers are cached (`environments`).
POLICY_DELAY_MS = 1000


class StepUp:
    """Decides whether a code or an enrollment must come first, and opens the pending sign-in for it."""

    def __init__(self, entropy: Entropy, settings: Settings, challenges: Challenges) -> None:
        """Keep the collaborators; randomness comes from `entropy` alone."""
        self._entropy = entropy
        self._settings = settings
        self._challenges = challenges

    async def demand(
        self, scope: Scope, user: UserRecord, password_hash: str | None, session: SessionRecord | None = None
    ) -> errors.StepUpRequired | None:
        """Return what must come before a session: a code, an enrollment, or nothing.

        `session` is the session that is refreshed; the completed sign-in replaces it. Under the policy
        `if_enrolled` it goes on if no factor was active when it began: enrolling does not end a session.
        """
        policy = scope.environment.mfa_policy
        if policy == "off":
            return None
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        active = [factor for factor in factors if factor.activated_at is not None]
        if policy == "if_enrolled" and not _were_active(active, session):
            return None
        token = random_token(self._entropy)
        expires_at = scope.now + self._settings.pending_sign_in_life * 1000
        replaced = None if session is None else session.id
        pending = PendingSignIn(user.id, password_mark(password_hash), scope.now, expires_at, None, replaced)
        await scope.tx.pending_sign_ins.insert(scope.number, token_hash(token), pending)
        if not active:
            return errors.StepUpRequired(
                "mfa_enrollment",
                "The user must enroll in MFA to finish authenticating.",
                pending_token=token,
                user=user,
            )
        return errors.StepUpRequired(
            "mfa_challenge",
            "The user must complete an MFA challenge to finish authenticating.",
            pending_token=token,
            user=user,
            factor_ids=tuple(factor.id for factor in reversed(active)),
            challenge=await self._challenges.open(scope, active[-1].id),
        )


def may_be_due(environment: Environment, session: SessionRecord) -> bool:
    """Return whether a session was made without a factor under a policy that may have become stricter.

    False for every other session, so that its refresh needs no further statement. When the password was last
    entered does not matter: that may have been after the policy changed (decision 0043).
    """
    if session.mfa_at is not None or environment.mfa_policy == "off":
        return False
    changed = environment.updated_at + POLICY_DELAY_MS
    return environment.mfa_policy == "required" or session.created_at <= changed


def password_mark(password_hash: str | None) -> bytes:
    """Return a fingerprint of the password hash: a new password invalidates pending sign-ins."""
    return hashlib.sha256((password_hash or "").encode()).digest()[:16]


def _were_active(active: list[FactorRecord], session: SessionRecord | None) -> bool:
    """Return whether a factor is active now and, if a session is given, was so before it began."""
    if session is None:
        return bool(active)
    return any((factor.activated_at or 0) <= session.created_at for factor in active)
