"""`Authfactor`: one open installation. It owns the clock and the entropy source and wires everything else.

Callers (HTTP, the command line, your Python code) prepare a unit with one of its rule objects and `run` it:
`await af.run(af.challenges.verify(environment, challenge_id, code))`.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from authfactor import errors
from authfactor.crypto import keyring
from authfactor.crypto.passwords import PRODUCTION, Profile
from authfactor.crypto.vault import Key, Vault
from authfactor.deferred_rules import DeferredRules
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy
from authfactor.rules.audit.audit_log import AuditLog
from authfactor.rules.audit.event_digests import SEALED
from authfactor.rules.authentication.password_attempts import PasswordAttempts
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.rules.authentication.password_throttling import PasswordThrottling
from authfactor.rules.authentication.repeated_sign_ins import RepeatedSignIns
from authfactor.rules.authentication.second_step import SecondStep
from authfactor.rules.authentication.sessions import Sessions
from authfactor.rules.authentication.sign_in import SignIn
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp
from authfactor.rules.authentication.token_signing import TokenSigning
from authfactor.rules.events.deliveries import Deliveries
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.events.webhook_endpoints import WebhookEndpoints
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factors import Factors
from authfactor.rules.maintenance.key_rotation import KeyRotation
from authfactor.rules.tenants.environments import Environments
from authfactor.rules.tenants.users import Users
from authfactor.settings import Settings, server_url
from authfactor.store import Store, Unit
from authfactor.store.opening import NoInstallation, open_store

T = TypeVar("T")
# 2020-01-01, years before this release: an earlier clock has never been set.
MIN_CLOCK_MS: Final = 1_577_836_800_000


def system_clock() -> int:
    """Return the time in milliseconds since the epoch, rounded down."""
    return time.time_ns() // 1_000_000


def check_clock(now: int) -> None:
    """Raise `ClockNotSet` for a clock that was never set: codes would be wrong, and locks permanent."""
    if now < MIN_CLOCK_MS:
        shown = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        raise ClockNotSet(f"This machine's clock says {shown} UTC. Set the clock (NTP), then start again.")


class ClockNotSet(errors.AuthfactorError):
    """This machine's clock has never been set."""

    code = "clock_not_set"


def system_entropy(count: int) -> bytes:
    """Return random bytes from the operating system."""
    return os.urandom(count)


