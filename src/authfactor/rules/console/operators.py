"""Operators of the console: invitation, set-up, roles, and disabling.

A single-use link lets a new operator choose a password and enroll a factor. Operators' factors are ordinary
standalone factors of an environment that no API key can reach (decision 0022).
"""

import hashlib
from typing import Final, NamedTuple, get_args

import msgspec

from authfactor import errors, ids
from authfactor.crypto import passwords
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    Enrollment,
    Entropy,
    Environment,
    Operator,
    OperatorLink,
    Role,
    Verification,
)
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factors import Factors
from authfactor.rules.tenants.users import is_email
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import EnrollFactor

LINK_TTL_MS: Final = 24 * 3600 * 1000
KIND: Final = "Operator"
# Environment 0 has no row: no API key, list or client id leads to it.
CONSOLE: Final = Environment(0, "", "console", "authfactor console", "required", "{}", 0, 0)


class SetUpLinkRefused(errors.SignInRefused):
    """A set-up link is unknown, used or expired; the message does not reveal which."""

    code = "operator_link_invalid"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(self.code, "This link has been used or has expired. Ask an owner for a new one.")


class SetUpLink(NamedTuple):
    """A valid link and the operator it is for; None for the first link of an installation."""

    link: OperatorLink
    operator: Operator | None


