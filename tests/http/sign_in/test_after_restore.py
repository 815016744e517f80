"""After a restore: what a sign-in of before had in hand buys nothing."""

from authfactor.rules.maintenance.after_restore import AfterRestore
from tests.support.application import Application, oauth_refused, refused


async def mark(application: Application) -> None:
    await AfterRestore(application.clock, application.af.settings, application.af.audit).mark(
        application.af.store, "a test"
    )


async def test_a_waiting_sign_in_is_over_and_a_new_one_works(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    # It may have been spent after the backup: here it never was.
    await mark(application)
    application.clock.advance(60)
    refused(await application.answer(pending), "invalid_pending_authentication_token")
    assert (await application.answer(await application.begin(user))).status_code == 200


async def test_a_refresh_token_that_may_have_been_exchanged_since_is_refused(
    application: Application,
) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await mark(application)
    oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant")
    assert await application.sessions(user) == []
    await application.sign_in(user)


async def test_the_code_that_signed_in_before_signs_in_no_more(application: Application) -> None:
    user = await application.member()
    code = application.code()
    await mark(application)
    refused(await application.answer(await application.begin(user), code), "one_time_code_previously_used")