class Authfactor(DeferredRules):
    """One open installation."""

    def __init__(
        self, settings: Settings, store: Store, vault: Vault, clock: Clock, entropy: Entropy, profile: Profile
    ) -> None:
        """Wire the rules; callers use `open`."""
        self.new_id = new_id = IdGenerator(clock, entropy)
        self.events = log = EventLog(clock, new_id, self.send_notice)
        self.settings = settings
        self.store = store
        self.vault = vault
        self.clock = clock
        self.entropy = entropy
        self.hasher = PasswordHasher(entropy, settings, profile)
        self.environments = Environments(clock, entropy, new_id, log)
        self.webhooks = WebhookEndpoints(clock, entropy, new_id, vault, settings)
        self.deliveries = Deliveries(clock, self.webhooks, log, settings)
        self.throttling = throttling = PasswordThrottling(vault, settings)
        raising, passkeys = lambda: self.session_checks.raising, lambda: self.passkey_challenges
        made_later = lambda: self.recovery_codes, raising, passkeys
        self.challenges = Challenges(clock, new_id, vault, log, settings, *made_later)
        self.token_signing = TokenSigning(clock, entropy, new_id, vault, settings)
        self.step_up = step_up = StepUp(
            entropy,
            settings,
            self.challenges,
            log,
            lambda: self.trusted_devices.tokens,
            lambda: self.email_flows.email_verifications,
        )
        self.sessions = Sessions(clock, entropy, new_id, vault, log, settings, self.token_signing, step_up)
        self.users = Users(clock, new_id, self.hasher, log, settings, self.sessions, throttling)
        events = SignInEvents(log)
        self.repeated_sign_ins = repeated = RepeatedSignIns(vault, self.sessions)
        made_with = (clock, events, self.challenges, self.sessions, repeated, step_up)
        self.second_step = SecondStep(*made_with, lambda: self.trusted_devices.sign_in, passkeys)
        self.attempts = attempts = PasswordAttempts(clock, log, throttling, events)
        self.sign_in = SignIn(clock, self.hasher, attempts, events, self.sessions, step_up, self.second_step)
        self.factors = Factors(clock, entropy, new_id, vault, log, settings, self.challenges)
        self.key_rotation = KeyRotation(clock, new_id(""))
        self.audit = AuditLog(clock, entropy, vault)

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = os.urandom,
        profile: Profile = PRODUCTION,
        create: bool = True,
    ) -> "Authfactor":
        """Open key ring and database, creating both at the first start, and ensure the first environment.

        Without `create`, only an existing installation is opened. Raises `ClockNotSet`,
        `keyring.KeyRingUnusable`, `store.opening.WrongSchema`, `errors.Unavailable`, and without `create`
        `NoInstallation`.
        """
        check_clock(clock())
        settings = server_url.resolved(settings)
        source = keyring.source_of(settings)
        ring = source.read() if source.exists() else None
        store = await open_store(settings, entropy, create=create)
        try:
            vault = await _open_vault(source, ring, store, clock, entropy, create=create)
            environments = None if create else await store.read(lambda tx: tx.environments.all())
            if vault is None or environments == []:
                raise NoInstallation(settings)  # noqa: TRY301 - the store is closed below
            self = cls(settings, store, vault, clock, entropy, profile)
            await self.key_rotation.record_keys_in_use(store, vault.newest)
            # If the clock has been set back, new events must not get ids within a sealed range.
            sealed = await store.read(lambda tx: tx.audit.newest_of(SEALED))
            self.new_id.advance_to(sealed.created_at if sealed is not None else 0)
        except BaseException:
            await store.close()
            raise
        if create:
            first = self.environments.ensure_first(
                team_name=settings.team_name,
                client_id=settings.bootstrap_client_id,
                key=settings.bootstrap_api_key,
            )
            try:
                await self.run(first)
                if settings.bootstrap_redirect_uris:
                    uris = tuple(map(str.strip, settings.bootstrap_redirect_uris.split(",")))
                    await self.run(self.redirect_uris.seed(settings.bootstrap_client_id, uris))
            except BaseException:
                await self.close()
                raise
        return self

    async def run(self, unit: Unit[T]) -> T:
        """Run a writing unit and return its result once it is durable. Raises what the unit raises."""
        return await self.store.write(unit)

    async def read(self, unit: Unit[T]) -> T:
        """Run a read-only unit and return its result. Raises what the unit raises."""
        return await self.store.read(unit)

    async def flush_last_used(self) -> None:
        """Store when API keys were last used."""
        unit = self.environments.flush_last_used()
        if unit is not None:
            await self.store.write(unit)

    async def reload_key_ring(self) -> None:
        """Reload keys added to the ring since the last time. Raises `keyring.KeyRingUnusable`."""
        ring = await asyncio.to_thread(keyring.source_of(self.settings).read)
        if ring[-1].id != self.vault.newest:
            # Recorded before it seals anything, so that no later start succeeds without it.
            await self.key_rotation.record_keys_in_use(self.store, ring[-1].id)
            self.vault.extend(ring)

    async def close(self) -> None:
        """Finish pending work and release all resources."""
        # Losing a minute of last-used times is better than a failed stop.
        with contextlib.suppress(errors.Unavailable):
            await self.flush_last_used()
        self.hasher.close()
        self.token_signing.close()
        await self.store.close()


async def _open_vault(
    source: keyring.KeySource,
    ring: list[Key] | None,
    store: Store,
    clock: Clock,
    entropy: Entropy,
    *,
    create: bool,
) -> Vault | None:
    """Build the vault. If the database needs no key yet and there is no ring, create one, or return None.

    Raises `keyring.KeyMissing`.
    """
    known = tuple(key.id for key in ring or ())
    missing = await KeyRotation(clock, "").missing_keys(store, known)
    if missing and ring is None and source.exists():
        # Another process has just created the first ring.
        ring = source.read()
        missing = [key_id for key_id in missing if key_id not in {key.id for key in ring}]
    if missing:
        raise keyring.KeyMissing(source.description, missing, ring_found=ring is not None)
    if ring is None and not create:
        return None
    return Vault(ring or source.create(entropy), entropy, _rate_limited_reader(source, clock))


def _rate_limited_reader(source: keyring.KeySource, clock: Clock) -> Callable[[], list[Key] | None]:
    """Return a reader of the ring limited to the source's interval: an unknown key id may be forged."""
    last = 0

    def reread() -> list[Key] | None:
        nonlocal last
        now = clock()
        if abs(now - last) < source.recheck_seconds * 1000:
            return None
        last = now
        with contextlib.suppress(keyring.KeyRingUnusable):
            return source.read()
        return None

    return reread
