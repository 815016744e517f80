"""Creating, finding, changing and deleting users."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from authfactor import errors, ids
from authfactor.models import PageQuery, UserRecord
from authfactor.rules.authentication.password_hashing import api_share
from authfactor.wire.requests import CreateUser, UpdateUser

if TYPE_CHECKING:
    from tests.support.installation import Installation

BCRYPT = "$2b$04$abcdefghijklmnopqrstuuxg3mnJtW3FdpGk1wIbyBAMRNXEYKjYa"
PASSWORD = "several unrelated words"
SHARE = api_share(1)


async def update(installation: "Installation", user: UserRecord, **fields: Any) -> UserRecord:  # noqa: ANN401 - any field
    return await installation.af.run(
        await installation.af.users.prepare_update(installation.environment, user.id, UpdateUser(**fields))
    )


def codes(refusal: errors.InvalidRequest) -> list[tuple[str, str]]:
    return [(item.field, item.code) for item in refusal.items]


async def test_created_user_has_the_given_fields(installation: "Installation") -> None:
    user = await installation.user(
        " Kim@Example.com ",
        first_name="Kim",
        last_name="Doe",
        name="Kim Doe",
        email_verified=True,
        external_id="crm-77",
        metadata={"plan": "pro", "absent": None},
        locale="de",
        password=PASSWORD,
    )
    assert user.id.startswith(ids.USER)
    assert user.created_at == user.updated_at == ids.milliseconds_of(user.id) == installation.clock.now
    assert (user.email, user.email_verified, user.external_id) == ("Kim@Example.com", True, "crm-77")
    assert json.loads(user.metadata) == {"plan": "pro"}
    assert await installation.af.read(installation.af.users.get(installation.environment, user.id)) == user
    assert (
        await installation.af.read(installation.af.users.by_external_id(installation.environment, "crm-77"))
        == user
    )
    assert await installation.af.hasher.verify(PASSWORD, user.password_hash, SHARE)
    assert not await installation.af.hasher.verify(PASSWORD + " ", user.password_hash, SHARE)


async def test_user_can_be_created_with_only_an_email(installation: "Installation") -> None:
    user = await installation.user("a@b")
    assert (user.email_verified, user.metadata, user.password_hash) == (False, "{}", None)
    assert (user.first_name, user.external_id, user.last_sign_in_at) == (None, None, None)


@pytest.mark.parametrize("email", [None, "", "  "])
async def test_creating_a_user_without_an_email_is_refused(
    installation: "Installation", email: str | None
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.af.users.prepare_create(installation.environment, CreateUser(email=email))
    assert codes(refused.value) == [("email", "email_string_required")]


@pytest.mark.parametrize(
    "email", ["a", "@b", "a@", "a@b@c", "a b@c", "a\x00@b", "a\u200b@b", "a" * 250 + "@b.cd"]
)
async def test_malformed_email_is_refused(installation: "Installation", email: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.af.users.prepare_create(installation.environment, CreateUser(email=email))
    assert codes(refused.value) == [("email", "email_invalid")]
    user = await installation.user()
    with pytest.raises(errors.InvalidUserField) as refused:
        await update(installation, user, email=email)
    assert refused.value.code == "invalid_email"


async def test_duplicate_email_in_any_case_or_external_id_is_refused(installation: "Installation") -> None:
    await installation.user("Kim@example.com", external_id="crm-1")
    with pytest.raises(errors.UserCreationFailed) as refused:
        await installation.user("kIM@EXAMPLE.com", external_id="crm-1")
    assert codes(refused.value) == [
        ("email", "email_not_available"),
        ("external_id", "external_id_already_used"),
    ]
    with pytest.raises(errors.UserCreationFailed) as refused:
        await installation.user("other@example.com", external_id="crm-1")
    assert codes(refused.value) == [("external_id", "external_id_already_used")]
    assert (await installation.events()).count("user.created") == 1
    await installation.af.run(
        await installation.af.users.prepare_create(
            installation.other, CreateUser("kim@example.com", external_id="crm-1")
        )
    )


async def test_concurrent_creations_with_one_email_create_one_user(installation: "Installation") -> None:
    outcomes = await asyncio.gather(
        *(installation.user("kim@example.com") for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(each, UserRecord) for each in outcomes) == 1
    assert sum(isinstance(each, errors.UserCreationFailed) for each in outcomes) == 19


SAME_EMAIL = [
    ("ceo@faß.de", "CEO@xn--fa-hia.de"),
    ("ceo@jos\u00e9.fr", "ceo@jose\u0301.fr"),
    ("jos\u00e9@example.com", "jose\u0301@example.com"),
    ("ceo@\ufb01rm.de", "ceo@firm.de"),
]
OTHER_EMAIL = [
    ("ceo@faß.de", "ceo@fass.de"),
    ("weiß@example.com", "weiss@example.com"),
    ("\u017fam@example.com", "sam@example.com"),
    ("\ufb01n@example.com", "fin@example.com"),
]


async def found(installation: "Installation", email: str) -> list[str]:
    """Return the ids of the users that the list finds by an email."""
    unit = installation.af.users.page(installation.environment, PageQuery(), email)
    return [user.id for user in (await installation.af.read(unit)).items]


@pytest.mark.parametrize(("one", "other"), SAME_EMAIL)
async def test_one_address_in_two_spellings_is_one_user(
    installation: "Installation", one: str, other: str
) -> None:
    user = await installation.user(one)
    assert await found(installation, other) == [user.id]
    with pytest.raises(errors.UserCreationFailed) as refused:
        await installation.user(other)
    assert codes(refused.value) == [("email", "email_not_available")]
    with pytest.raises(errors.InvalidUserField) as refused_update:
        await update(installation, await installation.user(), email=other)
    assert refused_update.value.code == "email_not_available"


@pytest.mark.parametrize(("one", "other"), OTHER_EMAIL)
async def test_two_addresses_that_look_alike_are_two_users(
    installation: "Installation", one: str, other: str
) -> None:
    first, second = await installation.user(one), await installation.user(other)
    assert await found(installation, one) == [first.id]
    assert await found(installation, other) == [second.id]


async def test_concurrent_creations_in_two_spellings_create_one_user(installation: "Installation") -> None:
    spellings = ["ceo@jos\u00e9.fr", "ceo@jose\u0301.fr", "CEO@xn--jos-dma.fr"]
    outcomes = await asyncio.gather(
        *(installation.user(spellings[number % 3]) for number in range(50)), return_exceptions=True
    )
    assert sum(isinstance(each, UserRecord) for each in outcomes) == 1
    assert sum(isinstance(each, errors.UserCreationFailed) for each in outcomes) == 49


async def test_changed_email_is_unverified_unless_told_otherwise(installation: "Installation") -> None:
    user = await installation.user("kim@example.com", email_verified=True)
    assert (await update(installation, user, first_name="Kim")).email_verified is True
    assert (await update(installation, user, email="KIM@example.com")).email_verified is True
    assert (await update(installation, user, email="lee@example.com")).email_verified is False
    told = await update(installation, user, email="kim@example.com", email_verified=True)
    assert told.email_verified is True
    # The address that looks alike is another one.
    assert (await update(installation, user, email="\u0199im@example.com")).email_verified is False


async def test_user_whose_email_another_user_has_can_still_be_changed(installation: "Installation") -> None:
    user = await installation.user("ceo@jose\u0301.fr")
    installation.sql("UPDATE users SET email_key = email WHERE id = ?", user.id)
    holder = await installation.user("ceo@jos\u00e9.fr")
    assert (await update(installation, user, name="Kim", password=PASSWORD)).name == "Kim"
    with pytest.raises(errors.InvalidUserField):
        await update(installation, user, email="CEO@jos\u00e9.fr")
    assert await found(installation, user.email) == [holder.id]
    await update(installation, user, email="cfo@jos\u00e9.fr")
    assert await found(installation, "cfo@jose\u0301.fr") == [user.id]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("x" * 257, "password_too_long"),
        ("1234567890", "password_too_weak"),
        ("Kimberley-for-ever", "password_contains_email"),
    ],
)
async def test_a_weak_password_is_refused(installation: "Installation", password: str, code: str) -> None:
    with pytest.raises(errors.PasswordTooWeak) as refused:
        await installation.user("kimberley@example.com", password=password)
    assert ("password", code) in codes(refused.value)
    assert not any(password in item.message for item in refused.value.items)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"password": PASSWORD, "password_hash": BCRYPT}, "password_and_password_hash_provided"),
        (
            {"password": PASSWORD, "password_hash": BCRYPT, "password_hash_type": "bcrypt"},
            "password_and_password_hash_provided",
        ),
        (
            {"password": PASSWORD, "password_hash_type": "bcrypt"},
            "password_and_password_hash_type_provided",
        ),
        ({"password_salt_position": "prefix"}, "password_salt_position_requires_password_hash"),
        (
            {"password": PASSWORD, "password_salt_position": "prefix"},
            "password_salt_position_requires_password_hash",
        ),
        ({"password_hash": BCRYPT}, "invalid_password_hash"),
        ({"password_hash": "nonsense", "password_hash_type": "bcrypt"}, "invalid_password_hash"),
        ({"password_hash": BCRYPT, "password_hash_type": "ssha"}, "invalid_password_hash"),
        ({"metadata": {"k" * 41: "v"}}, "invalid_metadata"),
        ({"metadata": {"k": "v" * 601}}, "invalid_metadata"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "invalid_metadata"),
        ({"metadata": {"k": "a\x00b"}}, "invalid_metadata"),
    ],
)
async def test_conflicting_or_invalid_user_fields_are_refused(
    installation: "Installation", fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(errors.InvalidUserField) as refused:
        await installation.user(**fields)
    assert refused.value.code == code
    user = await installation.user()
    with pytest.raises(errors.InvalidUserField) as refused:
        await update(installation, user, **fields)
    assert refused.value.code == code
    assert await installation.af.read(installation.af.users.get(installation.environment, user.id)) == user


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", "x" * 257),
        ("last_name", "a\x00"),
        ("name", "x" * 257),
        ("locale", "x" * 257),
        ("external_id", "x" * 129),
        ("external_id", "ä"),
    ],
)
async def test_field_that_is_too_long_is_reported(
    installation: "Installation", field: str, value: str
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.user(**{field: value})
    assert codes(refused.value) == [(field, f"{field}_invalid")]
    with pytest.raises(errors.InvalidRequest) as refused:
        await update(installation, await installation.user(), **{field: value})
    assert codes(refused.value) == [(field, f"{field}_invalid")]


async def test_imported_hash_verifies_and_needs_a_rehash(installation: "Installation") -> None:
    user = await installation.user(password_hash=BCRYPT, password_hash_type="bcrypt")
    assert user.password_hash is not None
    assert not await installation.af.hasher.verify("wrong", user.password_hash, SHARE)
    assert installation.af.hasher.needs_rehash(user.password_hash)
    hashed = (await update(installation, user, password=PASSWORD)).password_hash
    assert hashed is not None
    assert await installation.af.hasher.verify(PASSWORD, hashed, SHARE)
    assert not installation.af.hasher.needs_rehash(hashed)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "pbkdf2",
            "$pbkdf2$i=5000000,d=sha256$c29tZXNhbHRzb21lc2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ),
        ("bcrypt", "$2b$14$abcdefghijklmnopqrstuuxg3mnJtW3FdpGk1wIbyBAMRNXEYKjYa"),
    ],
)
async def test_import_that_costs_too_much_is_refused_with_its_limit(
    installation: "Installation", kind: str, text: str
) -> None:
    user = await installation.user()
    with pytest.raises(errors.InvalidRequest) as created:
        await installation.user(password_hash=text, password_hash_type=kind)
    with pytest.raises(errors.InvalidRequest) as updated:
        await update(installation, user, password_hash=text, password_hash_type=kind)
    for refused in (created, updated):
        assert codes(refused.value) == [("password_hash", "password_hash_too_costly")]
        assert "at most" in refused.value.items[0].message
        assert refused.value.code == errors.InvalidRequest.code


async def test_update_keeps_absent_fields_and_clears_null_ones(installation: "Installation") -> None:
    user = await installation.user(
        first_name="a",
        last_name="b",
        name="c",
        external_id="d",
        metadata={"e": "f"},
        locale="g",
        email_verified=True,
        password=PASSWORD,
    )
    installation.clock.advance(5)
    untouched = await update(installation, user)
    assert untouched == with_changes(user, updated_at=installation.clock.now)
    cleared = await update(
        installation,
        user,
        first_name=None,
        last_name=None,
        name=None,
        external_id=None,
        metadata=None,
        locale=None,
    )
    assert cleared == with_changes(
        untouched,
        first_name=None,
        last_name=None,
        name=None,
        external_id=None,
        metadata="{}",
        locale=None,
    )
    assert await installation.af.read(installation.af.users.get(installation.environment, user.id)) == cleared
    assert (await update(installation, user, email_verified=False)).email_verified is False
    assert (await update(installation, user, email="New@example.com")).email == "New@example.com"


def with_changes(user: UserRecord, **fields: Any) -> UserRecord:  # noqa: ANN401 - any field
    return UserRecord(**({name: getattr(user, name) for name in UserRecord.__struct_fields__} | fields))


async def test_metadata_is_merged_and_null_or_empty_deletes(
    installation: "Installation",
) -> None:
    user = await installation.user(metadata={"a": "1", "b": "2"})

    async def after(change: dict[str, str | None]) -> dict[str, str]:
        merged: dict[str, str] = json.loads((await update(installation, user, metadata=change)).metadata)
        return merged

    assert await after({"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert await after({"a": None, "unknown": None}) == {"b": "3", "c": "4"}
    assert await after({}) == {}
    assert len(await after({str(number): "v" for number in range(50)})) == 50
    with pytest.raises(errors.InvalidUserField):
        await after({"one more": "v"})
    assert len(await after({"0": None, "one more": "v"})) == 50


async def test_update_to_a_duplicate_email_or_external_id_is_refused(installation: "Installation") -> None:
    await installation.user("kim@example.com", external_id="crm-1")
    user = await installation.user("lee@example.com", external_id="crm-2")
    for fields, code in (
        ({"email": "KIM@example.com"}, "email_not_available"),
        ({"external_id": "crm-1"}, "external_id_already_used"),
    ):
        with pytest.raises(errors.InvalidUserField) as refused:
            await update(installation, user, **fields)
        assert refused.value.code == code
    same = await update(installation, user, email="LEE@example.com", external_id="crm-2")
    assert (same.email, same.external_id) == ("LEE@example.com", "crm-2")
    with pytest.raises(errors.NotFound):
        await update(installation, with_changes(user, id="user_x"), name="x")


async def test_one_of_many_concurrent_updates_to_one_external_id_succeeds(
    installation: "Installation",
) -> None:
    users = [await installation.user() for _ in range(10)]
    outcomes = await asyncio.gather(
        *(update(installation, user, external_id="crm-1") for user in users), return_exceptions=True
    )
    assert sum(isinstance(each, UserRecord) for each in outcomes) == 1
    assert sum(isinstance(each, errors.InvalidUserField) for each in outcomes) == 9


async def test_deleting_a_user_deletes_factors_and_failures(installation: "Installation") -> None:
    user, other = await installation.user(), await installation.user()
    factors = [await installation.enroll(user) for _ in range(2)]
    unaffected = await installation.enroll(other)
    for each in (*factors, unaffected):
        await installation.answer(each, installation.wrong(each))
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    with pytest.raises(errors.NotFound):
        await installation.af.read(installation.af.users.get(installation.environment, user.id))
    with pytest.raises(errors.NotFound):
        await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    for each in factors:
        with pytest.raises(errors.NotFound):
            await installation.verify(each.challenge, installation.code(each))
    assert (await installation.failures(user.id)).times == ()
    assert (await installation.failures(other.id)).in_a_row == 1
    assert (await installation.answer(unaffected, installation.code(unaffected))).valid
    assert (await installation.user(user.email)).id != user.id


async def test_users_are_paged_and_found_by_email(installation: "Installation") -> None:
    user_ids = [(await installation.user()).id for _ in range(3)]
    page = await installation.af.read(
        installation.af.users.page(installation.environment, PageQuery(2), None)
    )
    assert ([user.id for user in page.items], page.before, page.after) == (
        [user_ids[2], user_ids[1]],
        None,
        user_ids[1],
    )
    page = await installation.af.read(
        installation.af.users.page(installation.environment, PageQuery(), "USER2@example.com")
    )
    assert [user.id for user in page.items] == [user_ids[1]]
    with pytest.raises(errors.InvalidRequest) as refused:
        await installation.af.read(
            installation.af.users.page(installation.environment, PageQuery(after="user_x"), None)
        )
    assert codes(refused.value) == [("after", "after_invalid")]


async def test_event_is_written_in_the_transaction_of_its_cause(installation: "Installation") -> None:
    user = await installation.user("kim@example.com")
    await update(installation, user, name="Kim")
    with pytest.raises(errors.UserCreationFailed):
        await installation.user("kim@example.com")
    await installation.af.run(installation.af.users.delete(installation.environment, user.id))
    assert await installation.events() == ["user.created", "user.updated", "user.deleted"]

    async def fails_late(tx: Any) -> None:  # noqa: ANN401 - a transaction
        await (
            await installation.af.users.prepare_create(
                installation.environment, CreateUser("lee@example.com")
            )
        )(tx)
        raise KeyError

    rows = await installation.af.read(
        lambda tx: tx.db.all("SELECT environment, user_id, data, created_at FROM events")
    )
    assert {row[:2] for row in rows} == {(1, user.id)}
    for row in rows:
        assert json.loads(row[2])["id"] == user.id
        assert row[3] == installation.clock.now
    with pytest.raises(KeyError):
        await installation.af.run(fails_late)
    assert len(await installation.events()) == 3


async def test_no_event_contains_a_password_hash(installation: "Installation") -> None:
    user = await installation.user(password=PASSWORD)
    await update(installation, user, password=PASSWORD + "!")
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT data FROM events"))
    assert not any("argon2" in row[0] or "password" in row[0] for row in rows)
