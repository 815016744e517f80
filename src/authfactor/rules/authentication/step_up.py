"""Step-up: the factor that the policy requires before a session starts, or before an older one goes on."""

import functools
import hashlib
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from authfactor import email_errors, errors
from authfactor.models import (
    AppliedPolicy,
    Entropy,
    Environment,
    FactorRecord,
    GracePeriod,
    PendingSignIn,
    SessionRecord,
    SignedIn,
    SignInStart,
    UserRecord,
)
from authfactor.rules.authentication.applied_policy import options_of, policy_for, verifies_emails
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import Scope
from authfactor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from authfactor.models.hosted_sign_in import AuthenticationProof
    from authfactor.rules.authentication.trusted_device_tokens import TrustedDeviceTokens
    from authfactor.rules.authentication.user_policies import UserPolicies
    from authfactor.rules.email_flows.email_verifications import EmailVerifications

EMAIL_VERIFICATION: Final = "email_verification"
"""What a sign-in waits for before its second factor."""
_BY_PASSWORD: Final = SignInStart()
# A sign-in may use a policy that was replaced this long ago: API callers are cached (`environments`).
POLICY_DELAY_MS = 1000


class NextStep(NamedTuple):
    """What must come next: nothing (perhaps until a deadline), the email, a factor, or an enrollment.

    `factors` are in the order in which they are offered; `methods` are the only ones allowed, None: all.
    """

    name: Literal["complete", "email_verification", "mfa_challenge", "mfa_enrollment"]
    factors: tuple[FactorRecord, ...] = ()
    methods: tuple[str, ...] | None = None
    grace: GracePeriod | None = None


COMPLETE = NextStep("complete")


