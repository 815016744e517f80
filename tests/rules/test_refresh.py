"""Refreshing while session, user or token disappear between two statements: refused, nothing spent."""

import pytest

from authfactor import errors
from authfactor.models import SignedIn, UserRecord
from authfactor.store.tables.sessions import SessionsTable
from authfactor.store.tables.users import UsersTable
from authfactor.wire.requests import Authenticate
from tests.support.installation import Installation

PASSWORD = "seven green bottles"


async def sign_in(installation: Installation, user: UserRecord) -> SignedIn:
    request = Authenticate(email=user.email, password=PASSWORD)
    return await installation.af.run(
        await installation.af.sign_in.prepare_password(
            installation.af.store, installation.environment, request
        )
    )


async def refresh(installation: Installation, token: str) -> SignedIn:
    return await installation.af.run(
        await installation.af.sessions.prepare_refresh(installation.af.store, installation.environment, token)
    )


@pytest.fixture
async def signed_in(installation: Installation) -> SignedIn:
    return await sign_in(installation, await installation.user(password=PASSWORD))


@pytest.mark.parametrize(
    ("table", "statement", "result"), [(SessionsTable, "touch", False), (UsersTable, "by_id", None)]
)
async def test_session_that_ends_during_a_refresh_leaves_the_token_unspent(
    installation: Installation,
    signed_in: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
    table: type,
    statement: str,
    result: object,
) -> None:
    async def lost(*_: object) -> object:
        return result

    with monkeypatch.context() as patched:
        patched.setattr(table, statement, lost)
        with pytest.raises(errors.OAuthRefused):
            await refresh(installation, signed_in.refresh_token)

    assert (await refresh(installation, signed_in.refresh_token)).user.id == signed_in.user.id


async def test_refresh_token_deleted_after_it_was_read_is_refused(
    installation: Installation, signed_in: SignedIn
) -> None:
    unit = await installation.af.sessions.prepare_refresh(
        installation.af.store, installation.environment, signed_in.refresh_token
    )
    installation.sql("DELETE FROM refresh_tokens")

    with pytest.raises(errors.OAuthRefused):
        await installation.af.run(unit)
    assert installation.sql("SELECT count(*) FROM refresh_tokens") == [(0,)]
