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


async def test_issuer_and_account_default_to_team_and_email(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    enrolled = await installation.enroll(user)
    factor = enrolled.factor
    assert (factor.issuer, factor.account, factor.user_id) == ("Acme", "kim@example.com", user.id)
    assert (factor.activated_at, factor.last_step) == (None, 0)
    assert factor.id.startswith(ids.FACTOR)
    assert ids.milliseconds_of(factor.id) == factor.created_at == installation.clock.now

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


async def test_empty_issuer_and_account_mean_the_defaults(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    own = (await installation.enroll(user, totp_issuer="My: App", totp_user="kim")).factor
    assert (own.issuer, own.account) == ("My: App", "kim")
    empty = (await installation.enroll(user, totp_issuer="", totp_user="")).factor
    assert (empty.issuer, empty.account) == ("Acme", "kim@example.com")


async def test_imported_secret_is_normalized_and_active_immediately(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret="jbsw y3dp-ehpk 3pxp jbsw y3dp ehpk 3pxp====")
    assert enrolled.secret == "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    assert f"secret={enrolled.secret}&" in enrolled.uri
    assert enrolled.factor.activated_at == installation.clock.now
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


@pytest.mark.parametrize("secret", ["", "JBSWY3D", "JBSWY3DPEHPK3PX1", "A" * 300])
async def test_invalid_secret_is_refused_without_repeating_it(
    installation: "Installation", secret: str
) -> None:
    user = await installation.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user, totp_secret=secret)
    assert codes(refused.value) == [("totp_secret", "totp_secret_invalid")]
    assert not secret or secret not in refused.value.items[0].message


async def test_every_generated_secret_is_different(installation: "Installation") -> None:
    user = await installation.user()
    secrets = {(await installation.enroll(user)).secret for _ in range(10)}
    assert len(secrets) == 10


async def test_a_factor_is_pending_until_its_first_right_code(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    await installation.verify(enrolled.challenge, installation.wrong(enrolled))
    unit = installation.af.factors.get(installation.environment, enrolled.factor.id)
    assert (await installation.af.read(unit)).activated_at is None
    assert "authfactor.factor_activated" not in await installation.events()
    installation.clock.advance(5)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).valid
    assert (await installation.af.read(unit)).activated_at == installation.clock.now
    installation.clock.advance(30)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    assert (await installation.af.read(unit)).activated_at == installation.clock.now - 30_000
    assert (await installation.events()).count("authfactor.factor_activated") == 1


async def test_a_user_has_at_most_ten_factors(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = [await installation.enroll(user) for _ in range(10)]
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user)
    assert codes(refused.value) == [("user_id", "factor_limit_reached")]
    with pytest.raises(errors.InvalidRequest):
        await installation.enroll_alone(user.id)
    await installation.enroll(await installation.user())
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled[3].factor.id))
    await installation.enroll(user)


async def test_concurrent_enrollments_do_not_exceed_ten_factors(installation: "Installation") -> None:
    user = await installation.user()
    outcomes = await asyncio.gather(*(installation.enroll(user) for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(outcome, errors.InvalidRequest) for outcome in outcomes) == 20
    listed = await installation.af.read(
        lambda tx: tx.factors.of_user(installation.environment.number, user.id)
    )
    assert len(listed) == 10


async def test_enrolling_replaces_factors_pending_for_over_a_day(
    installation: "Installation",
) -> None:
    user = await installation.user()
    active = [
        await installation.enroll(user, totp_secret=f"{letter}BSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        for letter in "JK"
    ]
    pending = [await installation.enroll(user) for _ in range(8)]
    installation.clock.advance(DAY)
    with pytest.raises(errors.InvalidRequest):
        await installation.enroll(user)
    installation.clock.advance(0.001)
    fresh = await installation.enroll(user)
    listed = await installation.af.read(
        lambda tx: tx.factors.of_user(installation.environment.number, user.id)
    )
    assert {factor.id for factor in listed} == {each.factor.id for each in (*active, fresh)}
    with pytest.raises(errors.NotFound):
        await installation.verify(pending[0].challenge, installation.code(pending[0]))


async def test_enrollment_refused_for_the_limit_removes_nothing(open_installation: "Opener") -> None:
    installation = await open_installation()
    user = await installation.user()
    stale = await installation.enroll(user)
    installation.clock.advance(DAY + 1)
    narrow = await open_installation(max_factors_per_user=2)
    enrolled = [await narrow.enroll(user) for _ in range(2)]
    with pytest.raises(errors.NotFound):
        await installation.af.read(installation.af.factors.get(installation.environment, stale.factor.id))
    installation.clock.advance(-DAY)
    stale = await installation.enroll(user)
    installation.clock.advance(DAY + 1)
    for each in enrolled:
        assert (await installation.answer(each, installation.code(each))).valid
    with pytest.raises(errors.InvalidRequest):
        await (await open_installation(max_factors_per_user=1)).enroll(user)
    assert await installation.af.read(installation.af.factors.get(installation.environment, stale.factor.id))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (None, "type_required"),
        ("", "type_required"),
        ("sms", "type_not_supported"),
        ("TOTP", "type_not_supported"),
    ],
)
async def test_factor_type_other_than_totp_is_refused(
    installation: "Installation", kind: str | None, code: str
) -> None:
    user = await installation.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.factors.enroll(
            installation.environment, user.id, EnrollUserFactor(type=kind, totp_secret="1")
        )
    assert codes(refused.value) == [("type", code), ("totp_secret", "totp_secret_invalid")]
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.factors.enroll_standalone(installation.environment, EnrollFactor(type=kind))
    assert codes(refused.value) == [("type", code)]


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", " ", "x" * 129, "\x00"])
async def test_misleading_issuer_and_account_are_refused(installation: "Installation", name: str) -> None:
    user = await installation.user()
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user, totp_issuer=name, totp_user=name)
    assert codes(refused.value) == [
        ("totp_issuer", "totp_issuer_invalid"),
        ("totp_user", "totp_user_invalid"),
    ]


