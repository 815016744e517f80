"""Whether a session has just proven an existing factor, which enrolling another one may take."""

from typing import Final, TypeVar

from authfactor import errors
from authfactor.models import Clock, Environment
from authfactor.rules.authentication import session_state
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit

PROOF_LIFE_MS: Final = 600_000

T = TypeVar("T")


class FreshProofs:
    """Lets enrollments pass, if the environment has `enrollment_needs_mfa` only after a proof."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings

    def required_for(
        self, environment: Environment, user_id: str, session_id: str, enrollment: Unit[T]
    ) -> Unit[T]:
        """Return the unit of an enrollment, which first raises `ProofNeeded` where the option asks for it."""
        if not options_of(environment).enrollment_needs_mfa:
            return enrollment
        return self._proven(environment, user_id, session_id, enrollment)

    @unit
    async def _proven(self, scope: Scope, user_id: str, session_id: str, enrollment: Unit[T]) -> T:
        """Run the unit if a factor of the user was proven in this session within ten minutes.

        A user without an active factor has none to prove. A device that was trusted instead is no proof.
        """
        factors = await scope.tx.factors.of_user(scope.number, user_id)
        if any(each.activated_at is not None for each in factors):
            session = await scope.tx.sessions.by_id(scope.number, session_id)
            if (
                session is None
                or session.user_id != user_id
                or session.mfa_at is None
                or abs(scope.now - session.mfa_at) > PROOF_LIFE_MS
                or not session_state.is_alive(session, self._settings, scope.now)
            ):
                raise errors.ProofNeeded(
                    "session_id: the user must first prove an existing factor in this session; a proof of the"
                    " last ten minutes counts."
                )
        return await enrollment(scope.tx)
