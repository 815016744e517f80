"""Set-up of an operator: a single-use link lets a person choose a password and enroll a factor.

The link only leads to the operator's row, which decides what they become (decision 0035): a role that was
changed since the invitation counts, and a disabled operator stays disabled.
"""

from typing import NamedTuple

from authfactor import errors, ids
from authfactor.crypto import passwords
from authfactor.errors import Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Enrollment, Operator, OperatorLink, Verification
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.authentication.password_hashing import KNOWN_OPERATORS, PasswordHasher
from authfactor.rules.console.operators import (
    CONSOLE,
    check_code,
    checked_email,
    email_taken,
    lock,
    remove_passkeys,
    token_hash,
)
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factors import Factors
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import EnrollFactor


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


class OperatorSetUp:
    """Follows set-up links."""

    def __init__(
        self,
        clock: Clock,
        new_id: IdGenerator,
        hasher: PasswordHasher,
        challenges: Challenges,
        factors: Factors,
        audit: AuditLog,
        settings: Settings,
    ) -> None:
        """Keep the collaborators; `settings` names the issuer of operators' factors."""
        self._clock = clock
        self._new_id = new_id
        self._hasher = hasher
        self._challenges = challenges
        self._factors = factors
        self._audit = audit
        self._issuer = f"{settings.team_name} console"

    @installation_unit
    async def find_link(self, scope: InstallationScope, token: str) -> SetUpLink:
        """Return a set-up link without using it. Raises `SetUpLinkRefused`."""
        operators = scope.tx.operators
        link = _check_link(await operators.link_by_hash(token_hash(token)), scope.now)
        operator = await operators.by_id(link.operator_id) if link.operator_id else None
        return SetUpLink(link, _check_invited(operator))

    async def prepare_set_up(self, store: Store, token: str, email: str, password: str) -> Unit[Enrollment]:
        """Prepare the first half of a set-up: store the password, enroll a factor. It may be repeated.

        `email` counts only for a bootstrap link. Raises `SetUpLinkRefused`, `InvalidRequest`,
        `PasswordTooWeak` and `Unavailable`; the unit raises `SetUpLinkRefused`, and `Conflict` when another
        operator has the email.
        """
        link, known = await store.read(self.find_link(token))
        email = checked_email(email if link.first or known is None else known.email)
        weak = passwords.check_strength(password, email=email)
        if weak:
            raise errors.PasswordTooWeak(*(Item("password", code, text) for code, text in weak))
        password_hash = await self._hasher.hash(password, KNOWN_OPERATORS)
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
        link, old = await _lock_link(tx, hashed, now)
        if old is not None and old.factor_id is not None:
            await tx.factors.delete(CONSOLE.number, old.factor_id)
            await tx.failures.clear(CONSOLE.number, old.factor_id)
        if old is not None:
            # A reset by a release that knows no passkeys has left them.
            await remove_passkeys(tx, old.id)
        enrollment = await enroll(tx)
        factor_id = enrollment.factor.id
        if old is None:
            new_id = self._new_id(ids.OPERATOR)
            new = Operator(new_id, email, link.role, "invited", password_hash, factor_id, None, now, now)
            if not await tx.operators.insert(new):
                raise email_taken(email)
            await tx.operators.bind_link(hashed, new_id)
        elif not await tx.operators.begin_set_up(old.id, email, password_hash, factor_id, now):
            raise email_taken(email)
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
        _, operator = await _lock_link(tx, hashed, scope.now)
        outcome = await check_code(scope, self._challenges, operator, code) if operator else None
        if operator is None or outcome is None:
            raise SetUpLinkRefused
        if not outcome.valid:
            return operator, outcome
        spent = await tx.operators.spend_link(hashed, scope.now)
        if not spent or not await tx.operators.activate(operator.id, operator.factor_id or "", scope.now):
            raise SetUpLinkRefused
        if operator.role == "owner":
            # Not before: until an owner can sign in, only a bootstrap link can create one.
            await tx.operators.drop_first_links()
        active = await lock(tx, operator.id)
        actor = Actor("operator", active.id, active.email)
        await self._audit.append(tx, actor, "operator.set_up", active.id, origin=origin)
        return active, outcome


def _check_link(link: OperatorLink | None, now: int) -> OperatorLink:
    """Return a link that can be used. Raises `SetUpLinkRefused`."""
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise SetUpLinkRefused
    return link


def _check_invited(operator: Operator | None) -> Operator | None:
    """Refuse a link of an operator who has been set up or disabled since. Raises `SetUpLinkRefused`."""
    if operator is not None and operator.state != "invited":
        raise SetUpLinkRefused
    return operator


async def _lock_link(tx: Tx, hashed: bytes, now: int) -> tuple[OperatorLink, Operator | None]:
    """Return a link that can be used and its operator, both locked until the unit ends.

    A first link has no operator yet, and is good only while no owner can sign in. Raises `SetUpLinkRefused`.
    """
    seen = _check_link(await tx.operators.link_by_hash(hashed), now)
    operator = await tx.operators.lock(seen.operator_id) if seen.operator_id else None
    link = _check_link(await tx.operators.lock_link(hashed), now)
    if operator is None and link.operator_id is not None:
        # Another request has bound the link meanwhile.
        operator = await tx.operators.lock(link.operator_id)
    if link.first and await tx.operators.has_active_owner():
        raise SetUpLinkRefused
    return link, _check_invited(operator)
