"""Operators: who may use the console, how they get in the first time, and how they are sent away.

Nobody gives an operator a password: a link that works once lets the person choose one and enrol a factor.
Their factors are ordinary stand-alone factors of an environment that no API key reaches (decision 0022).
"""

import hashlib
from typing import Final, NamedTuple, TypeVar, get_args

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
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import EnrollFactor

T = TypeVar("T")
LINK_LIFE: Final = 24 * 3600 * 1000
KIND: Final = "Operator"
# Number 0 has no row among the environments: no key, no list and no client id leads to it.
CONSOLE: Final = Environment(0, "", "console", "authfactor console", "required", "{}", 0, 0)


class SetUpLinkRefused(errors.SignInRefused):
    """A set-up link is unknown, used or too old."""

    code = "operator_link_invalid"

    def __init__(self) -> None:
        """Say what to do; which of the reasons it was is nobody's business."""
        super().__init__(self.code, "This link has been used or has expired. Ask an owner for a new one.")


class SetUpLink(NamedTuple):
    """What a good link says: for whom it is, if that is known."""

    link: OperatorLink
    operator: Operator | None


def token_hash(token: str) -> bytes:
    """Return what is stored of a link's or a session's token; 256 random bits need no slow hash."""
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
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._hasher = hasher
        self._challenges = challenges
        self._factors = factors
        self._audit = audit
        self._issuer = f"{settings.team_name} console"

    def first_link(self) -> Unit[str | None]:
        """Make the link of a first start: its token, or None when an owner can sign in.

        Earlier links of this kind end: of those that a log holds only the last one works.
        """
        link = OperatorLink(None, "owner", True, *self._life())  # noqa: FBT003 - a field
        token = random_token(self._entropy)

        async def run(tx: Tx) -> str | None:
            if await tx.operators.active_owners():
                return None
            await tx.operators.drop_first_links()
            await tx.operators.insert_link(token_hash(token), link)
            return token

        return run

    def invite(self, email: str, role: Role) -> Unit[tuple[Operator, str]]:
        """Add an operator and make the link that sets them up; the token is given this once.

        Raises `InvalidRequest`; the unit raises `Conflict` when there is an operator with this email.
        """
        email = _checked_email(email)
        _check_role(role)
        now = self._clock()
        operator = Operator(self._new_id(ids.OPERATOR), email, role, "invited", None, None, None, now, now)

        async def run(tx: Tx) -> tuple[Operator, str]:
            if not await tx.operators.insert(operator):
                raise _email_taken(email)
            return operator, await self._link(tx, operator)

        return run

    def reset(self, operator_id: str) -> Unit[tuple[Operator, str]]:
        """Take password, factor, locks and sessions from an operator; a new link sets them up again.

        The unit raises `NotFound`.
        """
        now = self._clock()

        async def run(tx: Tx) -> tuple[Operator, str]:
            operator = await _locked(tx, operator_id)
            await self._withdraw(tx, operator, now)
            changed = msgspec.structs.replace(
                operator, state="invited", password_hash=None, factor_id=None, updated_at=now
            )
            await tx.operators.update(changed)
            return changed, await self._link(tx, changed)

        return run

    def disable(self, operator_id: str) -> Unit[Operator]:
        """Send an operator away: sessions and links end, password and factor go. `reset` lets them back in.

        The unit raises `NotFound`, and `Conflict` for the last owner who can sign in.
        """
        now = self._clock()

        async def run(tx: Tx) -> Operator:
            await _keep_an_owner(tx, operator_id)
            operator = await _locked(tx, operator_id)
            await self._withdraw(tx, operator, now)
            changed = msgspec.structs.replace(
                operator, state="disabled", password_hash=None, factor_id=None, updated_at=now
            )
            await tx.operators.update(changed)
            return changed

        return run

    def change_role(self, operator_id: str, role: Role) -> Unit[Operator]:
        """Give an operator another role. The unit raises as `disable` does."""
        _check_role(role)
        now = self._clock()

        async def run(tx: Tx) -> Operator:
            if role != "owner":
                await _keep_an_owner(tx, operator_id)
            changed = msgspec.structs.replace(await _locked(tx, operator_id), role=role, updated_at=now)
            await tx.operators.update(changed)
            return changed

        return run

    def find(self, email_or_id: str) -> Unit[Operator]:
        """Find an operator by email or id. The unit raises `NotFound`."""

        async def run(tx: Tx) -> Operator:
            found = await tx.operators.by_id(email_or_id) or await tx.operators.by_email(email_or_id)
            if found is None:
                raise errors.NotFound(KIND, email_or_id)
            return found

        return run

    def opened(self, token: str) -> Unit[SetUpLink]:
        """Look at a link without using it. The unit raises `LinkRefused`."""
        hashed, now = token_hash(token), self._clock()

        async def run(tx: Tx) -> SetUpLink:
            link = _alive(await tx.operators.link_by_hash(hashed), now)
            return SetUpLink(link, await tx.operators.by_id(link.operator_id) if link.operator_id else None)

        return run

    async def begin(self, store: Store, token: str, email: str, password: str) -> Unit[Enrollment]:
        """Prepare the first half of a set-up: keep the password, enrol a factor. May be done again.

        `email` counts only for the link of a first start. Raises `LinkRefused`, `InvalidRequest` and
        `PasswordTooWeak`; the unit raises `LinkRefused`, and `Conflict` when the email is taken.
        """
        link, known = await store.read(self.opened(token))
        email = _checked_email(email if link.first or known is None else known.email)
        weak = passwords.check_strength(password, email=email)
        if weak:
            raise errors.PasswordTooWeak(*(Item("password", code, text) for code, text in weak))
        password_hash = await self._hasher.hash(password)
        request = EnrollFactor(type="totp", totp_issuer=self._issuer, totp_user=email)
        enroll = self._factors.enroll_alone(CONSOLE, request)
        now = self._clock()
        fresh_id = self._new_id(ids.OPERATOR)

        async def run(tx: Tx) -> Enrollment:
            latest = _alive(await tx.operators.lock_link(token_hash(token)), now)
            old = await tx.operators.lock(latest.operator_id) if latest.operator_id else None
            if old is not None and old.factor_id is not None:
                await tx.factors.delete(CONSOLE.number, old.factor_id)
                await tx.failures.clear(CONSOLE.number, old.factor_id)
            enrollment = await enroll(tx)
            operator = Operator(
                old.id if old else fresh_id,
                email,
                latest.role,
                "invited",
                password_hash,
                enrollment.factor.id,
                None,
                old.created_at if old else now,
                now,
            )
            kept = await (tx.operators.update(operator) if old else tx.operators.insert(operator))
            if not kept:
                raise _email_taken(email)
            await tx.operators.bind_link(token_hash(token), operator.id)
            return enrollment

        return run

    def finish(
        self, token: str, code: str, origin: Origin = NO_ORIGIN
    ) -> Unit[tuple[Operator, Verification]]:
        """Check the first code and spend the link: from then on the operator can sign in.

        A wrong code is an answer (`valid` False) and is counted. The unit raises `LinkRefused` and
        `TooManyAttempts`.
        """
        now = self._clock()

        async def run(tx: Tx) -> tuple[Operator, Verification]:
            link = _alive(await tx.operators.lock_link(token_hash(token)), now)
            operator = await tx.operators.lock(link.operator_id) if link.operator_id else None
            if operator is None or operator.factor_id is None:
                raise SetUpLinkRefused
            factor = await tx.factors.by_id(CONSOLE.number, operator.factor_id)
            if factor is None:
                raise SetUpLinkRefused
            challenge = await self._challenges.open(tx, CONSOLE, factor.id, now)
            outcome = await self._challenges.check(tx, CONSOLE, challenge.id, code, now)
            if not outcome.valid:
                return operator, outcome
            if not await tx.operators.spend_link(token_hash(token), now):
                raise SetUpLinkRefused
            if operator.role == "owner":
                # Nobody else can let an owner in: without the link there would be none until a restart.
                await tx.operators.drop_first_links()
            active = msgspec.structs.replace(operator, state="active", updated_at=now)
            await tx.operators.update(active)
            await self._audit.append(
                tx,
                Actor("operator", active.id, active.email),
                "operator.set_up",
                active.id,
                origin=origin,
            )
            return active, outcome

        return run

    def _life(self) -> tuple[int, int, None]:
        now = self._clock()
        return now, now + LINK_LIFE, None

    async def _link(self, tx: Tx, operator: Operator) -> str:
        token = random_token(self._entropy)
        link = OperatorLink(operator.id, operator.role, False, *self._life())  # noqa: FBT003 - a field
        await tx.operators.insert_link(token_hash(token), link)
        return token

    async def _withdraw(self, tx: Tx, operator: Operator, now: int) -> None:
        await tx.operators.drop_links_of(operator.id)
        await tx.operator_sessions.end_of(operator.id, now)
        if operator.factor_id is not None:
            await tx.factors.delete(CONSOLE.number, operator.factor_id)
            await tx.failures.clear(CONSOLE.number, operator.factor_id)


def _alive(link: OperatorLink | None, now: int) -> OperatorLink:
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise SetUpLinkRefused
    return link


async def _locked(tx: Tx, operator_id: str) -> Operator:
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
    return errors.Conflict("operator_exists", f"There is an operator with the email '{email}' already.")
