"""Factors: enrol, read, list, delete."""

from typing import Final

from authfactor import errors, ids
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    Enrollment,
    Entropy,
    Environment,
    FactorRecord,
    PageQuery,
    RecordPage,
    UserRecord,
)
from authfactor.otp import base32, key_uri, qr, totp
from authfactor.rules import pagination
from authfactor.rules.authentication.sessions import ONE_STEP
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges, secret_row
from authfactor.settings import Settings
from authfactor.store import Tx, Unit
from authfactor.wire import requests, responses

# Letters beyond ASCII take up to twelve characters each in a URI, and the issuer is in it twice.
_UNDRAWABLE: Final = Item(
    "totp_user",
    "totp_user_invalid",
    "totp_user and totp_issuer: together too long for a QR picture in these letters. Shorten one of them.",
)


class Factors:
    """Enrols, reads and deletes factors."""

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
        """Take what the rules may use."""
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
        """Enrol a user in a factor and open its first challenge.

        A secret that the caller brings is active at once: an importer never verifies (contract 2.2).
        Raises `InvalidRequest`; the unit raises it too, where it is about the user, and `NotFound`.
        """
        items = _type_problems(request.type)
        secret = self._secret(request.totp_secret, items)
        issuer = _name(request.totp_issuer or environment.team_name, "totp_issuer", key_uri.MAX_ISSUER, items)
        given = _name(request.totp_user or "-", "totp_user", key_uri.MAX_ACCOUNT, items)
        if items:
            raise InvalidRequest(*items)
        now = self._clock()
        active = bool(request.totp_secret)

        async def run(tx: Tx) -> Enrollment:
            user = await self._lock_user(tx, environment, user_id)
            account = given if request.totp_user else _account_of(user)
            await self._enforce_limit(tx, environment, user_id, now)
            made = self._prepare(environment, user_id, issuer, account, secret, now, active=active)
            await self._insert(tx, environment, made, now)
            challenge = await self._challenges.open(tx, environment, made.factor.id, now)
            return Enrollment(made.factor, challenge, made.secret, made.uri, made.picture)

        return run

    def enroll_alone(self, environment: Environment, request: requests.EnrollFactor) -> Unit[Enrollment]:
        """Enrol by the older route: names are required, a user is optional, no challenge is opened.

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
        now = self._clock()
        secret = self._entropy(totp.SECRET_BYTES)
        user_id = requests.without_nul(request.user_id) if request.user_id else None

        async def run(tx: Tx) -> Enrollment:
            if user_id is not None:
                await self._lock_user(tx, environment, user_id)
                await self._enforce_limit(tx, environment, user_id, now)
            made = self._prepare(environment, user_id, issuer, account, secret, now, active=False)
            await self._insert(tx, environment, made, now)
            return made

        return run

    def get(self, environment: Environment, factor_id: str) -> Unit[FactorRecord]:
        """Read one factor. The unit raises `NotFound`."""

        async def run(tx: Tx) -> FactorRecord:
            factor = await tx.factors.by_id(environment.number, factor_id)
            if factor is None:
                raise errors.NotFound("Authentication Factor", factor_id)
            return factor

        return run

    def page(
        self, environment: Environment, user_id: str, query: PageQuery
    ) -> Unit[RecordPage[FactorRecord]]:
        """List a user's factors. The unit raises `NotFound`, and `InvalidRequest` for an unknown cursor."""

        async def run(tx: Tx) -> RecordPage[FactorRecord]:
            # A user with factors is there: only for an empty list has that to be looked up.
            if query.before or query.after:
                await self._check(tx, environment, user_id)
            for field, cursor in (("before", query.before), ("after", query.after)):
                at = await tx.factors.by_id(environment.number, cursor) if cursor else None
                if cursor and (at is None or at.user_id != user_id):
                    raise pagination.unknown_cursor(field, cursor)
            items, more_before, more_after = await tx.factors.page(environment.number, user_id, query)
            if not items:
                await self._check(tx, environment, user_id)
            return pagination.page(items, query, more_before=more_before, more_after=more_after)

        return run

    async def _check(self, tx: Tx, environment: Environment, user_id: str) -> None:
        if await tx.users.by_id(environment.number, user_id) is None:
            raise errors.NotFound("User", user_id)

    def delete(self, environment: Environment, factor_id: str) -> Unit[None]:
        """Delete a factor; its open challenges die with it. The unit raises `NotFound`."""
        now = self._clock()

        async def run(tx: Tx) -> None:
            factor = await tx.factors.by_id(environment.number, factor_id)
            if factor is None or not await tx.factors.delete(environment.number, factor_id):
                raise errors.NotFound("Authentication Factor", factor_id)
            await self._emit(tx, environment, event_log.FACTOR_DELETED, factor, now)
            if factor.user_id is not None:
                await self._withdraw(tx, environment, factor.user_id, now)

        return run

    def reset(self, environment: Environment, user_id: str) -> Unit[int]:
        """Delete all factors of a user and forget the wrong codes: for somebody who has lost the phone.

        Returns how many factors there were. The unit raises `NotFound`.
        """
        now = self._clock()

        async def run(tx: Tx) -> int:
            if await tx.users.lock(environment.number, user_id) is None:
                raise errors.NotFound("User", user_id)
            factors = await tx.factors.of_user(environment.number, user_id)
            for factor in factors:
                await tx.factors.delete(environment.number, factor.id)
                await self._emit(tx, environment, event_log.FACTOR_DELETED, factor, now)
            await tx.failures.clear(environment.number, user_id)
            await self._withdraw(tx, environment, user_id, now)
            return len(factors)

        return run

    async def _withdraw(self, tx: Tx, environment: Environment, user_id: str, now: int) -> None:
        """Without an active factor no session may go on claiming one (its next token says `pwd` alone)."""
        left = await tx.factors.of_user(environment.number, user_id)
        if all(factor.activated_at is None for factor in left):
            await tx.sessions.forget_code(environment.number, user_id, ONE_STEP, now)

    def _secret(self, given: str | None, items: list[Item]) -> bytes:
        if given is None:
            return self._entropy(totp.SECRET_BYTES)
        try:
            return base32.decode(given, min_bytes=self._settings.min_secret)
        except base32.InvalidBase32 as error:
            items.append(Item("totp_secret", "totp_secret_invalid", f"totp_secret: {error}"))
            return b""

    def _prepare(
        self,
        environment: Environment,
        user_id: str | None,
        issuer: str,
        account: str,
        secret: bytes,
        now: int,
        *,
        active: bool,
    ) -> Enrollment:
        factor_id = self._new_id(ids.FACTOR)
        sealed = self._vault.seal(secret, secret_row(environment.number, factor_id))
        activated_at = now if active else None
        factor = FactorRecord(factor_id, user_id, issuer, account, sealed, activated_at, 0, now, now)
        text = base32.encode(secret)
        uri = key_uri.uri(issuer=issuer, account=account, secret=text)
        if len(uri) > qr.MAX_BYTES:
            raise InvalidRequest(_UNDRAWABLE)
        return Enrollment(factor, None, text, uri, qr.Drawing(uri))

    async def _insert(self, tx: Tx, environment: Environment, made: Enrollment, now: int) -> None:
        await tx.factors.insert(environment.number, made.factor)
        await self._emit(tx, environment, event_log.FACTOR_ENROLLED, made.factor, now)
        # The disk or the database has the commit to do, this process has not (decision 0027).
        tx.during_commit.append(made.picture)

    async def _lock_user(self, tx: Tx, environment: Environment, user_id: str) -> UserRecord:
        """Find the user, whom nobody else changes until the unit ends. Raises `NotFound`."""
        user = await tx.users.lock(environment.number, user_id)
        if user is None:
            raise errors.NotFound("User", user_id)
        return user

    async def _enforce_limit(self, tx: Tx, environment: Environment, user_id: str, now: int) -> None:
        """Drop a user's factors that were never confirmed in time, refuse one too many."""
        stale = now - self._settings.pending_factor_life * 1000
        known = await tx.factors.ids_of_user(environment.number, user_id)
        count = len(known)
        # An id tells when it was made, and the oldest comes first: mostly there is nothing to look at.
        if known and ids.milliseconds_of(known[0]) < stale:
            for factor in await tx.factors.of_user(environment.number, user_id):
                if factor.activated_at is None and factor.created_at < stale:
                    await tx.factors.delete(environment.number, factor.id)
                    count -= 1
        most = self._settings.max_factors_per_user
        if count >= most:
            text = f"The user has {count} factors and may have at most {most}. Delete one first."
            raise InvalidRequest(Item("user_id", "factor_limit_reached", text))

    async def _emit(
        self, tx: Tx, environment: Environment, name: str, factor: FactorRecord, now: int
    ) -> None:
        await self._log.append(tx, environment.number, name, factor.user_id, responses.factor(factor), now)


def _account_of(user: UserRecord) -> str:
    """Name the account by the user's email. Raises `InvalidRequest`."""
    items: list[Item] = []
    account = _name(user.email, "totp_user", key_uri.MAX_ACCOUNT, items)
    if items:
        raise InvalidRequest(*items)
    return account


def _type_problems(given: str | None) -> list[Item]:
    if given == "totp":
        return []
    if not given:
        return [Item("type", "type_required", "type: required; the only type offered is totp.")]
    return [Item("type", "type_not_supported", "type: the only type offered is totp.")]


def _name(given: str, field: str, longest: int, items: list[Item]) -> str:
    try:
        return key_uri.check_name(given, longest=longest)
    except key_uri.InvalidLabel as error:
        items.append(Item(field, f"{field}_invalid", f"{field} {error}."))
        return "-"
