"""Actions of operators: authorized by role, run, and written to the audit log, in one unit."""

from collections.abc import Callable
from typing import TypeVar

from authfactor import errors
from authfactor.models import Environment, OperatorContext
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.console import roles
from authfactor.rules.console.roles import Action
from authfactor.store import Tx, Unit

T = TypeVar("T")


class ConsoleActions:
    """Authorizes and audits what operators do."""

    def __init__(self, audit: AuditLog) -> None:
        """Keep the audit log."""
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
        origin: Origin = NO_ORIGIN,
    ) -> Unit[T]:
        """Wrap a unit so that it runs only for an authorized operator and appends an audit entry.

        `target` is the id of the changed object, or finds it in the unit's result. Raises `NotAllowed`, and
        `InvalidRequest` when a required reason is missing; the unit raises `NotAllowed` and `Unauthorized`
        when the operator has changed since.
        """
        roles.permit(context.operator, action)
        text = roles.check_reason(action, reason)

        async def run(tx: Tx) -> T:
            latest = await tx.operators.by_id(context.operator.id)
            if latest is None:
                raise errors.Unauthorized
            roles.permit(latest, action)
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
