"""Retention: deleting expired rows, so that the database grows with its users rather than its age."""

from typing import Final

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Clock
from authfactor.rules.audit.event_sealing import EventSealing
from authfactor.rules.console.operators import CONSOLE
from authfactor.rules.tenants.environments import MAX_DEVICE_DAYS
from authfactor.settings import Settings
from authfactor.store import Store, Unit

DAY: Final = 24 * 3600 * 1000
HOUR: Final = 3600 * 1000
LEASE: Final = "cleaning"
LEASE_MS: Final = 5 * 60 * 1000


class Retention:
    """Deletes expired challenges, stored responses, pending sign-ins, sessions, old events and deliveries."""

    def __init__(self, clock: Clock, new_id: IdGenerator, settings: Settings, seals: EventSealing) -> None:
        """Keep the collaborators; a new id names this process as holder of the lease."""
        self._clock = clock
        self._seals = seals
        self._settings = settings
        self._holder = new_id("")

    async def run(self, store: Store) -> int | None:
        """Delete all expired rows; return how many, None while another process holds the lease.

        Every batch is its own unit, so that requests can run in between. A process that loses its lease
        stops, and the process that has acquired it continues.
        """
        if not await self._acquire_lease(store):
            return None
        renew_at = self._clock() + LEASE_MS // 2
        removed = 0
        for batch in await self._batches(store, self._clock()):
            while count := await store.write(batch):
                removed += count
                if self._clock() >= renew_at:
                    if not await self._acquire_lease(store):
                        return removed
                    renew_at = self._clock() + LEASE_MS // 2
        return removed

    async def _acquire_lease(self, store: Store) -> bool:
        now = self._clock()
        return await store.write(lambda tx: tx.leases.acquire(LEASE, self._holder, now, now + LEASE_MS))

    async def _batches(self, store: Store, now: int) -> list[Unit[int]]:
        settings = self._settings
        # A day longer than needed, so that late clients get "expired" rather than "not found".
        challenges = ids.first(ids.CHALLENGE, now - settings.challenge_life * 1000 - DAY)
        events = await self._seals.may_delete_before(
            store, ids.first(ids.EVENT, now - settings.event_life * 1000)
        )
        deliveries = ids.first(ids.DELIVERY, now - settings.event_life * 1000)
        sessions = ids.first(ids.SESSION, now - settings.session_life * 1000 - DAY)
        messages = ids.first(ids.MESSAGE, now - settings.event_life * 1000)
        links = ids.first(ids.LINK, now - 2 * settings.link_life * 1000 - DAY)
        devices = ids.first(ids.TRUSTED_DEVICE, now - (MAX_DEVICE_DAYS + 1) * DAY)
        batches: list[Unit[int]] = [
            lambda tx: tx.expired_rows.idempotency(now),
            lambda tx: tx.expired_rows.pending_sign_ins(now - DAY),
            lambda tx: tx.expired_rows.passkey_ceremonies(now - DAY),
            lambda tx: tx.expired_rows.mailed_codes(now - DAY),
            lambda tx: tx.expired_rows.password_resets(now - DAY),
            # Who was invited by whom is kept as long as the events about it.
            lambda tx: tx.expired_rows.invitations(now - settings.event_life * 1000),
            # A used code is kept for a day: its second use may end the session made from it.
            lambda tx: tx.expired_rows.hosted_sign_in("sign_in_flows", now - HOUR),
            lambda tx: tx.expired_rows.hosted_sign_in("device_authorizations", now - HOUR),
            lambda tx: tx.expired_rows.hosted_sign_in("authorization_codes", now - DAY),
            lambda tx: tx.expired_rows.hosted_sign_in("browser_sessions", now - DAY),
            # An hour later, so that a clock that is set back a little does not lift a limit.
            lambda tx: tx.expired_rows.throttles(now - HOUR),
            lambda tx: tx.expired_rows.send_limits(now - DAY - HOUR),
            lambda tx: tx.operator_sessions.remove_expired(now - DAY),
            # Operators' codes; their environment is not in the list of environments.
            *_of_environment(CONSOLE.number, challenges, deliveries, events, sessions),
        ]
        for environment in await store.read(lambda tx: tx.environments.all()):
            batches += _of_environment(environment.number, challenges, deliveries, events, sessions)
            batches.append(_links_of(environment.number, links))
            batches.append(_messages_of(environment.number, messages))
            batches += _trusted_devices_of(environment.number, devices)
        return batches


def _of_environment(
    number: int, challenges: str, deliveries: str, events: str, sessions: str
) -> list[Unit[int]]:
    return [
        lambda tx: tx.expired_rows.challenges(number, challenges),
        lambda tx: tx.expired_rows.deliveries(number, deliveries),
        lambda tx: tx.expired_rows.events(number, events),
        lambda tx: tx.expired_rows.refresh_tokens(number, sessions),
        lambda tx: tx.expired_rows.sessions(number, sessions),
    ]


def _links_of(number: int, links: str) -> Unit[int]:
    return lambda tx: tx.expired_rows.links(number, links)


def _messages_of(number: int, messages: str) -> Unit[int]:
    return lambda tx: tx.expired_rows.messages(number, messages)


def _trusted_devices_of(number: int, devices: str) -> list[Unit[int]]:
    return [
        lambda tx: tx.expired_rows.trusted_device_tokens(number, devices),
        lambda tx: tx.expired_rows.trusted_devices(number, devices),
    ]
