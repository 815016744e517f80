"""Environments and their API keys: tenants, and authentication of their requests."""

import hashlib
from typing import Final, Protocol

import msgspec

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import (
    ApiCaller,
    ApiKey,
    Clock,
    Entropy,
    Environment,
    EnvironmentOptions,
    MfaPolicy,
    TrustedDevicePolicy,
)
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.store import Store, Unit
from authfactor.wire import timestamps
from authfactor.wire.events import ChangedPolicy

KEY_PREFIX: Final = "sk_"
# Cached callers: every worker refuses a revoked key within a second.
CALLER_TTL_MS: Final = 900
MAX_CACHED: Final = 4096
MAX_DEVICE_DAYS: Final = 90
# Emails are verified where that is possible; environments of older releases go on as they are.
_NEW: Final = '{"sign_in":{"verify_email":"with_mail"}}'


def options_of(environment: Environment) -> EnvironmentOptions:
    """Decode an environment's options."""
    return msgspec.json.decode(environment.options, type=EnvironmentOptions)


class DeviceTerms(Protocol):
    """Whether devices are trusted, and for how many days."""

    @property
    def trusted_devices(self) -> TrustedDevicePolicy:
        """Whether they are."""

    @property
    def trusted_device_days(self) -> int:
        """For how many days."""


def trusts_more(options: DeviceTerms, than: DeviceTerms) -> bool:
    """Return whether options let devices replace codes where, or for longer than, other options do."""
    if options.trusted_devices == "off":
        return False
    return than.trusted_devices == "off" or options.trusted_device_days > than.trusted_device_days


