"""After a restore: what a sign-in of before had in hand buys nothing."""

from authfactor.rules.maintenance.after_restore import AfterRestore
from tests.support.application import Application, oauth_refused, refused


async def mark(desk: Application) -> None:
    await AfterRestore(desk.clock, desk.af.settings, desk.af.audit).mark(desk.af.store, "a test")


async def test_a_waiting_sign_in_is_over_and_a_new_one_works(desk: Application) -> None:
    user = await desk.member()
    pending = await desk.begin(user)
    # It may have been spent after the backup: here it never was.
    await mark(desk)
    desk.clock.advance(60)
    refused(await desk.answer(pending), "invalid_pending_authentication_token")
    assert (await desk.answer(await desk.begin(user))).status_code == 200


async def test_a_refresh_token_that_may_have_been_exchanged_since_is_refused(desk: Application) -> None:
    user = await desk.user()
    tokens = await desk.sign_in(user)
    await mark(desk)
    oauth_refused(await desk.refresh(tokens["refresh_token"]), "invalid_grant")
    assert await desk.sessions(user) == []
    await desk.sign_in(user)


async def test_the_code_that_signed_in_before_signs_in_no_more(desk: Application) -> None:
    user = await desk.member()
    code = desk.code()
    await mark(desk)
    refused(await desk.answer(await desk.begin(user), code), "one_time_code_previously_used")
