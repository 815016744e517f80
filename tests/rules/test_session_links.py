"""A hosted page raises the session that its link names, and no other."""

from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import Enrollment, SessionRecord, UserRecord
from authfactor.wire.links import ChallengeLink, link
from authfactor.wire.requests import Authenticate
from authfactor.wire.session_checks import ChallengeSession
from tests.rules.test_links import challenge_link, open_link

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

PASSWORD = "seven green bottles"


async def signed_in(
    installation: "Installation", user: UserRecord | None = None
) -> tuple[UserRecord, SessionRecord]:
    """Sign in by password a user without a factor, or one who had none then."""
    user = user or await installation.user(password=PASSWORD)
    af, environment = installation.af, installation.environment
    request = Authenticate(email=user.email, password=PASSWORD)
    await af.run(await af.sign_in.prepare_password(af.store, environment, request))
    rows = await af.read(
        lambda tx: tx.db.all("SELECT id FROM sessions WHERE user_id = $1 ORDER BY id DESC", user.id)
    )
    return user, await session(installation, rows[0][0])


async def session(installation: "Installation", session_id: str) -> SessionRecord:
    found = await installation.af.read(
        lambda tx: tx.sessions.by_id(installation.environment.number, session_id)
    )
    assert found is not None
    return found


async def enrolled(installation: "Installation", user: UserRecord) -> Enrollment:
    return await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")


async def test_code_on_the_page_raises_the_session_of_the_link(installation: "Installation") -> None:
    user, before = await signed_in(installation)
    _, twin = await signed_in(installation, user)
    factor = await enrolled(installation, user)
    issued = await challenge_link(installation, user, session_id=before.id)
    page = await open_link(installation, issued)
    codes = await installation.af.run(
        installation.af.recovery_codes.create(installation.environment, user.id)
    )
    refused = await page.answer(codes.codes[0])
    assert refused is not None
    assert refused.reason == "code_malformed"
    assert await session(installation, before.id) == before
    verification = await page.answer(installation.code(factor))
    assert verification is not None
    assert verification.valid
    raised = await session(installation, before.id)
    assert (raised.mfa_at, raised.amr) == (installation.clock.now, "pwd otp mfa")
    assert await session(installation, twin.id) == twin
    found = await installation.af.read(
        installation.af.links.get(installation.environment, "challenge", issued.link.id)
    )
    shape = link(found, installation.clock.now)
    assert isinstance(shape, ChallengeLink)
    assert (shape.session_id, shape.status) == (before.id, "completed")
    # Submitted again, it raises nothing again.
    installation.clock.advance(5)
    assert await page.answer(installation.code(factor)) is None
    assert await session(installation, before.id) == raised


async def test_link_without_a_session_raises_nothing(installation: "Installation") -> None:
    user, before = await signed_in(installation)
    factor = await enrolled(installation, user)
    page = await open_link(installation, await challenge_link(installation, user))
    verification = await page.answer(installation.code(factor))
    assert verification is not None
    assert verification.valid
    assert await session(installation, before.id) == before


async def test_link_is_refused_for_other_sessions(installation: "Installation") -> None:
    user, mine = await signed_in(installation)
    await enrolled(installation, user)
    _, foreign = await signed_in(installation)
    for unknown in (foreign.id, "session_unknown", "a\0b"):
        with pytest.raises(errors.NotFound) as refusal:
            await challenge_link(installation, user, session_id=unknown)
        assert refusal.value.kind == "Session"
    await installation.af.run(installation.af.sessions.revoke(installation.environment, mine.id))
    with pytest.raises(errors.SessionEnded):
        await challenge_link(installation, user, session_id=mine.id)


async def test_page_spends_nothing_when_its_session_has_ended(installation: "Installation") -> None:
    user, before = await signed_in(installation)
    factor = await enrolled(installation, user)
    page = await open_link(installation, await challenge_link(installation, user, session_id=before.id))
    await installation.af.run(installation.af.sessions.revoke(installation.environment, before.id))
    with pytest.raises(errors.SessionEnded):
        await page.answer(installation.code(factor))
    assert (await page.view()).link.completed_at is None
    assert (await installation.answer(factor, installation.code(factor))).valid


async def test_idle_session_is_neither_challenged_nor_raised(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(session_inactivity=3600)
    user, before = await signed_in(installation)
    factor = await enrolled(installation, user)
    checks = installation.af.session_checks
    opened = await installation.af.run(
        checks.challenge(installation.environment, before.id, ChallengeSession())
    )
    installation.sql("UPDATE challenges SET expires_at = expires_at + 10000000")
    installation.clock.advance(3600)
    with pytest.raises(errors.SessionEnded):
        await installation.verify(opened, installation.code(factor))
    with pytest.raises(errors.SessionEnded):
        await installation.af.run(checks.challenge(installation.environment, before.id, ChallengeSession()))
    assert (await session(installation, before.id)).mfa_at is None
