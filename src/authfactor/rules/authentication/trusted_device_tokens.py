"""Trusted devices: a token replaces the second factor of a browser's or an app's later sign-ins.

Each use spends the token and gives its successor. A device is trusted while its mark is that of the user's
password and factors; what the mark cannot tell ends it by a write (decision 0042).
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.ids import IdGenerator
from authfactor.models import (
    DeviceStatus,
    Entropy,
    Environment,
    FactorRecord,
    IssuedDeviceToken,
    NextDeviceToken,
    TrustedDeviceRecord,
    TrustedDeviceToken,
    UserRecord,
)
from authfactor.otp.recovery_code import TRUSTED_DEVICE_PREFIX
from authfactor.rules.authentication import trusted_device_endings
from authfactor.rules.authentication.applied_policy import policy_for
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope
from authfactor.wire.events import TrustedDeviceEvent
from authfactor.wire.requests import without_nul

MAX_DEVICES: Final = 10
DAY: Final = 24 * 3600 * 1000
# How long a spent token is answered with its successor, because a response may have been lost; milliseconds.
GRACE: Final = 60_000
_PURPOSE: Final = "trusted device"


EndSessions = Callable[[Scope, str, str], Awaitable[None]]


class DeviceUse(NamedTuple):
    """The result of a token: the next one if the device is trusted; `stolen` if a spent token was sent."""

    device: TrustedDeviceRecord | None
    token: NextDeviceToken | None
    stolen: bool = False


NOT_TRUSTED: Final = DeviceUse(None, None)


class TrustedDeviceTokens:
    """Makes devices, and accepts their tokens."""

    def __init__(
        self,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        end_sessions: EndSessions,
    ) -> None:
        """Keep the collaborators; `end_sessions` ends those that a user's device started."""
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._end_sessions = end_sessions

    async def make(
        self,
        scope: Scope,
        user: UserRecord,
        source_id: str,
        *,
        name: str | None,
        ip_address: str | None,
        user_agent: str | None,
    ) -> IssuedDeviceToken:
        """Make a device of a user who has just proven a factor, and whose row is locked.

        Raises `Conflict` when this source has made one before. Of more than `MAX_DEVICES` the oldest goes.
        """
        device_id = self._new_id(ids.TRUSTED_DEVICE)
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        device = TrustedDeviceRecord(
            id=device_id,
            user_id=user.id,
            source_id=source_id,
            mark=self._vault.digest(_PURPOSE, _bound(scope, user, factors, device_id)),
            name=name,
            ip_address=None if ip_address is None else without_nul(ip_address),
            user_agent=None if user_agent is None else without_nul(user_agent),
            created_at=scope.now,
            last_used_at=None,
            expires_at=scope.now + options_of(scope.environment).trusted_device_days * DAY,
            ended_at=None,
        )
        if not await scope.tx.trusted_devices.insert(scope.number, device):
            raise errors.Conflict("trusted_device_exists", "This session has made a trusted device already.")
        token = self._new_token(device_id)
        await scope.tx.trusted_devices.insert_token(scope.number, token_hash(token), device_id, scope.now)
        await self._emit(scope, event_log.TRUSTED_DEVICE_CREATED, device)
        await self._enforce_limit(scope, user, factors, device_id)
        return IssuedDeviceToken(device, token)

    async def _enforce_limit(
        self, scope: Scope, user: UserRecord, factors: list[FactorRecord], newest: str
    ) -> None:
        """Delete what exceeds the limit: first devices that are trusted no longer, then the oldest."""
        found = await scope.tx.trusted_devices.of_user(scope.number, user.id)
        others = [(self.status_of(scope, user, factors, each), each) for each in found if each.id != newest]
        others.sort(key=lambda pair: (pair[0] == "active", pair[1].id))
        for status, device in others[: max(0, len(others) + 1 - MAX_DEVICES)]:
            await scope.tx.trusted_devices.delete(scope.number, device.id)
            if status == "active":
                await trusted_device_endings.emit_revoked(scope, self._log, device, "replaced")

    async def judge(self, scope: Scope, user: UserRecord, token: str) -> DeviceUse:
        """Spend a token of a user whose row is locked, and return the next one.

        What is no token of a trusted device of this user changes nothing. A spent token is answered with its
        successor for `GRACE` as long as that is unused; else two parties have had it: the device and the
        sessions that it started end, which the caller must commit.
        """
        hashed, devices = token_hash(token.strip()), scope.tx.trusted_devices
        row = await devices.token_by_hash(scope.number, hashed)
        device = None if row is None else await devices.by_id(scope.number, row.device_id)
        if row is None or device is None:
            return NOT_TRUSTED
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        if self.status_of(scope, user, factors, device) != "active":
            return NOT_TRUSTED
        fresh = await self._spend(scope, device, hashed)
        if fresh is not None:
            # Else a recovery code has ended the device meanwhile.
            used = await devices.touch(scope.number, device.id, scope.now)
            return DeviceUse(device, NextDeviceToken(fresh, device.expires_at)) if used else NOT_TRUSTED
        row = await devices.token_by_hash(scope.number, hashed) or row
        successor = await self._successor_of(scope, row, hashed)
        if successor is None:
            await self._end_stolen(scope, device)
            return DeviceUse(device, None, stolen=True)
        return DeviceUse(device, NextDeviceToken(successor, device.expires_at))

    async def is_trusted(self, scope: Scope, user: UserRecord, device_id: str) -> bool:
        """Return whether a user's device is trusted now."""
        device = await scope.tx.trusted_devices.by_id(scope.number, device_id)
        if device is None:
            return False
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        return self.status_of(scope, user, factors, device) == "active"

    def status_of(
        self, scope: Scope, user: UserRecord, factors: list[FactorRecord], device: TrustedDeviceRecord
    ) -> DeviceStatus:
        """Return whether a device is trusted now: not ended, of this user, password and these factors."""
        if device.ended_at is not None:
            return "ended"
        if device.expires_at <= scope.now:
            return "expired"
        if not is_allowed(scope.environment):
            return "ended"
        if all(factor.activated_at is None for factor in factors):
            return "ended"
        # A policy that names factors asks for one of these.
        if policy_for(scope.environment, user, scope.now).methods is not None:
            return "ended"
        bound = _bound(scope, user, factors, device.id)
        return "active" if self._vault.has_made(device.mark, _PURPOSE, bound) else "ended"

    async def _spend(self, scope: Scope, device: TrustedDeviceRecord, hashed: bytes) -> str | None:
        """Spend a token; return its successor, or None if it was spent before."""
        token = self._new_token(device.id)
        sealed = self._vault.seal(token.encode(), _successor_row(scope.number, hashed))
        if not await scope.tx.trusted_devices.spend_token(scope.number, hashed, scope.now, sealed):
            return None
        await scope.tx.trusted_devices.insert_token(scope.number, token_hash(token), device.id, scope.now)
        return token

    async def _successor_of(self, scope: Scope, row: TrustedDeviceToken, hashed: bytes) -> str | None:
        """Return the successor of a spent token if that is unused and the token was spent moments ago."""
        if row.spent_at is None or row.successor is None or scope.now - row.spent_at > GRACE:
            return None
        token = self._vault.unseal(row.successor, _successor_row(scope.number, hashed)).decode()
        successor = await scope.tx.trusted_devices.token_by_hash(scope.number, token_hash(token))
        return None if successor is None or successor.spent_at is not None else token

    async def _end_stolen(self, scope: Scope, device: TrustedDeviceRecord) -> None:
        if await scope.tx.trusted_devices.end(scope.number, device.id, scope.now):
            await self._emit(scope, event_log.TRUSTED_DEVICE_THEFT_SUSPECTED, device)
            await self._end_sessions(scope, device.user_id, device.id)

    def _new_token(self, device_id: str) -> str:
        ulid = device_id.removeprefix(ids.TRUSTED_DEVICE)
        return f"{TRUSTED_DEVICE_PREFIX}{ulid}.{random_token(self._entropy)}"

    async def _emit(self, scope: Scope, name: str, device: TrustedDeviceRecord) -> None:
        data = TrustedDeviceEvent(device.id, device.user_id)
        await self._log.append(scope, name, device.user_id, data)


def is_allowed(environment: Environment) -> bool:
    """Return whether an environment trusts devices. A rule for single users belongs beside this one."""
    return options_of(environment).trusted_devices == "allowed"


def refusal(use: DeviceUse = NOT_TRUSTED) -> errors.SignInRefused:
    """Return the error of a token that is not accepted; one that ended its device commits that."""
    text = "This device is not trusted, or not any longer. Ask the user for a code."
    refused = errors.SignInRefused("invalid_one_time_code", text, reason="device_not_trusted")
    return refused.after_commit() if use.stolen else refused


def _bound(scope: Scope, user: UserRecord, factors: list[FactorRecord], device_id: str) -> str:
    """Return what the mark is made of: who can write the database can neither make nor move a device."""
    active = sorted(
        f"{factor.id} {factor.activated_at}" for factor in factors if factor.activated_at is not None
    )
    # Compared as a value, because a clock that is set back makes devices of a later time than the switch.
    since = str(options_of(scope.environment).trusted_devices_since)
    return "\0".join((str(scope.number), user.id, device_id, since, user.password_hash or "", *active))


def _successor_row(environment: int, hashed: bytes) -> SealedLocation:
    return SealedLocation("trusted_device_tokens", "successor", environment, hashed.hex())
