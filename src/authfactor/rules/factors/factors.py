"""Factors: enroll, read, list, delete."""

from typing import Final

from msgspec import UNSET

from authfactor import errors, ids
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    Enrollment,
    Entropy,
    Environment,
    FactorDetails,
    FactorRecord,
    PageQuery,
    RecordPage,
    UserRecord,
)
from authfactor.otp import base32, key_uri, qr, totp
from authfactor.rules import pagination
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope, shared_unit, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire import requests, responses
from authfactor.wire.events import RenamedFactor

# A non-ASCII letter takes up to twelve characters in a URI, which contains the issuer twice.
_UNDRAWABLE: Final = Item(
    "totp_user",
    "totp_user_invalid",
    "totp_user and totp_issuer: together too long for a QR code in these letters. Shorten one of them.",
)

MAX_NAME: Final = 64
# Importers take this text for a reason to skip the factor.
_ENROLLED: Final = Item(
    "totp_secret",
    "factor_already_enrolled",
    "totp_secret: this factor already exists. The user has a factor with this secret.",
)


class Factors:
    """Enrolls, reads and deletes factors."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        challenges: Challenges,
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._challenges = challenges

    def enroll(
        self, environment: Environment, user_id: str, request: requests.EnrollUserFactor
    ) -> Unit[Enrollment]:
        """Enroll a user in a factor and open its first challenge.

        A factor whose secret the caller supplies is active at once: importers do not verify (contract 2.2).
        Raises `InvalidRequest`; the unit raises `NotFound`, and `InvalidRequest` for an email that cannot
        name the account, at the limit, and for a secret that the user already has (decision 0036).
        """
        items = _type_problems(request.type)
        secret = self._secret(request.totp_secret, items)
        issuer = _name(request.totp_issuer or environment.team_name, "totp_issuer", key_uri.MAX_ISSUER, items)
        given = _name(request.totp_user or "-", "totp_user", key_uri.MAX_ACCOUNT, items)
        if items:
            raise InvalidRequest(*items)
        account = given if request.totp_user else None
        return self._enroll(environment, user_id, issuer, account, secret, active=bool(request.totp_secret))

    @shared_unit
    async def _enroll(
        self, scope: Scope, user_id: str, issuer: str, account: str | None, secret: bytes, *, active: bool
    ) -> Enrollment:
        user = await self._lock_user(scope, user_id)
        name = _account_of(user) if account is None else account
        # Two generated secrets are never equal.
        known = await (self._refuse_duplicate(scope, user_id, secret) if active else _ids(scope, user_id))
        await self._enforce_limit(scope, user_id, known)
        made = self._new(scope, user_id, issuer, name, secret, active=active)
        await self._insert(scope, made)
        if active:
            from authfactor.rules.factors import activation  # noqa: PLC0415 - not needed at a start

            await activation.end_grace_of_enrolled(scope, self._log, user_id)
        challenge = await self._challenges.open(scope, made.factor.id)
        return Enrollment(made.factor, challenge, made.secret, made.uri, made.picture)

    def enroll_standalone(self, environment: Environment, request: requests.EnrollFactor) -> Unit[Enrollment]:
        """Enroll through the older route: names are required, a user is optional, no challenge is opened.

        Raises `InvalidRequest`; the unit raises `NotFound` for an unknown `user_id`.
        """
        items = _type_problems(request.type)
        if not items:
            for field, given in (("totp_issuer", request.totp_issuer), ("totp_user", request.totp_user)):
                if not given:
                    items.append(Item(field, f"{field}_required", f"{field}: required for a totp factor."))
        issuer = _name(request.totp_issuer or "-", "totp_issuer", key_uri.MAX_ISSUER, items)
        account = _name(request.totp_user or "-", "totp_user", key_uri.MAX_ACCOUNT, items)
        if items:
            raise InvalidRequest(*items)
        user_id = requests.without_nul(request.user_id) if request.user_id else None
        return self._enroll_standalone(environment, user_id, issuer, account)

    @shared_unit
    async def _enroll_standalone(
        self, scope: Scope, user_id: str | None, issuer: str, account: str
    ) -> Enrollment:
        if user_id is not None:
            await self._lock_user(scope, user_id)
            await self._enforce_limit(scope, user_id, await _ids(scope, user_id))
        secret = self._entropy(totp.SECRET_BYTES)
        made = self._new(scope, user_id, issuer, account, secret, active=False)
        await self._insert(scope, made)
        return made

    @unit
    async def get(self, scope: Scope, factor_id: str) -> FactorRecord:
        """Return a factor. Raises `NotFound`."""
        factor = await scope.tx.factors.by_id(scope.number, factor_id)
        if factor is None:
            raise errors.NotFound("Authentication Factor", factor_id)
        return factor

    @unit
    async def page(self, scope: Scope, user_id: str, query: PageQuery) -> RecordPage[FactorRecord]:
        """List a user's factors of the types that the environment lists.

        Raises `NotFound`, and `InvalidRequest` for an unknown cursor.
        """
        # A user who has factors exists, so only an empty page needs the lookup.
        if query.before or query.after:
            await self._check_user(scope, user_id)
        for field, cursor in (("before", query.before), ("after", query.after)):
            at = await scope.tx.factors.by_id(scope.number, cursor) if cursor else None
            if cursor and (at is None or at.user_id != user_id):
                raise pagination.unknown_cursor(field, cursor)
        types = options_of(scope.environment).listed_factor_types
        items, more_before, more_after = await scope.tx.factors.page(scope.number, user_id, query, types)
        if not items:
            await self._check_user(scope, user_id)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    @unit
    async def of_user(self, scope: Scope, user_id: str) -> list[FactorDetails]:
        """List all factors of a user, newest first, with their names. Raises `NotFound`."""
        await self._check_user(scope, user_id)
        return (await scope.tx.factors.details_of_user(scope.number, user_id))[::-1]

    def rename(
        self, environment: Environment, factor_id: str, request: requests.RenameFactor
    ) -> Unit[FactorDetails]:
        """Name a factor, or remove its name. Raises `InvalidRequest`; the unit raises `NotFound`."""
        name = None if request.name is None or request.name is UNSET else request.name.strip()
        if request.name is UNSET:
            raise InvalidRequest(Item("name", "name_required", "name: required; null removes the name."))
        if name is not None and not (0 < len(name) <= MAX_NAME and name.isprintable()):
            text = f"name: 1 to {MAX_NAME} characters, all of them visible."
            raise InvalidRequest(Item("name", "name_invalid", text))
        return self._rename(environment, factor_id, name)

    @unit
    async def _rename(self, scope: Scope, factor_id: str, name: str | None) -> FactorDetails:
        await scope.tx.factors.rename(scope.number, factor_id, name, scope.now)
        factor = await scope.tx.factors.details(scope.number, factor_id)
        if factor is None:
            raise errors.NotFound("Authentication Factor", factor_id)
        renamed = RenamedFactor(factor_id, factor.user_id, name)
        await self._log.append(scope, event_log.FACTOR_RENAMED, factor.user_id, renamed)
        return factor

    async def _check_user(self, scope: Scope, user_id: str) -> None:
        if await scope.tx.users.by_id(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)

    @unit
    async def delete(self, scope: Scope, factor_id: str) -> None:
        """Delete a factor, which ends its open challenges. Raises `NotFound`."""
        factor = await scope.tx.factors.by_id(scope.number, factor_id)
        if factor is not None and factor.user_id is not None:
            # Else a concurrent unit could make recovery codes for the factor that goes.
            await scope.tx.users.lock(scope.number, factor.user_id)
        if factor is not None and not factor.is_totp:
            # First, as an assertion locks them in this order.
            await scope.tx.passkeys.delete(scope.number, factor_id)
        if factor is None or not await scope.tx.factors.delete(scope.number, factor_id):
            raise errors.NotFound("Authentication Factor", factor_id)
        await self._emit(scope, event_log.FACTOR_DELETED, factor)
        if factor.user_id is not None:
            from authfactor.rules.factors import deletion  # noqa: PLC0415 - seldom

            if factor.is_active:
                await deletion.end_trusted_devices(scope, self._log, factor.user_id)
            await deletion.withdraw(scope, factor.user_id, [factor])

    @unit
    async def reset(self, scope: Scope, user_id: str) -> int:
        """Delete all factors and failed attempts of a user, for example after the phone was lost.

        Returns how many factors there were. Raises `NotFound`.
        """
        if await scope.tx.users.lock(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        factors = await scope.tx.factors.of_user(scope.number, user_id)
        await scope.tx.passkeys.delete_of_user(scope.number, user_id)
        for factor in factors:
            await scope.tx.factors.delete(scope.number, factor.id)
            await self._emit(scope, event_log.FACTOR_DELETED, factor)
        await scope.tx.failures.clear(scope.number, user_id)
        from authfactor.rules.factors import deletion  # noqa: PLC0415 - seldom

        await deletion.end_trusted_devices(scope, self._log, user_id)
        await deletion.withdraw(scope, user_id, factors)
        return len(factors)

    def _secret(self, given: str | None, items: list[Item]) -> bytes:
        if given is None:
            return self._entropy(totp.SECRET_BYTES)
        try:
            return base32.decode(given, min_bytes=self._settings.min_secret)
        except base32.InvalidBase32 as error:
            items.append(Item("totp_secret", "totp_secret_invalid", f"totp_secret: {error}"))
            return b""

    def _new(
        self, scope: Scope, user_id: str | None, issuer: str, account: str, secret: bytes, *, active: bool
    ) -> Enrollment:
        """Build a factor with its URI and QR code. Raises `InvalidRequest` for a URI too long for one."""
        factor_id, now = self._new_id(ids.FACTOR), scope.now
        sealed = self._vault.seal(secret, secret_row(scope.number, factor_id))
        text, activated_at = base32.encode(secret), now if active else None
        factor = FactorRecord(factor_id, user_id, issuer, account, sealed, activated_at, 0, now, now)
        uri = key_uri.uri(issuer=issuer, account=account, secret=text)
        if len(uri) > qr.MAX_BYTES:
            raise InvalidRequest(_UNDRAWABLE)
        return Enrollment(factor, None, text, uri, qr.Drawing(uri))

    async def _insert(self, scope: Scope, made: Enrollment) -> None:
        await scope.tx.factors.insert(scope.number, made.factor)
        await self._emit(scope, event_log.FACTOR_ENROLLED, made.factor)
        # This process is idle while the disk or the database commits (decision 0027).
        scope.tx.during_commit.append(made.picture)

    async def _lock_user(self, scope: Scope, user_id: str) -> UserRecord:
        """Return the user, locked against changes until the unit ends. Raises `NotFound`."""
        user = await scope.tx.users.lock(scope.number, user_id)
        if user is None:
            raise errors.NotFound("User", user_id)
        return user

    async def _refuse_duplicate(self, scope: Scope, user_id: str, secret: bytes) -> list[str]:
        """Return the ids of a user's factors; raise `InvalidRequest` if one of them has this secret.

        Each of its codes would be good twice. The user's row is locked, so of any number of concurrent
        enrollments exactly one finds no such factor.
        """
        factors = await scope.tx.factors.of_user(scope.number, user_id)
        for factor in factors:
            if not factor.is_totp:
                continue
            other = self._vault.unseal(factor.secret, secret_row(scope.number, factor.id))
            if totp.is_same_secret(secret, other):
                raise InvalidRequest(_ENROLLED, message="Validation failed: this factor already exists.")
        return [factor.id for factor in factors]

    async def enforce_limit(self, scope: Scope, user_id: str, other_than: str | None = None) -> None:
        """Raise `InvalidRequest` if a user, who is locked, has as many other factors as a user may have."""
        await self._enforce_limit(scope, user_id, [n for n in await _ids(scope, user_id) if n != other_than])

    async def _enforce_limit(self, scope: Scope, user_id: str, known: list[str]) -> None:
        """Delete a user's pending factors that have expired; raise `InvalidRequest` at the limit.

        `known` are the ids of the user's factors, oldest first.
        """
        stale = scope.now - self._settings.pending_factor_life * 1000
        count = len(known)
        # Ids hold their creation time and come oldest first, so usually no row has to be read.
        if known and ids.milliseconds_of(known[0]) < stale:
            for factor in await scope.tx.factors.of_user(scope.number, user_id):
                if factor.activated_at is None and factor.created_at < stale:
                    await scope.tx.factors.delete(scope.number, factor.id)
                    count -= 1
        limit = self._settings.max_factors_per_user
        if count >= limit:
            text = f"The user has {count} factors and may have at most {limit}. Delete one first."
            raise InvalidRequest(Item("user_id", "factor_limit_reached", text))

    async def _emit(self, scope: Scope, name: str, factor: FactorRecord) -> None:
        data = responses.factor(factor)
        await self._log.append(scope, name, factor.user_id, data, noticed=factor.is_active)


async def _ids(scope: Scope, user_id: str) -> list[str]:
    return await scope.tx.factors.ids_of_user(scope.number, user_id)


def _account_of(user: UserRecord) -> str:
    """Return the user's email as account name. Raises `InvalidRequest` when it cannot be one."""
    items: list[Item] = []
    account = _name(user.email, "totp_user", key_uri.MAX_ACCOUNT, items)
    if items:
        raise InvalidRequest(*items)
    return account


def _type_problems(given: str | None) -> list[Item]:
    if given == "totp":
        return []
    if not given:
        return [Item("type", "type_required", "type: required; the only supported type is totp.")]
    return [Item("type", "type_not_supported", "type: the only supported type is totp.")]


def _name(given: str, field: str, longest: int, items: list[Item]) -> str:
    try:
        return key_uri.check_name(given, max_length=longest)
    except key_uri.InvalidLabel as error:
        items.append(Item(field, f"{field}_invalid", f"{field} {error}."))
        return "-"
