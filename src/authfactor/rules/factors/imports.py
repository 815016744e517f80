"""Imports factors of other systems, many at a time, and each secret of a user once (decision 0054).

An imported factor is active at once. Its time steps up to now are spent, so that no code that was good at the
other system a moment ago is good here.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from authfactor import ids
from authfactor.crypto.vault import UnsealError, Vault
from authfactor.email_identity import email_key
from authfactor.factor_files.entries import FactorEntry
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Environment, FactorRecord, UserRecord
from authfactor.otp import key_uri, totp
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import activation
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire import responses

_PURPOSE: Final = "imported factor"

OwnerKind = Literal["email", "external_id", "id"]
Status = Literal["imported", "exists", "user_unknown", "refused"]


class Owner(NamedTuple):
    """Whose factor it is: an email, the application's own id of the user, or the user's id here."""

    kind: OwnerKind
    value: str


class WantedFactor(NamedTuple):
    """An entry of a file, and whose factor it is to be."""

    owner: Owner
    entry: FactorEntry


class ImportOutcome(NamedTuple):
    """What became of an entry; `code` says why it was refused."""

    status: Status
    code: str | None = None
    user_id: str | None = None
    factor_id: str | None = None


class ImportPreviewed(Exception):
    """Carries the outcomes of an import that was rolled back."""

    def __init__(self, outcomes: list[ImportOutcome]) -> None:
        """Keep what the import would have done."""
        super().__init__("previewed")
        self.outcomes = outcomes


class _Owned(NamedTuple):
    """What a user has: the number of factors that count, their secrets, and what was imported before."""

    email: str
    total: int
    keys: dict[bytes, str]
    digests: dict[str, str]


class FactorImports:
    """Imports factors."""

    def __init__(
        self, clock: Clock, new_id: IdGenerator, vault: Vault, log: EventLog, settings: Settings
    ) -> None:
        """Keep the collaborators; `vault` seals secrets and makes their digests."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings

    def preview(
        self, environment: Environment, wanted: Sequence[WantedFactor], *, create_users: bool = False
    ) -> Unit[list[ImportOutcome]]:
        """Like `run`, but rolled back: the unit raises `ImportPreviewed` with the outcomes."""
        run = self.run(environment, wanted, create_users=create_users)

        async def roll_back(tx: object) -> list[ImportOutcome]:
            raise ImportPreviewed(await run(tx))  # type: ignore[arg-type]  # a transaction, as for any unit

        return roll_back

    @unit
    async def run(
        self, scope: Scope, wanted: Sequence[WantedFactor], *, create_users: bool = False
    ) -> list[ImportOutcome]:
        """Import factors in one unit; return the outcomes in order.

        `create_users`: users that are unknown are created, without a password.
        """
        found = await self._find(scope, [each.owner for each in wanted])
        if create_users:
            await self._create_users(scope, wanted, found)
        emails = dict(found.values())
        locked = await scope.tx.imported_factors.lock(scope.number, emails)
        owned = await self._owned(scope, emails, locked)
        outcomes: list[ImportOutcome] = []
        made: list[tuple[FactorRecord, str]] = []
        for owner, entry in wanted:
            user_id = found.get(_key(owner), ("", ""))[0]
            if user_id not in owned:
                outcomes.append(ImportOutcome("user_unknown"))
                continue
            outcome, factor = self._judge(scope, user_id, owned, entry)
            outcomes.append(outcome)
            if factor is not None:
                made.append(factor)
        await self._insert(scope, made)
        return outcomes

    async def _find(self, scope: Scope, owners: Sequence[Owner]) -> dict[Owner, tuple[str, str]]:
        """Return id and email of each owner that there is."""
        table = scope.tx.imported_factors
        found: dict[Owner, tuple[str, str]] = {}
        look_ups = (("email", table.by_email), ("external_id", table.by_external_id), ("id", table.by_id))
        for kind, look_up in look_ups:
            values = {owner.value for owner in owners if owner.kind == kind}
            users = await look_up(scope.number, values)
            found |= {Owner(kind, value): (user.id, user.email) for value, user in users.items()}  # type: ignore[arg-type]  # one of the three
        return found

    async def _create_users(
        self, scope: Scope, wanted: Sequence[WantedFactor], found: dict[Owner, tuple[str, str]]
    ) -> None:
        from authfactor.rules.tenants.users import is_email  # noqa: PLC0415 - where users are created

        created: list[tuple[str | None, object]] = []
        for owner, entry in wanted:
            key = _key(owner)
            email = owner.value if owner.kind == "email" else entry.email
            if key in found or owner.kind == "id" or not email or not is_email(email):
                continue
            external_id = owner.value if owner.kind == "external_id" else None
            user = _new_user(self._new_id(ids.USER), email.strip(), external_id, scope.now)
            if await scope.tx.users.insert(scope.number, user):
                created.append((user.id, responses.user(user)))
                found[key] = user.id, user.email
        await self._log.append_each(scope, event_log.USER_CREATED, created)

    async def _owned(self, scope: Scope, emails: dict[str, str], locked: set[str]) -> dict[str, _Owned]:
        """Return what each locked user has."""
        table, number = scope.tx.imported_factors, scope.number
        factors, secrets = await table.factors_of(number, locked), await table.secrets_of(number, locked)
        stale = scope.now - self._settings.pending_factor_life * 1000
        owned = {}
        for user_id in locked:
            counted = [
                factor
                for factor in factors.get(user_id, [])
                if factor.activated_at is not None or factor.created_at >= stale
            ]
            keys = {self._hmac_key(scope, factor): factor.id for factor in counted if factor.is_totp}
            digests = {each.digest: each.factor_id for each in secrets.get(user_id, [])}
            owned[user_id] = _Owned(emails[user_id], len(counted), keys, digests)
        return owned

    def _hmac_key(self, scope: Scope, factor: FactorRecord) -> bytes:
        try:
            secret = self._vault.unseal(factor.secret, secret_row(scope.number, factor.id))
        except UnsealError:
            # What cannot be opened cannot be verified either.
            return b""
        return totp.hmac_key(secret, factor.algorithm)

    def _judge(
        self, scope: Scope, user_id: str, owned: dict[str, _Owned], entry: FactorEntry
    ) -> tuple[ImportOutcome, tuple[FactorRecord, str] | None]:
        """Return the outcome of an entry, and the factor to insert with the digest of its secret."""
        has = owned[user_id]
        key = totp.hmac_key(entry.secret, entry.profile.algorithm)
        digests = self._vault.digests(_PURPOSE, f"{scope.number}\0{user_id}\0{key.hex()}")
        before = [has.digests[each] for each in digests if each in has.digests]
        known = has.keys.get(key) or (before[0] if before else None)
        if known is not None:
            return ImportOutcome("exists", None, user_id, known), None
        if len(entry.secret) < self._settings.min_secret:
            return ImportOutcome("refused", "secret_length", user_id), None
        if has.total >= self._settings.max_factors_per_user:
            return ImportOutcome("refused", "factor_limit_reached", user_id), None
        factor = self._factor(scope, user_id, has.email, entry)
        has.keys[key] = factor.id
        owned[user_id] = has._replace(total=has.total + 1)
        digest = self._vault.digest(_PURPOSE, f"{scope.number}\0{user_id}\0{key.hex()}")
        return ImportOutcome("imported", None, user_id, factor.id), (factor, digest)

    def _factor(self, scope: Scope, user_id: str, email: str, entry: FactorEntry) -> FactorRecord:
        factor_id, now, profile = self._new_id(ids.FACTOR), scope.now, entry.profile
        drift = entry.drift if self._settings.learn_drift else 0
        # Codes of a clock that is ahead are those of later steps. One that is behind waits so much longer.
        spent = totp.step_at(now // 1000, profile.period) + self._settings.window + max(drift, 0)
        return FactorRecord(
            factor_id,
            user_id,
            _name(entry.issuer, key_uri.MAX_ISSUER) or scope.environment.team_name,
            _name(entry.account, key_uri.MAX_ACCOUNT) or _name(email, key_uri.MAX_ACCOUNT) or "-",
            self._vault.seal(entry.secret, secret_row(scope.number, factor_id)),
            now,
            spent,
            now,
            now,
            drift,
            algorithm=profile.algorithm,
            digits=profile.digits,
            period=profile.period,
        )

    async def _insert(self, scope: Scope, made: list[tuple[FactorRecord, str]]) -> None:
        await scope.tx.imported_factors.insert(scope.number, made, scope.now)
        events = [(factor.user_id, responses.factor(factor)) for factor, _ in made]
        await self._log.append_each(scope, event_log.FACTOR_IMPORTED, events)
        for user_id in dict.fromkeys(factor.user_id or "" for factor, _ in made):
            await activation.end_grace_of_enrolled(scope, self._log, user_id)


def _key(owner: Owner) -> Owner:
    """Return an owner as users are found by: the email in the form that decides whether two are the same."""
    return Owner("email", email_key(owner.value)) if owner.kind == "email" else owner


def _name(text: str | None, longest: int) -> str | None:
    """Return a name that may be shown and written into a URI, or None: other systems allow more."""
    try:
        return None if text is None else key_uri.check_name(text, max_length=longest)
    except key_uri.InvalidLabel:
        return None


def _new_user(user_id: str, email: str, external_id: str | None, now: int) -> UserRecord:
    return UserRecord(
        id=user_id,
        email=email,
        email_verified=False,
        first_name=None,
        last_name=None,
        name=None,
        profile_picture_url=None,
        external_id=external_id,
        metadata="{}",
        locale=None,
        last_sign_in_at=None,
        created_at=now,
        updated_at=now,
        password_hash=None,
    )
