"""Enrolling, listing and deleting factors."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from authfactor import errors, ids
from authfactor.models import PageQuery
from authfactor.otp import base32, qr
from authfactor.wire.requests import EnrollFactor, EnrollUserFactor

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

DAY = 24 * 3600


def codes(refusal: errors.InvalidRequest) -> list[tuple[str, str]]:
    return [(item.field, item.code) for item in refusal.items]


async def test_names_default_to_the_team_and_the_email(desk: "Installation") -> None:
    user = await desk.user("kim@example.com")
    enrolled = await desk.enroll(user)
    factor = enrolled.factor
    assert (factor.issuer, factor.account, factor.user_id) == ("Acme", "kim@example.com", user.id)
    assert (factor.activated_at, factor.last_step) == (None, 0)
    assert factor.id.startswith(ids.FACTOR)
    assert ids.milliseconds_of(factor.id) == factor.created_at == desk.clock.now

    uri = urlsplit(enrolled.uri)
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Acme:kim@example.com")
    assert parse_qs(uri.query) == {
        "secret": [enrolled.secret],
        "issuer": ["Acme"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert len(base32.decode(enrolled.secret, min_bytes=20)) == 20
    assert enrolled.qr_code.startswith("data:image/png;base64,")


async def test_own_names_are_kept_and_empty_ones_mean_the_defaults(desk: "Installation") -> None:
    user = await desk.user("kim@example.com")
    own = (await desk.enroll(user, totp_issuer="My: App", totp_user="kim")).factor
    assert (own.issuer, own.account) == ("My: App", "kim")
    empty = (await desk.enroll(user, totp_issuer="", totp_user="")).factor
    assert (empty.issuer, empty.account) == ("Acme", "kim@example.com")


async def test_an_own_secret_is_normalised_and_active_at_once(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user, totp_secret="jbsw y3dp-ehpk 3pxp jbsw y3dp ehpk 3pxp====")
    assert enrolled.secret == "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    assert f"secret={enrolled.secret}&" in enrolled.uri
    assert enrolled.factor.activated_at == desk.clock.now
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid


@pytest.mark.parametrize("secret", ["", "JBSWY3D", "JBSWY3DPEHPK3PX1", "A" * 300])
async def test_a_secret_that_cannot_be_one_is_refused_without_being_repeated(
    desk: "Installation", secret: str
) -> None:
    user = await desk.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        await desk.enroll(user, totp_secret=secret)
    assert codes(refused.value) == [("totp_secret", "totp_secret_invalid")]
    assert not secret or secret not in refused.value.items[0].message


async def test_every_secret_is_different(desk: "Installation") -> None:
    user = await desk.user()
    secrets = {(await desk.enroll(user)).secret for _ in range(10)}
    assert len(secrets) == 10


async def test_a_factor_is_pending_until_its_first_right_code(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    await desk.verify(enrolled.challenge, desk.wrong(enrolled))
    unit = desk.af.factors.get(desk.environment, enrolled.factor.id)
    assert (await desk.af.read(unit)).activated_at is None
    assert "authfactor.factor_activated" not in await desk.events()
    desk.clock.advance(5)
    assert (await desk.verify(enrolled.challenge, desk.code(enrolled))).valid
    assert (await desk.af.read(unit)).activated_at == desk.clock.now
    desk.clock.advance(30)
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid
    assert (await desk.af.read(unit)).activated_at == desk.clock.now - 30_000
    assert (await desk.events()).count("authfactor.factor_activated") == 1


async def test_a_user_has_at_most_ten_factors(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = [await desk.enroll(user) for _ in range(10)]
    with pytest.raises(errors.InvalidRequest) as refused:
        await desk.enroll(user)
    assert codes(refused.value) == [("user_id", "factor_limit_reached")]
    with pytest.raises(errors.InvalidRequest):
        await desk.enroll_alone(user.id)
    await desk.enroll(await desk.user())
    await desk.af.run(desk.af.factors.delete(desk.environment, enrolled[3].factor.id))
    await desk.enroll(user)


async def test_of_enrolments_at_once_no_more_than_ten_pass(desk: "Installation") -> None:
    user = await desk.user()
    outcomes = await asyncio.gather(*(desk.enroll(user) for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(outcome, errors.InvalidRequest) for outcome in outcomes) == 20
    listed = await desk.af.read(lambda tx: tx.factors.of_user(desk.environment.number, user.id))
    assert len(listed) == 10


async def test_factors_pending_for_more_than_a_day_make_room_and_active_ones_stay(
    desk: "Installation",
) -> None:
    user = await desk.user()
    active = [await desk.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP") for _ in range(2)]
    pending = [await desk.enroll(user) for _ in range(8)]
    desk.clock.advance(DAY)
    with pytest.raises(errors.InvalidRequest):
        await desk.enroll(user)
    desk.clock.advance(0.001)
    fresh = await desk.enroll(user)
    listed = await desk.af.read(lambda tx: tx.factors.of_user(desk.environment.number, user.id))
    assert {factor.id for factor in listed} == {each.factor.id for each in (*active, fresh)}
    with pytest.raises(errors.NotFound):
        await desk.verify(pending[0].challenge, desk.code(pending[0]))


async def test_an_enrolment_refused_for_the_limit_removes_nothing(open_desk: "Opener") -> None:
    desk = await open_desk()
    user = await desk.user()
    stale = await desk.enroll(user)
    desk.clock.advance(DAY + 1)
    narrow = await open_desk(max_factors_per_user=2)
    kept = [await narrow.enroll(user) for _ in range(2)]
    with pytest.raises(errors.NotFound):
        await desk.af.read(desk.af.factors.get(desk.environment, stale.factor.id))
    desk.clock.advance(-DAY)
    stale = await desk.enroll(user)
    desk.clock.advance(DAY + 1)
    for each in kept:
        assert (await desk.answer(each, desk.code(each))).valid
    with pytest.raises(errors.InvalidRequest):
        await (await open_desk(max_factors_per_user=1)).enroll(user)
    assert await desk.af.read(desk.af.factors.get(desk.environment, stale.factor.id))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (None, "type_required"),
        ("", "type_required"),
        ("sms", "type_not_supported"),
        ("TOTP", "type_not_supported"),
    ],
)
async def test_only_totp_is_enrolled(desk: "Installation", kind: str | None, code: str) -> None:
    user = await desk.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        desk.af.factors.enroll(desk.environment, user.id, EnrollUserFactor(type=kind, totp_secret="1"))
    assert codes(refused.value) == [("type", code), ("totp_secret", "totp_secret_invalid")]
    with pytest.raises(errors.InvalidRequest) as refused:
        desk.af.factors.enroll_standalone(desk.environment, EnrollFactor(type=kind))
    assert codes(refused.value) == [("type", code)]


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", " ", "x" * 129, "\x00"])
async def test_names_that_would_mislead_are_refused(desk: "Installation", name: str) -> None:
    user = await desk.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        await desk.enroll(user, totp_issuer=name, totp_user=name)
    assert codes(refused.value) == [
        ("totp_issuer", "totp_issuer_invalid"),
        ("totp_user", "totp_user_invalid"),
    ]


@pytest.mark.parametrize("letter", ["\u6f22", "\U0001f600"])
async def test_names_whose_picture_would_be_too_large_are_refused_and_nothing_is_kept(
    desk: "Installation", letter: str
) -> None:
    user = await desk.user()
    names = {"totp_issuer": letter * 64, "totp_user": letter * 128}
    with pytest.raises(errors.InvalidRequest) as refused:
        await desk.enroll(user, **names)
    assert codes(refused.value) == [("totp_user", "totp_user_invalid")]
    with pytest.raises(errors.InvalidRequest):
        await desk.af.run(
            desk.af.factors.enroll_standalone(desk.environment, EnrollFactor(type="totp", **names))
        )
    assert await desk.af.read(lambda tx: tx.db.all("SELECT id FROM factors")) == []
    # The longest names that fit have a picture.
    room = qr.MAX_BYTES - len((await desk.enroll(user, totp_issuer="i", totp_user="u")).uri)
    made = await desk.enroll(user, totp_issuer="i", totp_user="u" + letter * (min(room // 12, 127)))
    assert made.qr_code.startswith("data:image/png;base64,")


async def test_an_email_that_cannot_name_an_account_is_refused_unless_the_account_is_named(
    desk: "Installation",
) -> None:
    user = await desk.user("kim@" + "x" * 63 + ".example")
    await desk.enroll(user)
    long = await desk.user("kim@" + ".".join(["x" * 60] * 3) + ".example")
    with pytest.raises(errors.InvalidRequest) as refused:
        await desk.enroll(long)
    assert codes(refused.value) == [("totp_user", "totp_user_invalid")]
    assert (await desk.enroll(long, totp_user="kim")).factor.account == "kim"


async def test_enrolling_an_unknown_user_is_not_found(desk: "Installation") -> None:
    user = await desk.user()
    request = EnrollUserFactor(type="totp")
    with pytest.raises(errors.NotFound):
        await desk.af.run(desk.af.factors.enroll(desk.environment, "user_x", request))
    unit = desk.af.factors.enroll(desk.environment, user.id, request)
    await desk.af.run(desk.af.users.delete(desk.environment, user.id))
    with pytest.raises(errors.NotFound):
        await desk.af.run(unit)
    with pytest.raises(errors.NotFound):
        await desk.enroll_alone("user_x")
    assert await desk.af.read(lambda tx: tx.db.all("SELECT id FROM factors")) == []


async def test_the_older_route_needs_both_names_and_opens_no_challenge(desk: "Installation") -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        desk.af.factors.enroll_standalone(desk.environment, EnrollFactor(type="totp", totp_issuer=""))
    assert codes(refused.value) == [
        ("totp_issuer", "totp_issuer_required"),
        ("totp_user", "totp_user_required"),
    ]
    enrolled = await desk.enroll_alone()
    assert (enrolled.challenge, enrolled.factor.user_id) == (None, None)
    user = await desk.user()
    assert (await desk.enroll_alone(user.id)).factor.user_id == user.id


async def test_a_users_factors_are_paged_and_foreign_cursors_refused(desk: "Installation") -> None:
    user, stranger = await desk.user(), await desk.user()
    mine = [(await desk.enroll(user)).factor.id for _ in range(5)]
    foreign = (await desk.enroll(stranger)).factor.id

    async def page(**query: Any) -> tuple[list[str], str | None, str | None]:  # noqa: ANN401 - cursors, order
        found = await desk.af.read(desk.af.factors.page(desk.environment, user.id, PageQuery(2, **query)))
        return [factor.id for factor in found.items], found.before, found.after

    assert await page() == ([mine[4], mine[3]], None, mine[3])
    assert await page(after=mine[3]) == ([mine[2], mine[1]], mine[2], mine[1])
    assert await page(after=mine[1]) == ([mine[0]], mine[0], None)
    assert await page(before=mine[2], order="desc") == ([mine[4], mine[3]], None, mine[3])
    assert await page(order="asc") == ([mine[0], mine[1]], None, mine[1])
    for query in ({"after": foreign}, {"before": foreign}, {"after": "auth_factor_x"}):
        with pytest.raises(errors.InvalidRequest) as refused:
            await page(**query)
        (field,) = query
        assert codes(refused.value) == [(field, f"{field}_invalid")]


async def test_a_deleted_factor_is_gone_with_its_challenges(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    delete = desk.af.factors.delete(desk.environment, enrolled.factor.id)
    await desk.af.run(delete)
    with pytest.raises(errors.NotFound):
        await desk.af.run(delete)
    with pytest.raises(errors.NotFound):
        await desk.af.read(desk.af.factors.get(desk.environment, enrolled.factor.id))
    with pytest.raises(errors.NotFound):
        await desk.challenge(enrolled)
    with pytest.raises(errors.NotFound, match="Authentication Challenge"):
        await desk.verify(enrolled.challenge, desk.code(enrolled))
    assert (await desk.events())[-1] == "authfactor.factor_deleted"
