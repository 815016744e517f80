"""A user has a secret once, so that no code is good twice; older duplicates share their spent steps."""

import asyncio
import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.models import Enrollment, FactorRecord, UserRecord, Verification
from authfactor.otp import base32
from authfactor.rules.factors.factor_secrets import secret_row
from tests.support.clock import DAY

if TYPE_CHECKING:
    from tests.support.installation import Installation

SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RACERS: Final = 50
# What the official importer skips, in the message that its SDK makes of the item's code.
SKIPPED: Final = re.compile("already.?enrolled|factor.?already.?exists|duplicate", re.IGNORECASE)


def spelled(secret: bytes) -> str:
    return base32.encode(secret)


async def assert_enrolled_already(installation: "Installation", user: UserRecord, secret: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user, totp_secret=secret)
    (item,) = refused.value.items
    assert (item.field, item.code) == ("totp_secret", "factor_already_enrolled")
    for text in (item.code, item.message, refused.value.message):
        assert SKIPPED.search(text)
        assert secret not in text
    assert "factor already exists" in item.message
    assert "factor already exists" in refused.value.message


async def add_duplicate(installation: "Installation", enrolled: Enrollment, number: int = 0) -> Enrollment:
    """Add a factor with the same secret, as older releases did; return it with a challenge."""
    af, environment = installation.af, installation.environment.number
    factor_id = f"auth_factor_0000000000000000000000000{number}"
    secret = base32.decode(enrolled.secret, min_bytes=1)
    now = installation.clock.now
    sealed = af.vault.seal(secret, secret_row(environment, factor_id))
    factor = FactorRecord(factor_id, enrolled.factor.user_id, "Acme", "kim", sealed, now, 0, now, now)
    await af.run(lambda tx: tx.factors.insert(environment, factor))
    installation.sql("UPDATE factors SET secret_compared = 0 WHERE id = ?", factor_id)
    challenge = await af.run(af.challenges.create(installation.environment, factor_id))
    return Enrollment(factor, challenge, enrolled.secret, "", str)


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        SECRET.lower(),
        " ".join(SECRET),
        f"{SECRET[:4]}-{SECRET[4:]}",
        f"{SECRET}AAAAAAAA",
        f"{SECRET}AA",
    ],
    ids=["same", "lower case", "spaces", "hyphen", "zero bytes", "one zero byte"],
)
async def test_a_secret_that_the_user_has_is_refused(installation: "Installation", spelling: str) -> None:
    user = await installation.user()
    await installation.enroll(user, totp_secret=SECRET)
    await assert_enrolled_already(installation, user, spelling)
    assert installation.sql("SELECT count(*) FROM factors") == [(1,)]


async def test_a_long_secret_is_the_same_as_its_digest(installation: "Installation") -> None:
    long = bytes(range(100))
    user = await installation.user()
    first = await installation.enroll(user, totp_secret=spelled(long))
    digest = hashlib.sha1(long).digest()  # noqa: S324 - RFC 2104 with SHA-1
    await assert_enrolled_already(installation, user, spelled(digest))
    other = await installation.enroll(await installation.user(), totp_secret=spelled(digest))
    assert installation.code(first) == installation.code(other)


async def test_secret_that_was_generated_cannot_be_enrolled_again(installation: "Installation") -> None:
    user = await installation.user()
    generated = await installation.enroll(user)
    await assert_enrolled_already(installation, user, generated.secret)


async def test_other_secrets_and_other_users_are_not_refused(installation: "Installation") -> None:
    user = await installation.user()
    for secret in (SECRET, SECRET[::-1], f"A{SECRET[1:]}"):
        await installation.enroll(user, totp_secret=secret)
    enrolled = await installation.enroll(await installation.user(), totp_secret=SECRET)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).valid


async def test_deleted_or_expired_factor_does_not_refuse_its_secret(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret=SECRET)
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled.factor.id))
    await installation.enroll(user, totp_secret=SECRET)


