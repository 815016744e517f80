"""Operators see how users sign in and up, and how a session began."""

from collections.abc import Awaitable

import msgspec

from authfactor.models import SignedIn, SignInOptions
from authfactor.rules.authentication.sessions import PreparedSession
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from tests.support.console import HOME, Browser, Console


async def test_settings_say_how_users_sign_in_and_up(console: Console, owner: Browser) -> None:
    page = (await owner.get(f"{HOME}/settings")).text
    assert "password, magic_auth, passkey" in page
    assert "once the environment sends mail" in page
    sign_in = SignInOptions(
        methods=("magic_auth",),
        sign_up="closed",
        verify_email="required",
        invitation_url="https://app.example.org/welcome",
    )
    options = msgspec.structs.replace(options_of(console.one), sign_in=sign_in)
    await console.af.run(console.af.environments.update(console.one, options=options))
    page = (await owner.get(f"{HOME}/settings")).text
    assert "https://app.example.org/welcome" in page
    assert "<td>closed</td>" in page
    assert "password, magic_auth" not in page


async def test_a_users_page_says_how_a_session_began(console: Console, owner: Browser) -> None:
    af, one = console.af, console.one
    user = await console.user("kim@example.com")
    for amr in ("email", "email otp mfa", "pop user mfa", "pwd"):
        prepared = await af.sessions.prepare(
            af.store, one, user.id, amr=amr, now=console.clock.now, ip_address=None, user_agent=None
        )

        def start(tx: Tx, made: PreparedSession = prepared) -> Awaitable[SignedIn]:
            return af.sessions.start(Scope(tx, one, console.clock.now), user, made)

        await af.run(start)
    page = (await owner.get(f"{HOME}/users/{user.id}")).text
    for text in ("<td>magic code</td>", "<td>magic code and code, ", "<td>passkey, ", "<td>password</td>"):
        assert text in page
