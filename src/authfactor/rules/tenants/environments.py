"""Environments and their API keys: who may ask, and for which tenant."""

import hashlib
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import ApiCaller, ApiKey, Clock, Entropy, Environment, EnvironmentOptions, MfaPolicy
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.settings import is_loopback
from authfactor.store import Store, Tx, Unit

KEY_PREFIX: Final = "sk_"
# A revoked key is refused within a second by every worker; until then its answer comes from memory.
TRUST_MILLISECONDS: Final = 900
MAX_CACHED: Final = 4096
# RFC 3986: what a URL is written with; anything else comes percent-encoded.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")
POLICIES: Final = ("off", "if_enrolled", "required")


def options_of(environment: Environment) -> EnvironmentOptions:
    """Read what an environment sets beyond its policy."""
    return msgspec.json.decode(environment.options, type=EnvironmentOptions)


def check_redirect(url: str) -> str:
    """Return a URL that pages may lead to; it is later compared whole, so it must be what applications send.

    HTTPS; plain HTTP on this machine; or an app's own scheme, which has a dot in it (RFC 8252 section 7.1).
    Raises `InvalidRequest`.
    """
    parts = urlsplit(url)
    own = "." in parts.scheme and not parts.netloc
    web = parts.scheme == "https" and bool(parts.hostname)
    written = _URL.fullmatch(url) and "@" not in parts.netloc and not parts.fragment
    if not written or not (own or web or is_loopback(url)):
        text = (
            f"page_redirects: '{url[:200]}' must be an https URL without user name and fragment"
            " (or http on this machine, or an app's own scheme such as org.example.app:/done)."
        )
        raise InvalidRequest(Item("page_redirects", "page_redirect_invalid", text))
    return url


