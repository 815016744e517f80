"""Asking again within a session: how fresh its proofs are, and challenging or reauthenticating it.

Decision 0043. `rules.authentication.session_raising` raises the session of a verified challenge.
"""

from typing import Final, NamedTuple

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.ip_addresses import client_network
from authfactor.models import (
    ChallengeRecord,
    CheckedSession,
    Clock,
    Environment,
    FactorRecord,
    SessionRecord,
    Unsatisfied,
    UserRecord,
)
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.password_attempts import PasswordAttempts
from authfactor.rules.authentication.password_hashing import PasswordHasher, api_share
from authfactor.rules.authentication.session_raising import SessionRaising
from authfactor.rules.authentication.session_state import (
    ACR_VALUES,
    BY_MAGIC_CODE,
    ONE_STEP,
    PHISHING_RESISTANT,
    TWO_STEPS,
)
from authfactor.rules.authentication.sign_in import PasswordHashChanged
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.wire import session_checks as wire
from authfactor.wire.requests import Authenticate, without_nul

MAX_AGE: Final = 10 * 365 * 24 * 3600
_FIRST_STEPS: Final = {ONE_STEP, BY_MAGIC_CODE}
_TEXTS: Final[dict[Unsatisfied, str]] = {
    "acr_too_low": "More factors are required",
    "method_missing": "Another authentication method is required",
    "too_old": "More recent authentication is required",
}


class Requirement(NamedTuple):
    """What a check asks for: `max_age` in seconds, the class of `acr`, and the highest class of all of it."""

    max_age: int | None
    acr_level: int | None
    level: int | None
    methods: frozenset[str]


NOTHING_REQUIRED: Final = Requirement(None, None, None, frozenset())


class SessionChecks:
    """Checks, challenges and reauthenticates sessions."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        hasher: PasswordHasher,
        attempts: PasswordAttempts,
        log: EventLog,
        challenges: Challenges,
    ) -> None:
        """Keep the collaborators; `raising` is for `challenges`, which has it from here."""
        self._clock = clock
        self._settings = settings
        self._hasher = hasher
        self._attempts = attempts
        self._events = SignInEvents(log)
        self._challenges = challenges
        self.raising = SessionRaising(log, settings)

    def check(
        self, environment: Environment, session_id: str, request: wire.CheckSession
    ) -> Unit[CheckedSession]:
        """Check a session as it is stored, which tokens show only after a refresh.

        Raises `InvalidRequest`; the unit raises `NotFound`.
        """
        return self._check(environment, session_id, _requirement(request))

    @unit
    async def _check(self, scope: Scope, session_id: str, required: Requirement) -> CheckedSession:
        session = await _load(scope, session_id)
        alive = session_state.is_alive(session, self._settings, scope.now)
        return _checked(session, required, scope.now, alive=alive)

    @unit
    async def challenge(
        self, scope: Scope, session_id: str, request: wire.ChallengeSession
    ) -> ChallengeRecord:
        """Open a challenge whose right code raises the session.

        Raises `NotFound` for an unknown session, or a factor that is not its user's; `SessionEnded`;
        `Conflict` if the user has no active factor; and `InvalidRequest` if the given one is not active.
        """
        session = await self._load_alive(scope, session_id)
        factors = await scope.tx.factors.of_user(scope.number, session.user_id)
        factor = _chosen(factors, without_nul(request.factor_id or ""))
        challenge = await self._challenges.open_for(scope, factor, session.id)
        if request.allow_recovery:
            await scope.tx.challenges.allow_recovery(scope.number, challenge.id)
        return challenge

    async def prepare_reauthenticate(
        self, store: Store, environment: Environment, session_id: str, request: wire.ReauthenticateSession
    ) -> Unit[CheckedSession]:
        """Prepare to check the password of a session's user again; a right one sets when it was entered.

        Limits, cost and refusals are those of a sign-in by password. Raises `NotFound`, `SessionEnded` and
        `Unavailable`; the unit raises `SignInRefused` after the commit of its event, `SessionEnded`, and
        `PasswordHashChanged`.
        """
        session, user = await store.read(self._user_of(environment, session_id))
        attempt = Authenticate(email=user.email, ip_address=request.ip_address, user_agent=request.user_agent)
        # Only spares the slow hash: the charge in the unit decides.
        if not await store.read(self._attempts.may_try(environment, user, attempt)):
            now = self._clock()
            return lambda tx: self._attempts.refuse_over_limit(Scope(tx, environment, now), user, attempt)
        share = api_share(environment.number, client_network(request.ip_address))
        stored = user.password_hash
        right = await self._hasher.verify(request.password or "", stored, share)
        if stored is None or not right:
            return self._attempts.refuse(environment, user, attempt)
        return self._reauthenticate(environment, session, attempt, stored)

    @unit
    async def _user_of(self, scope: Scope, session_id: str) -> tuple[SessionRecord, UserRecord]:
        session = await self._load_alive(scope, session_id)
        user = await scope.tx.users.by_id(scope.number, session.user_id)
        if user is None:
            raise errors.NotFound("Session", session_id)
        return session, user

    @unit
    async def _reauthenticate(
        self, scope: Scope, session: SessionRecord, attempt: Authenticate, stored: str
    ) -> CheckedSession:
        """Set `auth_time` of a session whose user's password matched the hash `stored`."""
        user = await scope.tx.users.lock(scope.number, session.user_id)
        if user is None:
            raise errors.NotFound("Session", session.id)
        if user.password_hash != stored:
            raise PasswordHashChanged
        if not await self._attempts.count(scope, user, attempt, right=True):
            await self._attempts.refuse_over_limit(scope, user, attempt)
        idle_since = session_state.idle_since(self._settings, scope.now)
        amr = await scope.tx.sessions.reauthenticate(scope.number, session.id, user.id, scope.now, idle_since)
        if amr is None:
            raise errors.SessionEnded(session.id)
        united = session_state.add_methods(amr, ONE_STEP)
        if united != amr:
            await scope.tx.sessions.set_methods(scope.number, session.id, united)
        await self._events.emit(scope, event_log.REAUTHENTICATION_SUCCEEDED, user, attempt)
        return _checked(await _load(scope, session.id), NOTHING_REQUIRED, scope.now, alive=True)

    async def _load_alive(self, scope: Scope, session_id: str) -> SessionRecord:
        session = await _load(scope, session_id)
        if not session_state.is_alive(session, self._settings, scope.now):
            raise errors.SessionEnded(session_id)
        return session


