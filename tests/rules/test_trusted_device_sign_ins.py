"""Sign-ins by a trusted device whose user, password or pending token changes before they commit."""

from typing import Final

import pytest

from authfactor import errors
from authfactor.models import SignedIn, UserRecord
from authfactor.store import Unit
from authfactor.wire.requests import Authenticate, UpdateUser
from tests.rules.test_trusted_devices import allow, make, member, use
from tests.support.installation import Installation

PASSWORD: Final = "seven green bottles"


async def pending_token(installation: Installation, user: UserRecord) -> str:
    """Send the password; return the token of the second step."""
    af = installation.af
    request = Authenticate(email=user.email, password=PASSWORD)
    unit = await af.sign_in.prepare_password(af.store, installation.environment, request)
    with pytest.raises(errors.StepUpRequired) as step_up:
        await af.run(unit)
    return step_up.value.pending_token


async def prepare(installation: Installation, pending: str, device_token: str) -> Unit[SignedIn]:
    request = Authenticate(pending_authentication_token=pending, code=device_token)
    af = installation.af
    return await af.second_step.prepare(af.store, installation.environment, request)


async def assert_bad_pending(installation: Installation, unit: Unit[SignedIn]) -> None:
    with pytest.raises(errors.SignInRefused) as refused:
        await installation.af.run(unit)
    assert refused.value.code == "invalid_pending_authentication_token"


def spent(installation: Installation) -> object:
    return installation.sql("SELECT count(*) FROM trusted_device_tokens WHERE spent_at IS NOT NULL")[0][0]


@pytest.mark.parametrize("change", ["password changed", "user deleted"])
async def test_user_changed_after_the_sign_in_was_prepared_is_refused(
    installation: Installation, change: str
) -> None:
    await allow(installation)
    user = await member(installation, PASSWORD)
    made = await make(installation, user)
    unit = await prepare(installation, await pending_token(installation, user), made.token)
    af = installation.af
    if change == "user deleted":
        await af.run(af.users.delete(installation.environment, user.id))
    else:
        request = UpdateUser(password="eight green bottles")
        await af.run(await af.users.prepare_update(installation.environment, user.id, request))

    await assert_bad_pending(installation, unit)
    assert spent(installation) == 0


async def test_second_device_with_one_pending_token_is_refused_and_its_token_stays_unspent(
    installation: Installation,
) -> None:
    await allow(installation)
    user = await member(installation, PASSWORD)
    first, second = [await make(installation, user, source) for source in ("session_1", "session_2")]
    pending = await pending_token(installation, user)
    units = [await prepare(installation, pending, each.token) for each in (first, second)]

    signed_in = await installation.af.run(units[0])
    assert signed_in.trusted_device is not None
    await assert_bad_pending(installation, units[1])
    assert spent(installation) == 1
    following = await use(installation, user, second.token)
    assert following.token is not None
    assert not following.stolen
    assert spent(installation) == 2
