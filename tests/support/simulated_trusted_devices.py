"""Trusted devices in the simulated store, as the statements of their tables behave."""

from typing import Any, Final

import msgspec

from authfactor.models import FactorRecord, TrustedDeviceRecord, TrustedDeviceToken, UserRecord
from authfactor.rules.unit import Scope
from tests.support.simulated_store import Pause, SimulatedStore

USER: Final = "user_1"


class SimulatedDevices:
    """The tables `trusted_devices` and `trusted_device_tokens`, and what else they need of one user."""

    def __init__(self, store: SimulatedStore, user: UserRecord, factors: list[FactorRecord]) -> None:
        self._store = store
        self._factors = factors
        store.insert("user", user.id, user)
        tx: Any = store.tx
        tx.trusted_devices = tx.users = tx.factors = self
        tx.events.append = self.append

    async def lock(self, _: int, user_id: str) -> UserRecord | None:
        """Lock the user's row; the mutation reads it only."""
        if self._store.racy:
            await Pause()
            return self._user(user_id)
        found: UserRecord | None = await self._store.write("user", user_id, lambda row: row)
        return found

    def _user(self, user_id: str) -> UserRecord | None:
        found: UserRecord | None = self._store.read("user", user_id)
        return found

    async def of_user(self, _: int, __: str) -> list[FactorRecord]:
        """Return the factors; a device has been made before, so that no limit is looked up."""
        await Pause()
        return self._factors

    async def by_id(self, _: int, device_id: str) -> TrustedDeviceRecord | None:
        await Pause()
        found: TrustedDeviceRecord | None = self._store.read("device", device_id)
        return found

    async def touch(self, _: int, device_id: str, now: int) -> bool:
        return await self._change(device_id, last_used_at=now)

    async def end(self, _: int, device_id: str, now: int) -> bool:
        return await self._change(device_id, ended_at=now)

    async def end_of_user(self, _: int, __: str, now: int) -> list[TrustedDeviceRecord]:
        names = [key for table, key in self._store.rows if table == "device"]
        ended = [name for name in names if await self._change(name, ended_at=now)]
        return [self._store.read("device", name) for name in ended]

    async def _change(self, device_id: str, **fields: int) -> bool:
        def changed(row: TrustedDeviceRecord) -> TrustedDeviceRecord | None:
            return None if row.ended_at is not None else msgspec.structs.replace(row, **fields)

        return await self._store.write("device", device_id, changed) is not None

    async def insert_token(self, _: int, token_hash: bytes, device_id: str, now: int) -> None:
        row = TrustedDeviceToken(device_id, now, None, None)
        await self._store.write("token", token_hash.hex(), lambda _: row)

    async def token_by_hash(self, _: int, token_hash: bytes) -> TrustedDeviceToken | None:
        await Pause()
        found: TrustedDeviceToken | None = self._store.read("token", token_hash.hex())
        return found

    async def spend_token(self, _: int, token_hash: bytes, now: int, successor: str) -> bool:
        key = token_hash.hex()
        observed = self._store.read("token", key)
        await Pause()

        def spent(row: TrustedDeviceToken) -> TrustedDeviceToken | None:
            if (observed if self._store.racy else row).spent_at is not None:
                return None
            return msgspec.structs.replace(row, spent_at=now, successor=successor)

        return await self._store.write("token", key, spent) is not None

    async def append(self, _: int, event_id: str, name: str, *__: object) -> None:
        await self._store.write("event", event_id, lambda _: name)

    async def end_of_device(self, _: Scope, __: str, device_id: str) -> None:
        """End the sessions of a device; a row is the device of a session, and None once it has ended."""
        for table, key in list(self._store.rows):
            if table == "session" and self._store.read(table, key) == device_id:
                await self._store.write(table, key, lambda _: "ended")
