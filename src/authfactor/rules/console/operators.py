"""Operators of the console: invitation, roles, reset, and disabling.

Operators' factors are ordinary standalone factors of an environment that no API key can reach (decision
0022). A unit that locks several rows begins with the owners; then come the operator, the link, the failures
and the audit log, so that no two units wait for each other.
"""

import hashlib
from typing import Final, Literal, get_args

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, Operator, OperatorLink, Role, Verification
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.tenants.users import is_email
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Tx, Unit

LINK_TTL_MS: Final = 24 * 3600 * 1000
KIND: Final = "Operator"
# Environment 0 has no row: no API key, list or client id leads to it.
CONSOLE: Final = Environment(0, "", "console", "authfactor console", "required", "{}", 0, 0)


def token_hash(token: str) -> bytes:
    """Return the stored form of a link's or a session's token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Operators:
    """Invites, changes, resets and disables operators."""

    def __init__(self, clock: Clock, entropy: Entropy, new_id: IdGenerator) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id

    @installation_unit
    async def first_link(self, scope: InstallationScope) -> str | None:
        """Create the bootstrap link and return its token, or None when an owner can sign in.

        Only the newest bootstrap link works; earlier ones are revoked.
        """
        if await scope.tx.operators.active_owners():
            return None
        token = random_token(self._entropy)
        await scope.tx.operators.drop_first_links()
        await scope.tx.operators.insert_link(token_hash(token), _new_link(scope, None, "owner"))
        return token

    def invite(self, email: str, role: Role) -> Unit[tuple[Operator, str]]:
        """Add an operator and create their set-up link; its token is stored nowhere.

        Raises `InvalidRequest`; the unit raises `Conflict` when another operator has the email.
        """
        email = checked_email(email)
        _check_role(role)
        return self._invite(email, role)

    @installation_unit
    async def _invite(self, scope: InstallationScope, email: str, role: Role) -> tuple[Operator, str]:
        now = scope.now
        operator = Operator(self._new_id(ids.OPERATOR), email, role, "invited", None, None, None, now, now)
        if not await scope.tx.operators.insert(operator):
            raise email_taken(email)
        return operator, await self._link(scope, operator)

    @installation_unit
    async def reset(
        self, scope: InstallationScope, operator_id: str, *, even_last_owner: bool = False
    ) -> tuple[Operator, str]:
        """Remove an operator's password, factor, locks and sessions; a new link sets them up again.

        Returns the operator and the token of the link. `even_last_owner` is for the command line, the way
        back for an owner who lost the phone. Raises `NotFound`, and `Conflict` for the last owner who can
        sign in.
        """
        if not even_last_owner:
            await _keep_an_owner(scope.tx, operator_id)
        changed = await self._withdraw(scope, await lock(scope.tx, operator_id), "invited")
        return changed, await self._link(scope, changed)

    @installation_unit
    async def disable(self, scope: InstallationScope, operator_id: str) -> Operator:
        """Disable an operator: sessions and links end, password and factor are removed. `reset` reverts it.

        Raises `NotFound`, and `Conflict` for the last owner who can sign in.
        """
        await _keep_an_owner(scope.tx, operator_id)
        return await self._withdraw(scope, await lock(scope.tx, operator_id), "disabled")

    def change_role(
        self, operator_id: str, role: Role, *, if_updated_at: int | None = None
    ) -> Unit[Operator]:
        """Give an operator another role.

        Raises `InvalidRequest`; the unit raises as `disable` does, and `Outdated` when the operator has
        changed since `if_updated_at`, the `updated_at` that the caller saw.
        """
        _check_role(role)
        return self._change_role(operator_id, role, if_updated_at)

    @installation_unit
    async def _change_role(
        self, scope: InstallationScope, operator_id: str, role: Role, if_updated_at: int | None
    ) -> Operator:
        if role != "owner":
            await _keep_an_owner(scope.tx, operator_id)
        operator = await lock(scope.tx, operator_id)
        if if_updated_at not in {None, operator.updated_at}:
            raise errors.Outdated(f"{operator.email}: role {operator.role}, {operator.state}")
        await scope.tx.operators.set_role(operator_id, role, scope.now)
        return await lock(scope.tx, operator_id)

    @installation_unit
    async def find(self, scope: InstallationScope, email_or_id: str) -> Operator:
        """Return an operator by id or email. Raises `NotFound`."""
        operators = scope.tx.operators
        found = await operators.by_id(email_or_id) or await operators.by_email(email_or_id)
        if found is None:
            raise errors.NotFound(KIND, email_or_id)
        return found

    async def _link(self, scope: InstallationScope, operator: Operator) -> str:
        token = random_token(self._entropy)
        link = _new_link(scope, operator.id, operator.role)
        await scope.tx.operators.insert_link(token_hash(token), link)
        return token

    async def _withdraw(
        self, scope: InstallationScope, operator: Operator, state: Literal["invited", "disabled"]
    ) -> Operator:
        """End all access of a locked operator; return the row as it is then."""
        tx = scope.tx
        await tx.operators.withdraw(operator.id, state, scope.now)
        await tx.operators.drop_links_of(operator.id)
        await tx.operator_sessions.end_of(operator.id, scope.now)
        if operator.factor_id is not None:
            await tx.factors.delete(CONSOLE.number, operator.factor_id)
            await tx.failures.clear(CONSOLE.number, operator.factor_id)
        await remove_passkeys(tx, operator.id)
        return await lock(tx, operator.id)


async def remove_passkeys(tx: Tx, operator_id: str) -> None:
    """Delete all passkeys of an operator, with what is open of them."""
    await tx.passkeys.delete_of_user(CONSOLE.number, operator_id)
    await tx.factors.delete_of_user(CONSOLE.number, operator_id)


async def check_code(
    scope: InstallationScope, challenges: Challenges, operator: Operator, code: str
) -> Verification | None:
    """Check a code of an operator whom this unit has locked; None when they have no factor.

    A wrong one is a result and counts on the operator's own record. Raises `TooManyAttempts`.
    """
    factor = await scope.tx.factors.by_id(CONSOLE.number, operator.factor_id or "")
    if factor is None:
        return None
    console = scope.within(CONSOLE)
    challenge = await challenges.open(console, factor.id)
    return await challenges.check(console, challenge.id, code)


def _new_link(scope: InstallationScope, operator_id: str | None, role: Role) -> OperatorLink:
    first = operator_id is None
    return OperatorLink(operator_id, role, first, scope.now, scope.now + LINK_TTL_MS, None)


async def lock(tx: Tx, operator_id: str) -> Operator:
    """Return an operator, locked against changes until the unit ends. Raises `NotFound`."""
    operator = await tx.operators.lock(operator_id)
    if operator is None:
        raise errors.NotFound(KIND, operator_id)
    return operator


async def _keep_an_owner(tx: Tx, operator_id: str) -> None:
    """Raise `Conflict` when this operator is the only owner who can sign in."""
    if await tx.operators.active_owners() == [operator_id]:
        raise errors.Conflict(
            "last_owner", "This is the only owner who can sign in. Invite another owner first."
        )


def checked_email(email: str) -> str:
    """Return an email address without surrounding space. Raises `InvalidRequest`."""
    if not is_email(email):
        raise InvalidRequest(Item("email", "email_invalid", "email: not an email address."))
    return email.strip()


def _check_role(role: str) -> None:
    if role not in get_args(Role):
        raise InvalidRequest(Item("role", "role_invalid", f"role: one of {', '.join(get_args(Role))}."))


def email_taken(email: str) -> errors.Conflict:
    """Return the refusal of an email that another operator has."""
    return errors.Conflict("operator_exists", f"An operator with the email '{email}' already exists.")