def hash_of(key: str) -> bytes:
    """Return what is stored of an API key. 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Environments:
    """Creates environments and keys, and tells who a key belongs to."""

    def __init__(self, clock: Clock, entropy: Entropy, new_id: IdGenerator) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        # By the key itself: hashing it would be a large part of a request. Emptied with every note of use.
        self._known: dict[str, tuple[ApiCaller, int]] = {}
        self._used: dict[tuple[int, str], int] = {}
        self._in_process_keys: dict[bytes, ApiCaller] = {}

    def create(
        self, name: str, *, team_name: str, mfa_policy: MfaPolicy = "if_enrolled", client_id: str = ""
    ) -> Unit[Environment]:
        """Create an environment. The unit raises `Conflict` when name or client id is taken."""
        if not name.strip():
            raise InvalidRequest(Item("name", "name_required", "name: required."))
        now = self._clock()
        chosen = client_id or self._new_id(ids.CLIENT)

        async def run(tx: Tx) -> Environment:
            number = await tx.environments.next_number()
            environment = Environment(number, chosen, name, team_name, mfa_policy, "{}", now, now)
            if not await tx.environments.insert(environment):
                raise errors.Conflict(
                    "environment_exists", f"An environment '{name}' or '{chosen}' exists already."
                )
            return environment

        return run

    def by_client_id(self, client_id: str) -> Unit[Environment]:
        """Find an environment by its client id alone. The unit raises `NotFound`."""

        async def run(tx: Tx) -> Environment:
            found = await tx.environments.by_client_id(client_id)
            if found is None:
                raise errors.NotFound("Client", client_id)
            return found

        return run

    def find(self, name_or_client_id: str) -> Unit[Environment]:
        """Find an environment by its name or client id. The unit raises `NotFound`."""

        async def run(tx: Tx) -> Environment:
            found = await tx.environments.by_client_id(name_or_client_id)
            found = found or await tx.environments.by_name(name_or_client_id)
            if found is None:
                raise errors.NotFound("Environment", name_or_client_id)
            return found

        return run

    def update(
        self,
        environment: Environment,
        *,
        name: str | None = None,
        team_name: str | None = None,
        mfa_policy: MfaPolicy | None = None,
        options: EnvironmentOptions | None = None,
    ) -> Unit[Environment]:
        """Change an environment; None leaves a field as it is. Raises `InvalidRequest`.

        The unit raises `Conflict` when another environment has the name.
        """
        for url in options.page_redirects if options is not None else ():
            check_redirect(url)
        changed = msgspec.structs.replace(
            environment,
            name=environment.name if name is None else name,
            team_name=environment.team_name if team_name is None else team_name,
            mfa_policy=mfa_policy or environment.mfa_policy,
            options=environment.options if options is None else msgspec.json.encode(options).decode(),
            updated_at=self._clock(),
        )

        async def run(tx: Tx) -> Environment:
            same = await tx.environments.by_name(changed.name) if name is not None else None
            if same is not None and same.number != changed.number:
                raise errors.Conflict("environment_exists", f"An environment '{name}' exists already.")
            await tx.environments.update(changed)
            return changed

        return run

    def new_key(self, environment: Environment, name: str, *, key: str = "") -> Unit[tuple[ApiKey, str]]:
        """Create an API key and return it with its text, shown this once. A given `key` is kept as is."""
        text = key or KEY_PREFIX + random_token(self._entropy)
        record = ApiKey(
            environment.number, self._new_id(ids.API_KEY), name, text[-4:], self._clock(), None, None
        )

        async def run(tx: Tx) -> tuple[ApiKey, str]:
            if not await tx.api_keys.insert(record, hash_of(text)):
                raise errors.Conflict(
                    "api_key_exists", "This API key exists already, here or in another environment."
                )
            return record, text

        return run

    def revoke_key(self, environment: Environment, key_id: str) -> Unit[None]:
        """Revoke a key. The unit raises `NotFound` when it is unknown or revoked already."""
        now = self._clock()

        async def run(tx: Tx) -> None:
            if not await tx.api_keys.revoke(environment.number, key_id, now):
                raise errors.NotFound("API key", key_id)

        return run

    def issue_in_process_key(self, environment: Environment) -> str:
        """Make a key that only this process knows and that is stored nowhere, and return it.

        For a client inside the process that holds the key ring anyway: it has no other door to pass.
        """
        text = KEY_PREFIX + random_token(self._entropy)
        self._in_process_keys[hash_of(text)] = ApiCaller(environment, self._new_id(ids.API_KEY))
        return text

    def ensure_first(self, *, team_name: str, client_id: str, key: str) -> Unit[None]:
        """Make the first environment and its key if they are not there; starting again changes nothing."""
        create = self.create("default", team_name=team_name, client_id=client_id)
        now = self._clock()
        record_id = self._new_id(ids.API_KEY)

        async def run(tx: Tx) -> None:
            known = (
                await tx.environments.by_client_id(client_id)
                if client_id
                else await tx.environments.by_number(1)
            )
            environment = known or await create(tx)
            if key:
                record = ApiKey(environment.number, record_id, "bootstrap", key[-4:], now, None, None)
                await tx.api_keys.insert(record, hash_of(key))

        return run

    async def caller(self, store: Store, key: str) -> ApiCaller:
        """Tell who holds this key: from memory if it was looked up less than a second ago.

        Raises `Unauthorized` for an unknown or revoked key.
        """
        known, now = self._known.get(key), self._clock()
        # `abs`: a clock that jumps back must not make an old answer last.
        if known is None or abs(now - known[1]) > TRUST_MILLISECONDS:
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
        """Look the environment up again: its policy may have changed, or it may be gone."""
        vouched = self._in_process_keys.get(secret_hash)
        if vouched is None:
            return None
        environment = await store.read(lambda tx: tx.environments.by_number(vouched.environment.number))
        return None if environment is None else ApiCaller(environment, vouched.key_id)

    def flush_last_used(self) -> Unit[None] | None:
        """Write down when keys were last used; called now and then, not on every request."""
        self._known.clear()
        used, self._used = self._used, {}
        if not used:
            return None

        async def run(tx: Tx) -> None:
            for (environment, key_id), at in used.items():
                await tx.api_keys.touch(environment, key_id, at)

        return run