async def test_existing_factor_is_reported_also_at_the_limit(installation: "Installation") -> None:
    user = await installation.user()
    await installation.enroll(user, totp_secret=SECRET)
    for _ in range(9):
        await installation.enroll(user)
    await assert_enrolled_already(installation, user, SECRET)
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.enroll(user, totp_secret=SECRET[::-1])
    assert refused.value.items[0].code == "factor_limit_reached"


async def test_given_secret_still_replaces_factors_pending_for_over_a_day(
    installation: "Installation",
) -> None:
    user = await installation.user()
    for _ in range(10):
        await installation.enroll(user)
    installation.clock.advance(DAY + 1)
    enrolled = await installation.enroll(user, totp_secret=SECRET)
    assert installation.sql("SELECT id FROM factors") == [(enrolled.factor.id,)]


async def test_of_fifty_concurrent_enrollments_of_one_secret_one_succeeds(
    installation: "Installation",
) -> None:
    user = await installation.user()
    outcomes = await asyncio.gather(
        *(installation.enroll(user, totp_secret=SECRET) for _ in range(RACERS)), return_exceptions=True
    )
    assert Counter(type(each) for each in outcomes) == {
        Enrollment: 1,
        errors.InvalidRequest: RACERS - 1,
    }
    assert installation.sql("SELECT count(*) FROM factors") == [(1,)]


async def test_secret_sealed_with_an_older_vault_key_is_recognized(installation: "Installation") -> None:
    user = await installation.user()
    await installation.enroll(user, totp_secret=SECRET)
    installation.af.vault.extend([key_of(bytes(range(32)))])
    await assert_enrolled_already(installation, user, SECRET)


async def test_code_of_an_older_duplicate_is_good_once_for_all(installation: "Installation") -> None:
    user = await installation.user()
    phone = await installation.enroll(user, totp_secret=SECRET)
    other = await installation.enroll(user, totp_secret=SECRET[::-1])
    copies = [await add_duplicate(installation, phone, number) for number in range(2)]
    code = installation.code(phone)
    assert (await installation.verify(copies[0].challenge, code)).valid
    for enrolled in (phone, copies[1]):
        for step in (0, -1):
            used = await installation.answer(enrolled, installation.code(phone, step))
            assert (used.valid, used.reason) == (False, "code_already_used")
    assert (await installation.answer(other, installation.code(other))).valid
    assert (await installation.answer(phone, installation.code(phone, 1))).valid
    assert (await installation.answer(copies[0], installation.code(phone, 1))).reason == "code_already_used"


async def test_of_fifty_concurrent_uses_of_a_duplicated_secret_one_is_valid(
    installation: "Installation",
) -> None:
    for _ in range(3):
        phone = await installation.enroll(await installation.user(), totp_secret=SECRET)
        installation.sql("DELETE FROM factors WHERE id LIKE 'auth_factor_000000%'")
        copy = await add_duplicate(installation, phone)
        factors = [phone, copy]
        # A challenge each: the code is judged by its step alone.
        challenges = [await installation.challenge(factors[at % 2]) for at in range(RACERS)]
        code = installation.code(phone)
        outcomes: list[Any] = await asyncio.gather(
            *(installation.verify(challenge, code) for challenge in challenges), return_exceptions=True
        )
        assert sum(isinstance(each, Verification) and each.valid for each in outcomes) == 1


async def test_duplicate_of_another_user_or_without_a_user_keeps_its_own_steps(
    installation: "Installation",
) -> None:
    phone = await installation.enroll(await installation.user(), totp_secret=SECRET)
    other = await installation.enroll(await installation.user(), totp_secret=SECRET)
    alone = await add_duplicate(installation, phone)
    installation.sql("UPDATE factors SET user_id = NULL WHERE id = ?", alone.factor.id)
    for enrolled in (phone, other, alone):
        assert (await installation.answer(enrolled, installation.code(phone))).valid


async def test_damaged_secret_of_another_factor_does_not_stop_the_right_code(
    installation: "Installation",
) -> None:
    phone = await installation.enroll(await installation.user(), totp_secret=SECRET)
    damaged = await add_duplicate(installation, phone)
    installation.sql("UPDATE factors SET secret = ? WHERE id = ?", phone.factor.secret, damaged.factor.id)
    assert (await installation.verify(phone.challenge, installation.code(phone))).valid