def token_hash(token: str) -> bytes:
    """Return the stored form of a link's or a session's token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Operators:
    """Invites, sets up, changes and disables operators."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        hasher: PasswordHasher,
        challenges: Challenges,
        factors: Factors,
        audit: AuditLog,
        settings: Settings,
    ) -> None:
        """Keep the collaborators; `settings` names the issuer of operators' factors."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._hasher = hasher
        self._challenges = challenges
        self._factors = factors
        self._audit = audit
        self._issuer = f"{settings.team_name} console"

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
        email = _checked_email(email)
        _check_role(role)
        return self._invite(email, role)

    @installation_unit
    async def _invite(self, scope: InstallationScope, email: str, role: Role) -> tuple[Operator, str]:
        now = scope.now
        operator = Operator(self._new_id(ids.OPERATOR), email, role, "invited", None, None, None, now, now)
        if not await scope.tx.operators.insert(operator):
            raise _email_taken(email)
        return operator, await self._link(scope, operator)

    @installation_unit
    async def reset(self, scope: InstallationScope, operator_id: str) -> tuple[Operator, str]:
        """Remove an operator's password, factor, locks and sessions; a new link sets them up again.

        Returns the operator and the token of the link. Raises `NotFound`.
        """
        operator = await _lock(scope.tx, operator_id)
        await self._withdraw(scope, operator)
        changed = msgspec.structs.replace(
            operator, state="invited", password_hash=None, factor_id=None, updated_at=scope.now
        )
        await scope.tx.operators.update(changed)
        return changed, await self._link(scope, changed)

    @installation_unit
    async def disable(self, scope: InstallationScope, operator_id: str) -> Operator:
        """Disable an operator: sessions and links end, password and factor are removed. `reset` reverts it.

        Raises `NotFound`, and `Conflict` for the last owner who can sign in.
        """
        await _keep_an_owner(scope.tx, operator_id)
        operator = await _lock(scope.tx, operator_id)
        await self._withdraw(scope, operator)
        changed = msgspec.structs.replace(
            operator, state="disabled", password_hash=None, factor_id=None, updated_at=scope.now
        )
        await scope.tx.operators.update(changed)
        return changed

    def change_role(self, operator_id: str, role: Role) -> Unit[Operator]:
        """Give an operator another role. Raises `InvalidRequest`; the unit raises as `disable` does."""
        _check_role(role)
        return self._change_role(operator_id, role)

    @installation_unit
    async def _change_role(self, scope: InstallationScope, operator_id: str, role: Role) -> Operator:
        if role != "owner":
            await _keep_an_owner(scope.tx, operator_id)
        operator = await _lock(scope.tx, operator_id)
        changed = msgspec.structs.replace(operator, role=role, updated_at=scope.now)
        await scope.tx.operators.update(changed)
        return changed

    @installation_unit
    async def find(self, scope: InstallationScope, email_or_id: str) -> Operator:
        """Return an operator by id or email. Raises `NotFound`."""
        operators = scope.tx.operators
        found = await operators.by_id(email_or_id) or await operators.by_email(email_or_id)
        if found is None:
            raise errors.NotFound(KIND, email_or_id)
        return found

    @installation_unit
    async def find_link(self, scope: InstallationScope, token: str) -> SetUpLink:
        """Return a set-up link without using it. Raises `SetUpLinkRefused`."""
        operators = scope.tx.operators
        link = _check_link(await operators.link_by_hash(token_hash(token)), scope.now)
        return SetUpLink(link, await operators.by_id(link.operator_id) if link.operator_id else None)

    async def prepare_set_up(self, store: Store, token: str, email: str, password: str) -> Unit[Enrollment]:
        """Prepare the first half of a set-up: store the password, enroll a factor. It may be repeated.

        `email` counts only for a bootstrap link. Raises `SetUpLinkRefused`, `InvalidRequest`,
        `PasswordTooWeak` and `Unavailable`; the unit raises `SetUpLinkRefused`, and `Conflict` when another
        operator has the email.
        """
        link, known = await store.read(self.find_link(token))
        email = _checked_email(email if link.first or known is None else known.email)
        weak = passwords.check_strength(password, email=email)
        if weak:
            raise errors.PasswordTooWeak(*(Item("password", code, text) for code, text in weak))
        password_hash = await self._hasher.hash(password)
        request = EnrollFactor(type="totp", totp_issuer=self._issuer, totp_user=email)
        enroll = self._factors.enroll_standalone(CONSOLE, request)
        return self._set_up(token_hash(token), email, password_hash, enroll)

    @installation_unit
    async def _set_up(
        self,
        scope: InstallationScope,
        hashed: bytes,
        email: str,
        password_hash: str,
        enroll: Unit[Enrollment],
    ) -> Enrollment:
        tx, now = scope.tx, scope.now
        link = _check_link(await tx.operators.lock_link(hashed), now)
        old = await tx.operators.lock(link.operator_id) if link.operator_id else None
        if old is not None and old.factor_id is not None:
            await tx.factors.delete(CONSOLE.number, old.factor_id)
            await tx.failures.clear(CONSOLE.number, old.factor_id)
        enrollment = await enroll(tx)
        operator = Operator(
            old.id if old else self._new_id(ids.OPERATOR),
            email,
            link.role,
            "invited",
            password_hash,
            enrollment.factor.id,
            None,
            old.created_at if old else now,
            now,
        )
        if not await (tx.operators.update(operator) if old else tx.operators.insert(operator)):
            raise _email_taken(email)
        await tx.operators.bind_link(hashed, operator.id)
        return enrollment

    @installation_unit
    async def finish_set_up(
        self, scope: InstallationScope, token: str, code: str, origin: Origin = NO_ORIGIN
    ) -> tuple[Operator, Verification]:
        """Check the first code and spend the link; from then on the operator can sign in.

        A wrong code is a result (`valid` False) and is counted. Raises `SetUpLinkRefused` and
        `TooManyAttempts`.
        """
        tx, hashed = scope.tx, token_hash(token)
        link = _check_link(await tx.operators.lock_link(hashed), scope.now)
        operator = await tx.operators.lock(link.operator_id) if link.operator_id else None
        if operator is None or operator.factor_id is None:
            raise SetUpLinkRefused
        factor = await tx.factors.by_id(CONSOLE.number, operator.factor_id)
        if factor is None:
            raise SetUpLinkRefused
        console = scope.within(CONSOLE)
        challenge = await self._challenges.open(console, factor.id)
        outcome = await self._challenges.check(console, challenge.id, code)
        if not outcome.valid:
            return operator, outcome
        if not await tx.operators.spend_link(hashed, scope.now):
            raise SetUpLinkRefused
        if operator.role == "owner":
            # Not before: until an owner can sign in, only a bootstrap link can create one.
            await tx.operators.drop_first_links()
        active = msgspec.structs.replace(operator, state="active", updated_at=scope.now)
        await tx.operators.update(active)
        actor = Actor("operator", active.id, active.email)
        await self._audit.append(tx, actor, "operator.set_up", active.id, origin=origin)
        return active, outcome

    async def _link(self, scope: InstallationScope, operator: Operator) -> str:
        token = random_token(self._entropy)
        link = _new_link(scope, operator.id, operator.role)
        await scope.tx.operators.insert_link(token_hash(token), link)
        return token

    async def _withdraw(self, scope: InstallationScope, operator: Operator) -> None:
        await scope.tx.operators.drop_links_of(operator.id)
        await scope.tx.operator_sessions.end_of(operator.id, scope.now)
        if operator.factor_id is not None:
            await scope.tx.factors.delete(CONSOLE.number, operator.factor_id)
            await scope.tx.failures.clear(CONSOLE.number, operator.factor_id)


def _new_link(scope: InstallationScope, operator_id: str | None, role: Role) -> OperatorLink:
    first = operator_id is None
    return OperatorLink(operator_id, role, first, scope.now, scope.now + LINK_TTL_MS, None)


def _check_link(link: OperatorLink | None, now: int) -> OperatorLink:
    """Return a link that can be used. Raises `SetUpLinkRefused`."""
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise SetUpLinkRefused
    return link


async def _lock(tx: Tx, operator_id: str) -> Operator:
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


def _checked_email(email: str) -> str:
    if not is_email(email):
        raise InvalidRequest(Item("email", "email_invalid", "email: not an email address."))
    return email.strip()


def _check_role(role: str) -> None:
    if role not in get_args(Role):
        raise InvalidRequest(Item("role", "role_invalid", f"role: one of {', '.join(get_args(Role))}."))


def _email_taken(email: str) -> errors.Conflict:
    return errors.Conflict("operator_exists", f"An operator with the email '{email}' already exists.")
