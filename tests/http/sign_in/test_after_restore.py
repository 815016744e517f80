"""After a restore: pending sign-ins, refresh tokens and codes from before it are refused."""

from authfactor.rules.maintenance.after_restore import AfterRestore
from tests.support.application import Application, oauth_refused, refused


async def mark_restored(application: Application) -> None:
    await AfterRestore(application.clock, application.af.settings, application.af.audit).mark(
        application.af.store, "a test"
    )


async def test_pending_sign_in_is_refused_after_a_restore(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    # It may have been used after the backup was made; here it was not.
    await mark_restored(application)
    application.clock.advance(120)
    refused(await application.answer(pending), "invalid_pending_authentication_token")
    assert (await application.answer(await application.begin(user))).status_code == 200


async def test_refresh_token_is_refused_after_a_restore(
    application: Application,
) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await mark_restored(application)
    oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant")
    assert await application.sessions(user) == []
    await application.sign_in(user)


async def test_current_code_is_refused_after_a_restore(application: Application) -> None:
    user = await application.member()
    code = application.code()
    await mark_restored(application)
    refused(await application.answer(await application.begin(user), code), "one_time_code_previously_used")
