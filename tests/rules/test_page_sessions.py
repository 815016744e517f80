"""Links whose user, factor or challenge is gone or used up between one page and the next."""

import pytest

from authfactor import errors
from authfactor.models import Enrollment, LinkRecord, UserRecord
from authfactor.rules.links.page_sessions import CodeOutcome
from authfactor.store import Unit
from authfactor.wire.links import CreateChallengeLink, CreateEnrollmentLink
from tests.support.installation import Installation, Opener

CHALLENGE_SECONDS = 60


async def enrollment_link(installation: Installation, user: UserRecord) -> str:
    request = CreateEnrollmentLink(user_id=user.id)
    issued = await installation.af.run(
        installation.af.links.create_enrollment(installation.environment, request)
    )
    return issued.url.rpartition("/")[2]


async def challenge_link(installation: Installation, user: UserRecord) -> str:
    request = CreateChallengeLink(user_id=user.id)
    issued = await installation.af.run(
        installation.af.links.create_challenge(installation.environment, request)
    )
    return issued.url.rpartition("/")[2]


async def enrolled(installation: Installation) -> tuple[UserRecord, Enrollment]:
    """Create a user with an active factor."""
    user = await installation.user()
    made = await installation.enroll(user)
    assert (await installation.answer(made, installation.code(made))).valid
    installation.clock.advance(30)
    return user, made


async def opening(installation: Installation, token: str) -> Unit[tuple[LinkRecord, str]]:
    return await installation.af.page_sessions.prepare_open(installation.af.store, token)


async def verify(installation: Installation, opened: tuple[LinkRecord, str], code: str) -> CodeOutcome:
    link, secret = opened
    return await installation.af.run(installation.af.page_sessions.verify(link.id, secret, code))


async def test_link_deleted_while_it_is_opened_is_refused(installation: Installation) -> None:
    user = await installation.user()
    unit = await opening(installation, await enrollment_link(installation, user))
    installation.sql("DELETE FROM links")

    with pytest.raises(errors.LinkUsed):
        await installation.af.run(unit)
    assert installation.sql("SELECT count(*) FROM factors") == [(0,)]


async def test_factor_deleted_while_its_link_is_opened_is_unknown(installation: Installation) -> None:
    user, made = await enrolled(installation)
    unit = await opening(installation, await challenge_link(installation, user))
    await installation.af.run(installation.af.factors.delete(installation.environment, made.factor.id))

    with pytest.raises(errors.LinkUnknown):
        await installation.af.run(unit)


async def test_link_without_its_user_is_unknown(installation: Installation) -> None:
    user = await installation.user()
    token = await enrollment_link(installation, user)
    installation.sql("DELETE FROM users")

    with pytest.raises(errors.LinkUnknown):
        await installation.af.read(installation.af.page_sessions.find(token))


async def test_page_without_its_challenge_is_unknown(installation: Installation) -> None:
    user, made = await enrolled(installation)
    opened = await installation.af.run(await opening(installation, await challenge_link(installation, user)))
    installation.sql("DELETE FROM challenges")

    with pytest.raises(errors.LinkUnknown):
        await verify(installation, opened, installation.code(made))


async def test_challenge_verified_elsewhere_ends_its_page(installation: Installation) -> None:
    user, made = await enrolled(installation)
    opened = await installation.af.run(await opening(installation, await challenge_link(installation, user)))
    challenge_id = opened[0].challenge_id
    assert challenge_id is not None
    verified = await installation.af.run(
        installation.af.challenges.verify(installation.environment, challenge_id, installation.code(made))
    )
    assert verified.valid
    installation.clock.advance(30)

    with pytest.raises(errors.LinkUsed):
        await verify(installation, opened, installation.code(made))


async def test_expired_challenge_ends_the_page_of_a_challenge_but_not_of_an_enrollment(
    open_installation: Opener,
) -> None:
    installation: Installation = await open_installation(challenge_life=CHALLENGE_SECONDS)
    user, made = await enrolled(installation)
    other = await installation.user()
    challenged = await installation.af.run(
        await opening(installation, await challenge_link(installation, user))
    )
    enrolling = await installation.af.run(
        await opening(installation, await enrollment_link(installation, other))
    )
    installation.clock.advance(CHALLENGE_SECONDS)

    with pytest.raises(errors.LinkExpired):
        await verify(installation, challenged, installation.code(made))
    outcome = await verify(installation, enrolling, "no code")
    assert outcome.verification is not None
    assert not outcome.verification.valid


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (CreateChallengeLink(), "user_id_required"),
        (CreateChallengeLink(user_id="user_1", state="x"), "state_without_return_to"),
        (CreateChallengeLink(user_id="user_1", state="x" * 2000, return_to=""), "state_invalid"),
    ],
)
async def test_invalid_challenge_link_is_not_created(
    installation: Installation, request_: CreateChallengeLink, code: str
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.links.create_challenge(installation.environment, request_)
    assert code in [item.code for item in refused.value.items]
