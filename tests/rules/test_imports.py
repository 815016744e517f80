"""Importing factors of other systems: active at once, each secret of a user once, no code good twice."""

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.crypto import keyring
from authfactor.otp import base32, totp
from authfactor.otp.totp import CodeProfile
from authfactor.rules.factors.imports import ImportOutcome, ImportPreviewed, Owner
from authfactor.wire.mfa_policies import SetMfaPolicy
from tests.support.imported import SECRET, Phone, phone, run, wanted

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

OTHER = bytes(range(40, 60))


async def test_imported_factor_is_active_and_waits_for_a_fresh_code(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    (outcome,) = await run(installation, wanted(" Kim@EXAMPLE.com", issuer="Shop", account="kim"))
    assert (outcome.status, outcome.code, outcome.user_id) == ("imported", None, user.id)
    factor = Phone(installation, outcome.factor_id or "", totp.STANDARD)
    details = await factor.details()
    assert (details.issuer, details.account, details.activated_at) == ("Shop", "kim", installation.clock.now)
    assert await installation.events() == ["user.created", "authfactor.factor_imported"]
    # No code of now, nor of a clock that is a step ahead, which may have been used at the other system.
    for step in (-1, 0, 1):
        assert (await factor.answer(factor.code(step))).reason == "code_already_used"
    installation.clock.advance(60)
    assert (await factor.answer(factor.code())).valid


@pytest.mark.parametrize("profile", sorted(totp.PROFILES))
@pytest.mark.parametrize("drift", [-20, -1, 0, 2, 20])
async def test_no_code_that_was_good_at_the_other_system_is_good_here(
    open_installation: "Opener", profile: CodeProfile, drift: int
) -> None:
    installation = await open_installation()
    user = await installation.user()
    factor = await phone(installation, user, profile, wait=0, drift=drift)
    shown = totp.step_at(installation.clock.now // 1000, profile.period)
    assert (await factor.details()).last_step == shown + 1 + max(drift, 0)


async def test_second_run_imports_nothing(installation: "Installation") -> None:
    user = await installation.user()
    entries = [wanted(user.email), wanted(user.email, OTHER), wanted(user.email)]
    first = await run(installation, *entries)
    assert [each.status for each in first] == ["imported", "imported", "exists"]
    assert first[2].factor_id == first[0].factor_id
    second = await run(installation, *entries)
    assert [(each.status, each.factor_id) for each in second] == [
        ("exists", each.factor_id) for each in first
    ]
    assert (await installation.events()).count("authfactor.factor_imported") == 2


async def test_deleted_factor_is_not_brought_back_by_another_run(installation: "Installation") -> None:
    user = await installation.user()
    (outcome,) = await run(installation, wanted(user.email))
    af, environment = installation.af, installation.environment
    await af.run(af.factors.delete(environment, outcome.factor_id or ""))
    assert (await run(installation, wanted(user.email)))[0].status == "exists"
    assert await af.read(af.factors.of_user(environment, user.id)) == []


async def test_secret_that_was_imported_is_known_after_a_key_rotation(open_installation: "Opener") -> None:
    installation = await open_installation()
    user = await installation.user()
    (outcome,) = await run(installation, wanted(user.email))
    af = installation.af
    await af.run(af.factors.delete(installation.environment, outcome.factor_id or ""))
    keyring.source_of(af.settings).add(os.urandom)
    again = await open_installation()
    assert len(again.af.vault.key_ids) == 2
    assert (await run(again, wanted(user.email)))[0].status == "exists"


async def test_factor_that_was_enrolled_with_the_secret_is_the_users_already(
    installation: "Installation",
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret=base32.encode(SECRET))
    for secret in (SECRET, SECRET + b"\0\0"):
        (outcome,) = await run(installation, wanted(user.email, secret, profile=CodeProfile("SHA1", 8, 60)))
        assert outcome == ImportOutcome("exists", None, user.id, enrolled.factor.id)


async def test_enrolling_an_imported_secret_again_is_refused(installation: "Installation") -> None:
    user = await installation.user()
    await run(installation, wanted(user.email))
    with pytest.raises(Exception, match="already exists"):
        await installation.enroll(user, totp_secret=base32.encode(SECRET))


async def test_one_secret_of_two_users_is_a_factor_of_each(installation: "Installation") -> None:
    users = [await installation.user() for _ in range(2)]
    outcomes = await run(installation, *(wanted(user.email) for user in users))
    assert [(each.status, each.user_id) for each in outcomes] == [("imported", user.id) for user in users]
    digests = installation.sql("SELECT digest FROM imported_factors")
    assert len({digest for (digest,) in digests}) == 2


async def test_users_are_found_by_email_external_id_and_id(installation: "Installation") -> None:
    user = await installation.user("kim@example.com", external_id="kim-7")
    owners = [Owner("id", user.id), Owner("external_id", "kim-7"), Owner("email", "KIM@example.com")]
    outcomes = await run(installation, *(wanted("", owner=owner) for owner in owners))
    assert [each.status for each in outcomes] == ["imported", "exists", "exists"]
    unknown = [Owner("id", "user_1"), Owner("external_id", "Kim-7"), Owner("email", "kim-7")]
    outcomes = await run(installation, *(wanted("", owner=owner) for owner in unknown))
    assert outcomes == [ImportOutcome("user_unknown")] * 3


async def test_users_of_another_environment_are_unknown(installation: "Installation") -> None:
    user = await installation.user("kim@example.com", external_id="kim-7")
    af = installation.af
    owners = [Owner("id", user.id), Owner("external_id", "kim-7"), Owner("email", "kim@example.com")]
    entries = [wanted("", owner=owner) for owner in owners]
    outcomes = await af.run(af.imports.run(installation.other, entries))
    assert outcomes == [ImportOutcome("user_unknown")] * 3


async def test_unknown_users_are_created_on_request(installation: "Installation") -> None:
    taken = await installation.user("taken@example.com")
    entries = [
        wanted("new@example.com"),
        wanted("NEW@example.com", OTHER),
        wanted("", owner=Owner("external_id", "lee-8"), email="lee@example.com"),
        wanted("", owner=Owner("external_id", "max-9")),
        wanted("", owner=Owner("external_id", "pat-1"), email="no email"),
        wanted("", owner=Owner("external_id", "sam-2"), email=taken.email),
        wanted("user_unknown"),
    ]
    outcomes = await run(installation, *entries, create_users=True)
    statuses = [each.status for each in outcomes]
    assert statuses == ["imported"] * 3 + ["user_unknown"] * 4
    assert outcomes[0].user_id == outcomes[1].user_id
    assert (await installation.events()).count("user.created") == 3
    af, environment = installation.af, installation.environment
    lee = await af.read(af.users.by_external_id(environment, "lee-8"))
    assert (lee.email, lee.email_verified, lee.password_hash) == ("lee@example.com", False, None)


async def test_preview_tells_outcomes_and_changes_nothing(installation: "Installation") -> None:
    user = await installation.user()
    af = installation.af
    entries = [wanted(user.email), wanted("new@example.com"), wanted("user_1")]
    with pytest.raises(ImportPreviewed) as previewed:
        await af.run(af.imports.preview(installation.environment, entries, create_users=True))
    assert [each.status for each in previewed.value.outcomes] == ["imported", "imported", "user_unknown"]
    assert await installation.events() == ["user.created"]
    assert installation.sql("SELECT count(*) FROM factors") == [(0,)]


async def test_no_user_gets_more_factors_than_the_limit(open_installation: "Opener") -> None:
    installation = await open_installation(max_factors_per_user=2, pending_factor_life=3600)
    user = await installation.user()
    await installation.enroll(user)
    secrets = [bytes([at]) * 20 for at in range(1, 5)]
    outcomes = await run(installation, *(wanted(user.email, each) for each in secrets))
    assert [each.status for each in outcomes] == ["imported", "refused", "refused", "refused"]
    assert outcomes[1].code == "factor_limit_reached"
    # A pending factor counts only as long as it can be confirmed.
    installation.clock.advance(3601)
    outcomes = await run(installation, *(wanted(user.email, each) for each in secrets))
    assert [each.status for each in outcomes] == ["exists", "imported", "refused", "refused"]


async def test_secret_shorter_than_the_servers_minimum_is_refused(open_installation: "Opener") -> None:
    installation = await open_installation(min_secret=16)
    user = await installation.user()
    outcomes = await run(installation, wanted(user.email, bytes(15)), wanted(user.email, bytes([1]) * 16))
    assert [(each.status, each.code) for each in outcomes] == [
        ("refused", "secret_length"),
        ("imported", None),
    ]


async def test_names_that_could_not_be_shown_are_replaced(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    await run(
        installation,
        wanted(user.email, issuer="x" * 65, account="a\u202eb"),
        wanted(user.email, OTHER, issuer=None, account=None),
    )
    names = installation.sql("SELECT issuer, account FROM factors")
    assert names == [("Acme", "kim@example.com")] * 2


async def test_secret_is_sealed_and_nowhere_else(installation: "Installation") -> None:
    user = await installation.user()
    await run(installation, wanted(user.email))
    stored = installation.files()
    for form in (SECRET, SECRET.hex().encode(), base32.encode(SECRET).encode()):
        assert form not in stored


async def test_fifty_imports_of_one_secret_at_once_make_one_factor(installation: "Installation") -> None:
    user = await installation.user()
    results = await asyncio.gather(*(run(installation, wanted(user.email)) for _ in range(50)))
    statuses = [outcome.status for (outcome,) in results]
    assert (statuses.count("imported"), statuses.count("exists")) == (1, 49)
    assert len({outcome.factor_id for (outcome,) in results}) == 1


async def test_imports_of_the_same_users_in_other_orders_do_not_wait_for_each_other(
    installation: "Installation",
) -> None:
    users = [await installation.user() for _ in range(20)]
    orders = [users, users[::-1], users[10:] + users[:10], sorted(users, key=lambda each: each.email[::-1])]
    results = await asyncio.gather(
        *(run(installation, *(wanted(user.email) for user in order)) for order in orders)
    )
    statuses = [outcome.status for outcomes in results for outcome in outcomes]
    assert (statuses.count("imported"), statuses.count("exists")) == (20, 60)


async def test_deleted_user_takes_along_what_was_imported(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    await run(installation, wanted(user.email))
    af = installation.af
    await af.run(af.users.delete(installation.environment, user.id))
    assert installation.sql("SELECT count(*) FROM imported_factors") == [(0,)]
    assert (await run(installation, wanted(user.email)))[0].status == "user_unknown"


async def test_imported_factor_ends_grace(installation: "Installation") -> None:
    af, environment = installation.af, installation.environment
    request = msgspec.convert({"policy": "required", "grace_days": 7}, SetMfaPolicy)
    await af.run(af.mfa_policies.set(environment, request))
    changed = await af.read(lambda tx: tx.environments.by_number(1))
    assert changed is not None
    installation.environment = changed
    user = await installation.user()
    await af.run(af.mfa_policies.grant_grace(installation.environment, user.id, days=7, reason="test"))
    await run(installation, wanted(user.email))
    assert "authfactor.grace_ended" in await installation.events()


async def test_learned_drift_is_not_taken_where_servers_learn_none(open_installation: "Opener") -> None:
    installation = await open_installation(learn_drift=False)
    factor = await phone(installation, await installation.user(), drift=5)
    assert (await factor.details()).drift == 0


async def test_two_hundred_users_are_imported_in_one_unit(installation: "Installation") -> None:
    emails = [f"many{number}@example.com" for number in range(203)]
    outcomes = await run(installation, *(wanted(email) for email in emails), create_users=True)
    assert {each.status for each in outcomes} == {"imported"}
    assert installation.sql("SELECT count(*) FROM factors") == [(203,)]


async def test_factor_that_no_key_opens_keeps_no_other_out(installation: "Installation") -> None:
    user = await installation.user()
    await installation.enroll(user, totp_secret=base32.encode(OTHER))
    installation.sql("UPDATE factors SET secret = 'v1:000000:AAAA'")
    assert (await run(installation, wanted(user.email)))[0].status == "imported"


async def test_recovery_codes_of_an_import_replace_no_set(installation: "Installation") -> None:
    user = await installation.user()
    await run(installation, wanted(user.email))
    af, environment = installation.af, installation.environment
    made = await af.run(af.recovery_codes.import_first_set(environment, user.id, ["k7x9q2mu45wd"]))
    assert (made.total, made.remaining) == (1, 1)
    made = await af.run(
        af.recovery_codes.import_first_set(environment, user.id, ["aaaa9q2mu45wd", "bbbbq2mu45wd"])
    )
    assert (made.total, made.remaining) == (1, 1)
