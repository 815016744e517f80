"""Sign-in by password while something changes between hashing and the unit, and limits by network."""

import pytest

from authfactor import errors
from authfactor.models import SignedIn, UserRecord
from authfactor.rules.events import event_log
from authfactor.store import Unit
from authfactor.wire.requests import Authenticate
from tests.support.installation import Installation, Opener

PASSWORD, WRONG = "seven green bottles", "eight green bottles"
HOME, STRANGER = "203.0.113.7", "198.51.100.9"
LIMIT = 3


async def prepare(
    installation: Installation, user: UserRecord, password: str = PASSWORD, address: str = HOME
) -> Unit[SignedIn]:
    request = Authenticate(email=user.email, password=password, ip_address=address)
    return await installation.af.sign_in.prepare_password(
        installation.af.store, installation.environment, request
    )


async def refusal(installation: Installation, unit: Unit[SignedIn]) -> str:
    with pytest.raises(errors.SignInRefused) as refused:
        await installation.af.run(unit)
    return refused.value.code


async def sign_in(
    installation: Installation, user: UserRecord, password: str = PASSWORD, address: str = HOME
) -> SignedIn:
    return await installation.af.run(await prepare(installation, user, password, address))


async def use_up(installation: Installation, user: UserRecord, address: str = HOME) -> None:
    """Send wrong passwords until the limit refuses them."""
    for _ in range(LIMIT):
        unit = await prepare(installation, user, WRONG, address)
        assert await refusal(installation, unit) == "invalid_credentials"
    unit = await prepare(installation, user, WRONG, address)
    assert await refusal(installation, unit) == "too_many_password_attempts"


async def limited(open_installation: Opener, **settings: int) -> Installation:
    opened: Installation = await open_installation(**settings)
    return opened


async def test_user_deleted_after_the_hash_was_compared_is_refused(installation: Installation) -> None:
    user = await installation.user(password=PASSWORD)
    unit = await prepare(installation, user)
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))

    assert await refusal(installation, unit) == "invalid_credentials"


@pytest.mark.parametrize("password", [PASSWORD, WRONG], ids=["right", "wrong"])
async def test_limit_used_up_after_the_hash_was_compared_refuses_any_password(
    open_installation: Opener, password: str
) -> None:
    installation = await limited(open_installation, passwords_per_account_and_address=LIMIT)
    user = await installation.user(password=PASSWORD)
    unit = await prepare(installation, user, password)
    await use_up(installation, user)
    before = (await installation.events()).count(event_log.PASSWORD_FAILED)

    assert await refusal(installation, unit) == "too_many_password_attempts"
    assert (await installation.events()).count(event_log.PASSWORD_FAILED) == before + 1
    assert event_log.PASSWORD_SUCCEEDED not in await installation.events()


async def test_refusals_over_the_limit_stop_emitting_events(open_installation: Opener) -> None:
    installation = await limited(open_installation, passwords_per_account_and_address=LIMIT)
    user = await installation.user(password=PASSWORD)
    right = await prepare(installation, user)
    await use_up(installation, user)

    for _ in range(event_log.REFUSAL_BURST):
        await refusal(installation, right)
    full = (await installation.events()).count(event_log.PASSWORD_FAILED)
    assert full == LIMIT + event_log.REFUSAL_BURST
    assert await refusal(installation, right) == "too_many_password_attempts"
    assert (await installation.events()).count(event_log.PASSWORD_FAILED) == full


async def test_strangers_do_not_lock_a_user_out_of_a_familiar_network(open_installation: Opener) -> None:
    installation = await limited(open_installation, passwords_per_account=LIMIT)
    user = await installation.user(password=PASSWORD)
    await sign_in(installation, user)
    await use_up(installation, user, STRANGER)

    assert (await sign_in(installation, user)).user.id == user.id
    unit = await prepare(installation, user, PASSWORD, STRANGER)
    assert await refusal(installation, unit) == "too_many_password_attempts"


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (HOME, f"::ffff:{HOME}", True),
        (HOME, STRANGER, False),
    ],
    ids=["one /64", "two /64", "mapped IPv4", "two IPv4"],
)
async def test_limit_by_network(open_installation: Opener, first: str, second: str, *, shared: bool) -> None:
    installation = await limited(open_installation, passwords_per_account_and_address=LIMIT)
    user = await installation.user(password=PASSWORD)
    await use_up(installation, user, first)

    unit = await prepare(installation, user, PASSWORD, second)
    if shared:
        assert await refusal(installation, unit) == "too_many_password_attempts"
    else:
        assert (await installation.af.run(unit)).user.id == user.id