def hash_of(key: str) -> bytes:
    """Return the stored form of an API key; 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _check_device_days(days: int) -> None:
    if not 1 <= days <= MAX_DEVICE_DAYS:
        text = f"trusted_device_days: a whole number from 1 to {MAX_DEVICE_DAYS}."
        raise InvalidRequest(Item("trusted_device_days", "trusted_device_days_invalid", text))


def _dated(text: str, known: Environment, now: int) -> str:
    """Return options as they are stored: those that switch trusted devices on say when.

    Else devices from before they were off would be trusted again.
    """
    options, before = msgspec.json.decode(text, type=EnvironmentOptions), options_of(known)
    switched_on = options.trusted_devices != "off" and before.trusted_devices == "off"
    # Never one that was before, whatever the clock: devices are bound to it.
    since = max(now, before.trusted_devices_since + 1) if switched_on else before.trusted_devices_since
    return msgspec.json.encode(msgspec.structs.replace(options, trusted_devices_since=since)).decode()


class Environments:
    """Creates environments and API keys, and authenticates callers by their keys."""

    def __init__(self, clock: Clock, entropy: Entropy, new_id: IdGenerator, log: EventLog) -> None:
        """Keep the collaborators; callers and the last use of keys are cached in memory."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._log = log
        # By the key itself, because hashing it would be a large part of a request. Emptied once a minute.
        self._known: dict[str, tuple[ApiCaller, int]] = {}
        self._used: dict[tuple[int, str], int] = {}
        self._in_process_keys: dict[bytes, ApiCaller] = {}

    def create(
        self, name: str, *, team_name: str, mfa_policy: MfaPolicy = "if_enrolled", client_id: str = ""
    ) -> Unit[Environment]:
        """Create an environment. Raises `InvalidRequest`.

        The unit raises `Conflict` when the name or the client id is taken.
        """
        if not name.strip():
            raise InvalidRequest(Item("name", "name_required", "name: required."))
        return self._create(name, team_name, mfa_policy, client_id)

    @installation_unit
    async def _create(
        self, scope: InstallationScope, name: str, team_name: str, mfa_policy: MfaPolicy, client_id: str
    ) -> Environment:
        return await self._insert(scope, name, team_name, mfa_policy, client_id)

    async def _insert(
        self, scope: InstallationScope, name: str, team_name: str, mfa_policy: MfaPolicy, client_id: str
    ) -> Environment:
        chosen, now = client_id or self._new_id(ids.CLIENT), scope.now
        number = await scope.tx.environments.next_number()
        environment = Environment(number, chosen, name, team_name, mfa_policy, _NEW, now, now)
        if not await scope.tx.environments.insert(environment):
            raise errors.Conflict(
                "environment_exists", f"An environment '{name}' or '{chosen}' already exists."
            )
        return environment

    @installation_unit
    async def by_client_id(self, scope: InstallationScope, client_id: str) -> Environment:
        """Return the environment with this client id. Raises `NotFound`."""
        found = await scope.tx.environments.by_client_id(client_id)
        if found is None:
            raise errors.NotFound("Client", client_id)
        return found

    @installation_unit
    async def find(self, scope: InstallationScope, name_or_client_id: str) -> Environment:
        """Return the environment with this client id or name. Raises `NotFound`."""
        found = await scope.tx.environments.by_client_id(name_or_client_id)
        found = found or await scope.tx.environments.by_name(name_or_client_id)
        if found is None:
            raise errors.NotFound("Environment", name_or_client_id)
        return found

    def update(
        self,
        environment: Environment,
        *,
        name: str | None = None,
        team_name: str | None = None,
        mfa_policy: MfaPolicy | None = None,
        options: EnvironmentOptions | None = None,
        if_updated_at: int | None = None,
    ) -> Unit[Environment]:
        """Change the given fields of an environment; None leaves a field as it is. Raises `InvalidRequest`.

        The unit raises `Conflict` when another environment has the name, and `Outdated` when the environment
        has changed since `if_updated_at`, the `updated_at` that the caller saw.
        """
        if options is not None:
            from authfactor.rules.tenants.page_urls import check_redirect, check_sign_in  # noqa: PLC0415 - for operators

            for url in options.page_redirects:
                check_redirect(url)
            _check_device_days(options.trusted_device_days)
            check_sign_in(options.sign_in)
            if options.sign_in_url is not None:
                check_redirect(options.sign_in_url, "sign_in_url", "sign_in_url_invalid")
        given = {
            "name": name,
            "team_name": team_name,
            "mfa_policy": mfa_policy,
            "options": None if options is None else msgspec.json.encode(options).decode(),
        }
        changes = {field: value for field, value in given.items() if value is not None}
        return self._update(environment, changes, if_updated_at)

    @unit
    async def _update(self, scope: Scope, changes: dict[str, str], if_updated_at: int | None) -> Environment:
        environments = scope.tx.environments
        # Locked and read again: the caller's copy may be older than a change by another process.
        known = await environments.lock(scope.number)
        if known is None:
            raise errors.NotFound("Environment", scope.environment.client_id)
        if if_updated_at not in {None, known.updated_at}:
            raise errors.Outdated(f"{known.name}, {known.team_name}, {known.mfa_policy}")
        name = changes.get("name")
        same = await environments.by_name(name) if name is not None else None
        if same is not None and same.number != known.number:
            raise errors.Conflict("environment_exists", f"An environment '{name}' already exists.")
        return await self._store(scope, known, changes)

    async def change(
        self, scope: Scope, known: Environment, policy: MfaPolicy, options: EnvironmentOptions
    ) -> Environment:
        """Store policy and options of an environment whose row is locked."""
        changes = {"mfa_policy": policy, "options": msgspec.json.encode(options).decode()}
        return await self._store(scope, known, changes)

    async def _store(self, scope: Scope, known: Environment, changes: dict[str, str]) -> Environment:
        # Later than before, even within one millisecond: it tells versions apart.
        updated_at = max(scope.now, known.updated_at + 1)
        if "options" in changes:
            changes = {**changes, "options": _dated(changes["options"], known, scope.now)}
        changed = msgspec.structs.replace(known, **changes, updated_at=updated_at)
        await scope.tx.environments.update(changed)
        await self._announce(scope, known, changed)
        return changed

    async def _announce(self, scope: Scope, known: Environment, changed: Environment) -> None:
        """Write the event of a changed policy."""
        before, after = options_of(known).mfa, options_of(changed).mfa
        terms = [(mfa.required_from, mfa.grace_days, mfa.methods, mfa.rules) for mfa in (before, after)]
        if known.mfa_policy != changed.mfa_policy or terms[0] != terms[1]:
            data = ChangedPolicy(
                changed.mfa_policy,
                known.mfa_policy,
                timestamps.format_optional(after.required_from),
                after.grace_days,
                len(after.rules),
            )
            await self._log.append(scope, event_log.POLICY_CHANGED, None, data)

    @unit
    async def new_key(self, scope: Scope, name: str, *, key: str = "") -> tuple[ApiKey, str]:
        """Create an API key; return it with its text, which is stored nowhere. A given `key` is used as is.

        Raises `Conflict` when the key exists already.
        """
        text = key or KEY_PREFIX + random_token(self._entropy)
        record = ApiKey(scope.number, self._new_id(ids.API_KEY), name, text[-4:], scope.now, None, None)
        if not await scope.tx.api_keys.insert(record, hash_of(text)):
            raise errors.Conflict(
                "api_key_exists", "This API key already exists, here or in another environment."
            )
        return record, text

    @unit
    async def revoke_key(self, scope: Scope, key_id: str) -> None:
        """Revoke a key. Raises `NotFound` when it is unknown or already revoked."""
        if not await scope.tx.api_keys.revoke(scope.number, key_id, scope.now):
            raise errors.NotFound("API key", key_id)

    def issue_in_process_key(self, environment: Environment) -> str:
        """Return a new key that only this process accepts and that is stored nowhere.

        For a client inside this process, which holds the key ring and needs no other credentials.
        """
        text = KEY_PREFIX + random_token(self._entropy)
        self._in_process_keys[hash_of(text)] = ApiCaller(environment, self._new_id(ids.API_KEY))
        return text

    @installation_unit
    async def ensure_first(
        self, scope: InstallationScope, *, team_name: str, client_id: str, key: str
    ) -> None:
        """Create the first environment and its key unless they exist; a restart changes nothing."""
        environments = scope.tx.environments
        known = await (environments.by_client_id(client_id) if client_id else environments.by_number(1))
        environment = known or await self._insert(scope, "default", team_name, "if_enrolled", client_id)
        if key:
            record_id = self._new_id(ids.API_KEY)
            record = ApiKey(environment.number, record_id, "bootstrap", key[-4:], scope.now, None, None)
            await scope.tx.api_keys.insert(record, hash_of(key))

    async def authenticate(self, store: Store, key: str) -> ApiCaller:
        """Return the caller that holds this key, from memory if it was looked up less than a second ago.

        Raises `Unauthorized` for an unknown or revoked key.
        """
        known, now = self._known.get(key), self._clock()
        # `abs`: a clock that is set back must not keep a caller in the cache.
        if known is None or abs(now - known[1]) > CALLER_TTL_MS:
            return await self._look_up(store, key, now)
        return known[0]

    async def _look_up(self, store: Store, key: str, now: int) -> ApiCaller:
        self._known.pop(key, None)
        secret_hash = hash_of(key)
        caller = await self._in_process_caller(store, secret_hash)
        if caller is None:
            found = await store.read(lambda tx: tx.api_keys.active_by_hash(secret_hash))
            if found is None:
                raise errors.Unauthorized
            caller = ApiCaller(found[1], found[0].id)
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[key] = caller, now
        self._used[caller.environment.number, caller.key_id] = now
        return caller

    async def _in_process_caller(self, store: Store, secret_hash: bytes) -> ApiCaller | None:
        """Return the caller of an in-process key, with its environment as it is now."""
        issued = self._in_process_keys.get(secret_hash)
        if issued is None:
            return None
        environment = await store.read(lambda tx: tx.environments.by_number(issued.environment.number))
        return None if environment is None else ApiCaller(environment, issued.key_id)

    def flush_last_used(self) -> Unit[None] | None:
        """Return a unit that stores when keys were last used, or None when none was; empties the caches.

        Called once a minute rather than on every request.
        """
        self._known.clear()
        used, self._used = self._used, {}
        return self._store_last_used(used) if used else None

    @installation_unit
    async def _store_last_used(self, scope: InstallationScope, used: dict[tuple[int, str], int]) -> None:
        for (environment, key_id), at in used.items():
            await scope.tx.api_keys.touch(environment, key_id, at)
