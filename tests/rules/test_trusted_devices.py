"""Trusted devices in the store: sealed, moved, copied, deleted in time; endings that race with uses."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.errors import InvalidRequest
from authfactor.models import DeviceStatus, EnvironmentOptions, IssuedDeviceToken, UserRecord
from authfactor.rules.authentication.trusted_device_tokens import GRACE, DeviceUse
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.store.tables.trusted_devices import TrustedDevicesTable
from tests.support.clock import DAY

if TYPE_CHECKING:
    from tests.support.installation import Installation

RACERS: Final = 50


async def allow(installation: "Installation", **more: object) -> None:
    options = msgspec.structs.replace(
        options_of(installation.environment), **{"trusted_devices": "allowed", **more}
    )
    installation.environment = await installation.af.run(
        installation.af.environments.update(installation.environment, options=options)
    )


async def make(
    installation: "Installation", user: UserRecord, source: str = "session_1"
) -> IssuedDeviceToken:
    """Make a device of a user, as the unit of a session or of a page does."""
    af, now = installation.af, installation.clock.now

    async def unit(tx: Tx) -> IssuedDeviceToken:
        scope = Scope(tx, installation.environment, now)
        locked = await tx.users.lock(scope.number, user.id)
        assert locked is not None
        return await af.trusted_devices.tokens.make(
            scope, locked, source, name=None, ip_address=None, user_agent="a\0b"
        )

    return await af.run(unit)


async def use(installation: "Installation", user: UserRecord, token: str) -> DeviceUse:
    af, now = installation.af, installation.clock.now

    async def unit(tx: Tx) -> DeviceUse:
        scope = Scope(tx, installation.environment, now)
        locked = await tx.users.lock(scope.number, user.id)
        assert locked is not None
        return await af.trusted_devices.tokens.judge(scope, locked, token)

    return await af.run(unit)


async def member(installation: "Installation", password: str | None = None) -> UserRecord:
    """Return a user with a factor."""
    user = await installation.user(password=password)
    enrolled = await installation.enroll(user)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).valid
    installation.clock.advance(60)
    return user


async def statuses(installation: "Installation", user: UserRecord) -> list[DeviceStatus]:
    af = installation.af
    found = await af.read(af.trusted_devices.list_of_user(installation.environment, user.id))
    return [each.status for each in found]


async def test_one_token_fifty_times_at_once_is_spent_once(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    uses = await asyncio.gather(*(use(installation, user, made.token) for _ in range(RACERS)))
    assert len({each.token.token for each in uses if each.token is not None}) == 1
    assert not any(each.stolen for each in uses)
    assert installation.sql("SELECT count(*) FROM trusted_device_tokens WHERE spent_at IS NOT NULL") == [(1,)]


async def test_fifty_devices_made_at_once_leave_ten(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await asyncio.gather(*(make(installation, user, f"session_{at}") for at in range(RACERS)))
    assert await statuses(installation, user) == ["active"] * 10
    assert installation.sql("SELECT count(*) FROM trusted_device_tokens") == [(10,)]
    accepted = [(await use(installation, user, each.token)).token for each in made]
    assert sum(token is not None for token in accepted) == 10


async def test_use_and_recovery_code_at_once_leave_no_trusted_device(installation: "Installation") -> None:
    await allow(installation)
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).valid
    made = await make(installation, user)
    af = installation.af
    codes = (await af.run(af.recovery_codes.create(installation.environment, user.id))).codes
    challenge = await installation.challenge(enrolled)
    await asyncio.gather(
        *(use(installation, user, made.token) for _ in range(RACERS)),
        installation.verify(challenge, codes[0]),
    )
    assert await statuses(installation, user) == ["ended"]
    installation.clock.advance(1)
    assert (await use(installation, user, made.token)).token is None


async def test_use_of_a_device_that_ends_meanwhile_is_refused(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    af, now = installation.af, installation.clock.now

    async def unit(tx: Tx) -> DeviceUse:
        scope = Scope(tx, installation.environment, now)
        touch = TrustedDevicesTable.touch

        async def end_first(self: object, number: int, device_id: str, at: int) -> bool:
            await tx.trusted_devices.end(number, device_id, at)
            return await touch(tx.trusted_devices, number, device_id, at)

        with monkeypatch.context() as patch:
            patch.setattr(TrustedDevicesTable, "touch", end_first)
            return await af.trusted_devices.tokens.judge(scope, user, made.token)

    assert (await af.run(unit)).token is None


async def test_successor_is_sealed_for_its_row(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    following = (await use(installation, user, made.token)).token
    assert following is not None
    stored = installation.files()
    for secret in (made.token, following.token):
        assert secret.rpartition(".")[2].encode() not in stored
    assert secret not in repr(made) + repr(await use(installation, user, "td_junk"))


async def test_device_outlives_a_key_rotation_but_not_its_key(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    af = installation.af
    old = af.vault.newest
    following = (await use(installation, user, made.token)).token
    assert following is not None
    af.vault.extend([key_of(bytes(range(32)))])
    assert await statuses(installation, user) == ["active"]
    await af.key_rotation.reseal(af.store, af.vault, lambda _table, _done: None)
    # The sealed successor can be read after it.
    again = (await use(installation, user, made.token)).token
    assert again == following
    await af.key_rotation.retire_key(af.store, old)


async def test_expired_devices_are_deleted_with_their_tokens(installation: "Installation") -> None:
    await allow(installation, trusted_device_days=90)
    user = await member(installation)
    await make(installation, user)
    installation.clock.advance(91 * DAY - 1)
    await installation.af.retention.run(installation.af.store)
    assert await statuses(installation, user) == ["expired"]
    installation.clock.advance(2)
    await installation.af.retention.run(installation.af.store)
    for table in ("trusted_devices", "trusted_device_tokens"):
        assert installation.sql(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from above


@pytest.mark.parametrize("days", [0, 91, -1])
async def test_days_beyond_the_bounds_are_refused(installation: "Installation", days: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await allow(installation, trusted_device_days=days)
    assert [item.code for item in refused.value.items] == ["trusted_device_days_invalid"]


async def test_options_of_an_older_release_trust_no_device(installation: "Installation") -> None:
    """It writes options without the fields it does not know."""
    await allow(installation)
    user = await member(installation)
    await make(installation, user)
    installation.environment = await installation.af.run(
        installation.af.environments.update(installation.environment, options=EnvironmentOptions())
    )
    assert await statuses(installation, user) == ["ended"]
    installation.clock.advance(1)
    await allow(installation)
    assert await statuses(installation, user) == ["ended"]


@pytest.mark.parametrize("set_back", [0, 60, 3600])
async def test_off_and_on_ends_devices_at_every_clock(installation: "Installation", set_back: int) -> None:
    await allow(installation)
    user = await member(installation)
    await make(installation, user)
    installation.clock.advance(-set_back)
    await allow(installation, trusted_devices="off")
    await allow(installation)
    assert await statuses(installation, user) == ["ended"]
    # A new one is trusted at once, not when the clock has caught up.
    await make(installation, user, "session_2")
    assert (await statuses(installation, user)).count("active") == 1


async def test_changing_the_days_ends_no_device(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    await make(installation, user)
    await allow(installation, trusted_device_days=7)
    assert await statuses(installation, user) == ["active"]


async def test_device_whose_successor_is_gone_is_not_answered(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    await use(installation, user, made.token)
    installation.sql("UPDATE trusted_device_tokens SET spent_at = NULL, successor = NULL")
    assert (await use(installation, user, made.token)).token is not None
    installation.clock.advance(GRACE / 1000 + 1)
    assert (await use(installation, user, made.token)).stolen
    assert await statuses(installation, user) == ["ended"]


async def test_unknown_users_and_devices_are_not_found(installation: "Installation") -> None:
    af, environment = installation.af, installation.environment
    user = await member(installation)
    await allow(installation)
    made = await make(installation, await member(installation))
    for unit in (
        af.trusted_devices.list_of_user(environment, "user_x"),
        af.trusted_devices.revoke_all(environment, "user_x"),
        af.trusted_devices.revoke(environment, "user_x", made.device.id),
        af.trusted_devices.revoke(environment, user.id, made.device.id),
        af.trusted_devices.revoke(environment, user.id, "trusted_device_x"),
    ):
        with pytest.raises(errors.NotFound):
            await af.run(unit)


async def test_unknown_device_is_not_trusted(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    af, now = installation.af, installation.clock.now

    async def trusted(tx: Tx) -> tuple[bool, bool]:
        scope = Scope(tx, installation.environment, now)
        tokens = af.trusted_devices.tokens
        return (
            await tokens.is_trusted(scope, user, made.device.id),
            await tokens.is_trusted(scope, user, "trusted_device_x"),
        )

    assert await af.read(trusted) == (True, False)


async def test_device_of_a_user_without_an_active_factor_has_ended(installation: "Installation") -> None:
    await allow(installation)
    user = await member(installation)
    made = await make(installation, user)
    af, now = installation.af, installation.clock.now

    async def both(tx: Tx) -> tuple[DeviceStatus, DeviceStatus]:
        scope = Scope(tx, installation.environment, now)
        factors = await tx.factors.of_user(scope.number, user.id)
        status_of = af.trusted_devices.tokens.status_of
        return status_of(scope, user, factors, made.device), status_of(scope, user, [], made.device)

    assert await af.read(both) == ("active", "ended")
