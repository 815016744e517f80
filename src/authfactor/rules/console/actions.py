"""What operators do: allowed by their role, done, and written down with its reason, in one unit."""

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
    """Lets operators act."""

    def __init__(self, audit: AuditLog) -> None:
        """Take where deeds are written down."""
        self._audit = audit

    def act(
        self,
        seat: OperatorContext,
        action: Action,
        unit: Unit[T],
        *,
        environment: Environment | None = None,
        target: str | Callable[[T], str],
        reason: str = "",
        origin: Origin = NO_ORIGIN,
    ) -> Unit[T]:
        """Wrap a unit so that it runs only for an operator who may do this, and leaves its entry.

        `target` is the id of what is changed, or finds it in the unit's result. Raises `NotAllowed` and,
        where a reason is needed, `InvalidRequest`; the unit raises `NotAllowed` and `Unauthorized` too, when
        the operator was changed meanwhile.
        """
        roles.permit(seat.operator, action)
        text = roles.check_reason(action, reason)

        async def run(tx: Tx) -> T:
            latest = await tx.operators.by_id(seat.operator.id)
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