@pytest.mark.parametrize("letter", ["\u6f22", "\U0001f600"])
async def test_names_too_large_for_a_qr_code_are_refused(installation: "Installation", letter: str) -> None:
    user = await installation.user()
    names = {"totp_issuer": letter * 64, "totp_user": letter * 128}
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user, **names)
    assert codes(refused.value) == [("totp_user", "totp_user_invalid")]
    with pytest.raises(errors.InvalidRequest):
        await installation.af.run(
            installation.af.factors.enroll_standalone(
                installation.environment, EnrollFactor(type="totp", **names)
            )
        )
    assert await installation.af.read(lambda tx: tx.db.all("SELECT id FROM factors")) == []
    # The longest names that fit have a QR code.
    room = qr.MAX_BYTES - len((await installation.enroll(user, totp_issuer="i", totp_user="u")).uri)
    enrolled = await installation.enroll(
        user, totp_issuer="i", totp_user="u" + letter * (min(room // 12, 127))
    )
    assert enrolled.qr_code.startswith("data:image/png;base64,")


async def test_email_too_long_for_an_account_requires_an_explicit_account(
    installation: "Installation",
) -> None:
    user = await installation.user("kim@" + "x" * 63 + ".example")
    await installation.enroll(user)
    long = await installation.user("kim@" + ".".join(["x" * 60] * 3) + ".example")
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(long)
    assert codes(refused.value) == [("totp_user", "totp_user_invalid")]
    assert (await installation.enroll(long, totp_user="kim")).factor.account == "kim"


async def test_enrolling_for_an_unknown_user_is_not_found(installation: "Installation") -> None:
    user = await installation.user()
    request = EnrollUserFactor(type="totp")
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.factors.enroll(installation.environment, "user_x", request))
    unit = installation.af.factors.enroll(installation.environment, user.id, request)
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    with pytest.raises(errors.NotFound):
        await installation.af.run(unit)
    with pytest.raises(errors.NotFound):
        await installation.enroll_alone("user_x")
    assert await installation.af.read(lambda tx: tx.db.all("SELECT id FROM factors")) == []


async def test_legacy_enrollment_requires_both_names_and_creates_no_challenge(
    installation: "Installation",
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        installation.af.factors.enroll_standalone(
            installation.environment, EnrollFactor(type="totp", totp_issuer="")
        )
    assert codes(refused.value) == [
        ("totp_issuer", "totp_issuer_required"),
        ("totp_user", "totp_user_required"),
    ]
    enrolled = await installation.enroll_alone()
    assert (enrolled.challenge, enrolled.factor.user_id) == (None, None)
    user = await installation.user()
    assert (await installation.enroll_alone(user.id)).factor.user_id == user.id


async def test_factors_are_paged_and_cursors_of_other_users_refused(installation: "Installation") -> None:
    user, other = await installation.user(), await installation.user()
    mine = [(await installation.enroll(user)).factor.id for _ in range(5)]
    others = (await installation.enroll(other)).factor.id

    async def page(**query: Any) -> tuple[list[str], str | None, str | None]:  # noqa: ANN401 - cursors, order
        found = await installation.af.read(
            installation.af.factors.page(installation.environment, user.id, PageQuery(2, **query))
        )
        return [factor.id for factor in found.items], found.before, found.after

    assert await page() == ([mine[4], mine[3]], None, mine[3])
    assert await page(after=mine[3]) == ([mine[2], mine[1]], mine[2], mine[1])
    assert await page(after=mine[1]) == ([mine[0]], mine[0], None)
    assert await page(before=mine[2], order="desc") == ([mine[4], mine[3]], None, mine[3])
    assert await page(order="asc") == ([mine[0], mine[1]], None, mine[1])
    for query in ({"after": others}, {"before": others}, {"after": "auth_factor_x"}):
        with pytest.raises(errors.InvalidRequest) as refused:
            await page(**query)
        (field,) = query
        assert codes(refused.value) == [(field, f"{field}_invalid")]


async def test_deleting_a_factor_deletes_its_challenges(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    delete = installation.af.factors.delete(installation.environment, enrolled.factor.id)
    await installation.af.run(delete)
    with pytest.raises(errors.NotFound):
        await installation.af.run(delete)
    with pytest.raises(errors.NotFound):
        await installation.af.read(installation.af.factors.get(installation.environment, enrolled.factor.id))
    with pytest.raises(errors.NotFound):
        await installation.challenge(enrolled)
    with pytest.raises(errors.NotFound, match="Authentication Challenge"):
        await installation.verify(enrolled.challenge, installation.code(enrolled))
    assert (await installation.events())[-1] == "authfactor.factor_deleted"