async def _load(scope: Scope, session_id: str) -> SessionRecord:
    session = await scope.tx.sessions.by_id(scope.number, session_id)
    if session is None:
        raise errors.NotFound("Session", session_id)
    return session


def _chosen(factors: list[FactorRecord], factor_id: str) -> FactorRecord:
    """Return the active factor with this id, or the newest active one if none is given."""
    named = [factor for factor in factors if factor.id == factor_id] if factor_id else factors
    if not named and factor_id:
        raise errors.NotFound("Authentication Factor", factor_id)
    active = [factor for factor in named if factor.activated_at is not None]
    if active:
        # Callers who name none expect to ask for six digits, if there are such factors.
        return ([factor for factor in active if factor.is_totp] or active)[-1]
    if factor_id:
        text = "factor_id: this factor has never been verified. Enroll it first."
        raise InvalidRequest(Item("factor_id", "factor_not_active", text))
    raise errors.Conflict("no_active_factor", "The user has no active factor. Enroll one first.")


def _requirement(request: wire.CheckSession) -> Requirement:
    """Read what is asked for. Raises `InvalidRequest` for what is unknown or could never be meant."""
    items = []
    if request.max_age is not None and not 0 <= request.max_age <= MAX_AGE:
        items.append(Item("max_age", "max_age_invalid", f"max_age: seconds, from 0 to {MAX_AGE}."))
    if request.acr is not None and request.acr not in ACR_VALUES:
        items.append(Item("acr", "acr_invalid", f"acr: one of {', '.join(ACR_VALUES)}."))
    methods = frozenset(request.methods or ())
    if not methods <= set(wire.METHODS):
        items.append(Item("methods", "methods_invalid", f"methods: any of {', '.join(wire.METHODS)}."))
    if items:
        raise InvalidRequest(*items)
    asked = None if request.acr is None else ACR_VALUES.index(request.acr) + 1
    implied = PHISHING_RESISTANT if "pop" in methods else TWO_STEPS if methods - _FIRST_STEPS else None
    return Requirement(request.max_age, asked, max(asked or 0, implied or 0) or None, methods)


def _checked(session: SessionRecord, required: Requirement, now: int, *, alive: bool) -> CheckedSession:
    """Return what a session has, and the first reason why that does not satisfy what is required."""
    amr, level = session.amr.split(" "), session_state.acr_level(session)
    proven_at = session.mfa_at if (required.level or 1) >= TWO_STEPS else session.authenticated_at
    # A proof later than now was made before the clock was set back: as far as can be known it is new.
    age = None if proven_at is None else max(0, now - proven_at) // 1000
    reason: Unsatisfied | None = None
    if not alive:
        reason = "session_ended"
    elif level < (required.acr_level or 1):
        reason = "acr_too_low"
    elif not required.methods <= set(amr):
        reason = "method_missing"
    elif required.max_age is not None and (age is None or age > required.max_age or not required.max_age):
        # 0 asks for a proof made now, which a stored one never is.
        reason = "too_old"
    return CheckedSession(
        session.id,
        tuple(amr),
        session_state.acr_of(session),
        session.authenticated_at,
        session.mfa_at,
        age,
        reason,
        None if reason is None else _www_authenticate(reason, required),
    )


def _www_authenticate(reason: Unsatisfied, required: Requirement) -> str:
    """Return the challenge of a 401: RFC 9470 section 3, or RFC 6750 section 3.1 for a session that ended.

    Each value is a number or one of ours, so nothing has to be quoted.
    """
    if reason == "session_ended":
        # No further proof makes the tokens of this session good again.
        return 'Bearer error="invalid_token", error_description="The session has ended"'
    parts = ['Bearer error="insufficient_user_authentication"', f'error_description="{_TEXTS[reason]}"']
    if required.level is not None:
        parts.append(f'acr_values="{ACR_VALUES[required.level - 1]}"')
    if required.max_age is not None:
        parts.append(f'max_age="{required.max_age}"')
    return ", ".join(parts)
