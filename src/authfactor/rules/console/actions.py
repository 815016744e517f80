"""Actions of operators: authorized by role, confirmed where needed, run, and audited, in one unit."""

from collections.abc import Callable
from typing import TypeVar

from authfactor import errors
from authfactor.models import Clock, Environment, Operator, OperatorContext
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.console import roles
from authfactor.rules.console.reauthentication import require_recent_authentication
from authfactor.rules.console.roles import NEED_RECENT_AUTHENTICATION, Action
from authfactor.store import Tx, Unit

T = TypeVar("T")


class ConsoleActions:
    """Authorizes and audits what operators do."""

    def __init__(self, clock: Clock, audit: AuditLog) -> None:
        """Keep the clock, in milliseconds of the epoch, and the audit log."""
        self._clock = clock
        self._audit = audit

    def act(
        self,
        context: OperatorContext,
        action: Action,
        unit: Unit[T],
        *,
        environment: Environment | None = None,
        target: str | Callable[[T], str],
        reason: str = "",
        dangerous: bool = False,
        origin: Origin = NO_ORIGIN,
    ) -> Unit[T]:
        """Wrap a unit so that it runs only for an authorized operator and appends an audit entry.

        `target` is the id of the changed object, or finds it in the unit's result; `dangerous` asks for a
        recent second factor where the action alone does not. Raises `NotAllowed`, `InvalidRequest` when a
        required reason is missing, and `ReauthenticationRequired`. The unit raises all but `InvalidRequest`,
        and `Unauthorized`, when the operator or the session has changed since.
        """
        roles.permit(context.operator, action)
        text = roles.check_reason(action, reason)
        now = self._clock()
        needs_recent = dangerous or action in NEED_RECENT_AUTHENTICATION
        if needs_recent:
            require_recent_authentication(context.session, now)

        async def run(tx: Tx) -> T:
            latest = await _lock_actor(tx, context, action)
            session = await tx.operator_sessions.live_by_id(context.session.id, now)
            if latest is None or session is None:
                raise errors.Unauthorized
            roles.permit(latest, action)
            if needs_recent:
                require_recent_authentication(session, now)
            result = await unit(tx)
            await self._audit.append(
                tx,
                Actor("operator", latest.id, latest.email),
                action,
                target if isinstance(target, str) else target(result),
                environment=environment.number if environment else None,
                reason=text,
                origin=origin,
            )
            return result

        return run


async def _lock_actor(tx: Tx, context: OperatorContext, action: Action) -> Operator | None:
    """Return the acting operator, locked: a change of their rights comes before this action or after it."""
    if action.startswith("operator."):
        # Two owners who act on each other at once would wait for each other, if they did not begin alike.
        await tx.operators.active_owners()
    return await tx.operators.lock(context.operator.id)