class StepUp:
    """Decides whether a code or an enrollment must come first, and opens the pending sign-in for it."""

    def __init__(
        self,
        entropy: Entropy,
        settings: Settings,
        challenges: Challenges,
        log: EventLog,
        device_tokens: "Callable[[], TrustedDeviceTokens]",
        email_verifications: "Callable[[], EmailVerifications]",
    ) -> None:
        """Keep the collaborators; randomness comes from `entropy` alone."""
        self._device_tokens = device_tokens
        self._email_verifications = email_verifications
        self._entropy = entropy
        self._settings = settings
        self._challenges = challenges
        self._log = log

    @functools.cached_property
    def _user_policies(self) -> "UserPolicies":
        from authfactor.rules.authentication.user_policies import UserPolicies  # noqa: PLC0415 - when there are some

        return UserPolicies(self._log)

    async def demand(
        self,
        scope: Scope,
        user: UserRecord,
        password_hash: str | None,
        session: SessionRecord | None = None,
        start: SignInStart = _BY_PASSWORD,
        *,
        proven: "AuthenticationProof | None" = None,
    ) -> errors.SignInRefused | GracePeriod | None:
        """Return what must come before a session: a code, an enrollment, later an enrollment, or nothing.

        First the email must be verified, then a second factor proven; `start` is how the sign-in began.

        `session` is the session that is refreshed; the completed sign-in replaces it. Under the policy
        `if_enrolled` it goes on if no factor was active when it began: enrolling does not end a session. One
        that a trusted device started goes on while the device is trusted.
        """
        step = await self.next_step(scope, user, session, proven=proven)
        if step.name == "complete":
            return step.grace
        if step.name == "email_verification":
            return await self.demand_email(scope, user, password_hash, start)
        token = await self._open(scope, user, password_hash, start, session=session)
        return await self._refusal(scope, user, token, step)

    async def next_step(
        self,
        scope: Scope,
        user: UserRecord,
        session: SessionRecord | None = None,
        *,
        proven: "AuthenticationProof | None" = None,
    ) -> NextStep:
        """Return what must come before a session of a user whose first factor was proven.

        The only place that decides it: `authenticate` answers with it, and the hosted pages show it, whose
        visitor may have `proven` a second factor or use a trusted device. Writes at most the begin of grace.
        """
        if session is None and not user.email_verified and verifies_emails(scope.environment):
            return NextStep("email_verification")
        policy = policy_for(scope.environment, user, scope.now)
        if (
            (policy.mode == "off" and not policy.differs)
            or (session is not None and await self.is_trusted(scope, user, session))
            or (proven is not None and await self._is_second_step(scope, user, proven))
        ):
            return COMPLETE
        wanted = await self._wanted(scope, user, session, policy)
        if wanted is None:
            return COMPLETE
        if isinstance(wanted, GracePeriod):
            return NextStep("complete", grace=wanted)
        if not wanted:
            return NextStep("mfa_enrollment", methods=policy.methods)
        # TOTP first: applications take the first factor and ask for six digits. Newest first among them.
        newest_first = wanted[::-1]
        offered = sorted(newest_first, key=lambda factor: not factor.is_totp)
        return NextStep("mfa_challenge", tuple(offered), policy.methods)

    async def _wanted(
        self, scope: Scope, user: UserRecord, session: SessionRecord | None, policy: AppliedPolicy
    ) -> list[FactorRecord] | GracePeriod | None:
        """Return the factors of which one must be proven, empty for an enrollment; None if nothing is."""
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        active = [factor for factor in factors if factor.activated_at is not None]
        usable = self.usable(scope, user, active)
        asked = policy.mode == "required" or (policy.mode == "if_enrolled" and _were_active(active, session))
        if not asked and not policy.differs:
            return None
        if asked and usable:
            return usable
        found = await self._user_policies.decide(
            scope, user, policy, asked=asked, has_factor=bool(active), is_allowed=bool(usable)
        )
        if found == "pass":
            return None
        if isinstance(found, GracePeriod):
            return found
        return (usable or active) if found == "challenge" else []

    async def _is_second_step(self, scope: Scope, user: UserRecord, proven: "AuthenticationProof") -> bool:
        if proven.mfa_at is not None:
            return True
        device_id = proven.trusted_device_id
        return device_id is not None and await self._device_tokens().is_trusted(scope, user, device_id)

    async def demand_email(
        self, scope: Scope, user: UserRecord, password_hash: str | None, start: SignInStart = _BY_PASSWORD
    ) -> email_errors.EmailVerificationRequired | None:
        """Mail a code and return the refusal if the user's email must be verified first, else None.

        Raises `SendLimitReached`.
        """
        if user.email_verified or not verifies_emails(scope.environment):
            return None
        mailed = await self._email_verifications().mail_once_more(scope, user)
        token = await self._open(scope, user, password_hash, start, awaits=EMAIL_VERIFICATION)
        return email_errors.EmailVerificationRequired(
            pending_token=token, email=user.email, email_verification_id=mailed.id
        )

    async def _open(
        self,
        scope: Scope,
        user: UserRecord,
        password_hash: str | None,
        start: SignInStart,
        *,
        session: SessionRecord | None = None,
        awaits: str | None = None,
    ) -> str:
        """Open the pending sign-in and return its token."""
        token = random_token(self._entropy)
        pending = PendingSignIn(
            user_id=user.id,
            password_mark=password_mark(password_hash),
            created_at=scope.now,
            expires_at=scope.now + self._settings.pending_sign_in_life * 1000,
            spent_at=None,
            session_id=None if session is None else session.id,
            auth_method=start.auth_method,
            invitation_id=start.invitation_id,
            awaits=awaits,
        )
        await scope.tx.pending_sign_ins.insert(scope.number, token_hash(token), pending)
        return token

    async def _refusal(
        self, scope: Scope, user: UserRecord, token: str, step: NextStep
    ) -> errors.StepUpRequired:
        """Return the refusal: a challenge of the newest factor, or an enrollment if there is none."""
        if step.name == "mfa_enrollment":
            return errors.StepUpRequired(
                "mfa_enrollment",
                "The user must enroll in MFA to finish authenticating.",
                pending_token=token,
                user=user,
                methods=step.methods or (),
            )
        return errors.StepUpRequired(
            "mfa_challenge",
            "The user must complete an MFA challenge to finish authenticating.",
            pending_token=token,
            user=user,
            factors=tuple((factor.id, factor.type) for factor in step.factors),
            challenge=await self._challenges.open_for(scope, step.factors[0]),
        )

    def usable(self, scope: Scope, user: UserRecord, active: list[FactorRecord]) -> list[FactorRecord]:
        """Return the active factors of the kinds that the user's policy allows."""
        policy = policy_for(scope.environment, user, scope.now)
        if policy.methods is None or not active:
            return active
        return [factor for factor in active if policy.allows(factor.type)]

    async def is_trusted(self, scope: Scope, user: UserRecord, session: SessionRecord) -> bool:
        """Return whether a trusted device started a session, and is still trusted."""
        device_id = session.trusted_device_id
        return device_id is not None and await self._device_tokens().is_trusted(scope, user, device_id)

    async def accepts_factor(self, scope: Scope, user: UserRecord, factor: FactorRecord) -> bool:
        """Return whether a factor of this kind completes a sign-in: the policy may name others."""
        policy = policy_for(scope.environment, user, scope.now)
        if policy.allows(factor.type):
            return True
        return await self._user_policies.is_exempt(scope, user.id)


def may_be_due(environment: Environment, session: SessionRecord, user: UserRecord, now: int) -> bool:
    """Return whether a session was made without a factor under a policy that may have become stricter.

    Or with a trusted device, which may have ended. False for every other session, so that its refresh needs
    no further statement. When the password was last entered does not matter: that may have been after the
    policy changed (decision 0043).
    """
    if session.mfa_at is not None:
        return False
    policy = policy_for(environment, user, now)
    if policy.mode != "if_enrolled" or policy.differs:
        return policy.mode == "required" or policy.differs
    if session.trusted_device_id is not None:
        return True
    # With rules, a change of the user may have changed the policy.
    by_rules = options_of(environment.options).mfa.rules
    changed = max(environment.updated_at, user.updated_at if by_rules else 0) + POLICY_DELAY_MS
    return session.created_at <= changed


def with_deadline(signed_in: SignedIn, grace: GracePeriod) -> SignedIn:
    """Return a sign-in in grace, with the time by which the user must have enrolled."""
    return msgspec.structs.replace(signed_in, mfa_deadline=grace.deadline)


def password_mark(password_hash: str | None) -> bytes:
    """Return a fingerprint of the password hash: a new password invalidates pending sign-ins."""
    return hashlib.sha256((password_hash or "").encode()).digest()[:16]


def _were_active(active: list[FactorRecord], session: SessionRecord | None) -> bool:
    """Return whether a factor is active now and, if a session is given, was so before it began.

    A trusted device was accepted in place of a factor that was active.
    """
    if session is None or session.trusted_device_id is not None:
        return bool(active)
    return any((factor.activated_at or 0) <= session.created_at for factor in active)
