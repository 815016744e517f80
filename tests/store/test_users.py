"""Users in every store."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.models import UserRecord
from authfactor.store import Store, Tx

if TYPE_CHECKING:
    from tests.store.conftest import Rows


def user_with_all_fields(rows: "Rows") -> UserRecord:
    """Return a user with a distinct value in every column, so that swapped columns are detected."""
    return rows.user(
        1,
        email="Kim@Example.com",
        email_verified=True,
        first_name="Kïm",
        last_name="Döe \N{GRINNING FACE}",
        name="Kim D.",
        profile_picture_url="https://example.com/kim.png",
        external_id="crm-77",
        metadata='{"plan":"pro"}',
        locale="de-DE",
        last_sign_in_at=2**40,
        created_at=2**41,
        updated_at=2**42,
        password_hash="$argon2id$x",
    )


async def test_user_is_read_as_it_was_written(store: Store, rows: "Rows") -> None:
    user = user_with_all_fields(rows)
    assert await rows.put(store, user)

    async def unit(tx: Tx) -> list[UserRecord | None]:
        return [
            await tx.users.by_id(1, user.id),
            await tx.users.lock(1, user.id),
            await tx.users.by_external_id(1, "crm-77"),
            await tx.users.by_email(1, "Kim@Example.com"),
        ]

    assert await store.write(unit) == [user] * 4
    assert await store.read(lambda tx: tx.users.by_id(1, "user_0002")) is None
    assert await store.read(lambda tx: tx.users.by_external_id(1, "CRM-77")) is None


@pytest.mark.parametrize("email", ["kim@example.com", "KIM@EXAMPLE.COM", " kim@example.com "])
async def test_email_lookup_and_uniqueness_ignore_case(store: Store, rows: "Rows", email: str) -> None:
    user = user_with_all_fields(rows)
    await rows.put(store, user)
    assert await store.read(lambda tx: tx.users.by_email(1, email)) == user
    assert not await rows.put(store, rows.user(2, email=email))
    assert await store.read(lambda tx: tx.users.by_id(1, "user_0002")) is None


async def test_email_comparison_ignores_case_of_non_ascii_letters(store: Store, rows: "Rows") -> None:
    await rows.put(store, rows.user(1, email="ÄRGER@example.com"))
    assert await store.read(lambda tx: tx.users.by_email(1, "ärger@example.com")) is not None
    assert not await rows.put(store, rows.user(2, email="ärger@example.com"))


async def test_external_id_is_unique_but_may_be_missing(store: Store, rows: "Rows") -> None:
    assert await rows.put(store, rows.user(1, external_id="x"))
    assert not await rows.put(store, rows.user(2, external_id="x"))
    assert await rows.put(store, rows.user(3))
    assert await rows.put(store, rows.user(4))


async def test_duplicate_user_id_is_refused(store: Store, rows: "Rows") -> None:
    assert await rows.put(store, rows.user(1))
    assert not await rows.put(store, rows.user(1, email="other@example.com"))
    stored = await store.read(lambda tx: tx.users.by_id(1, "user_0001"))
    assert stored == rows.user(1)


async def test_update_writes_only_mutable_columns_and_the_email_key(store: Store, rows: "Rows") -> None:
    old = user_with_all_fields(rows)
    await rows.put(store, old)
    new = msgspec.structs.replace(
        old,
        email="New@Example.com",
        email_verified=False,
        first_name=None,
        last_name="L",
        name=None,
        external_id=None,
        metadata="{}",
        locale=None,
        updated_at=3,
        password_hash=None,
    )
    attempted = msgspec.structs.replace(new, created_at=0, last_sign_in_at=0, profile_picture_url="other")
    assert await store.write(lambda tx: tx.users.update(1, attempted))
    assert await store.read(lambda tx: tx.users.by_email(1, "new@example.com")) == new
    assert await store.read(lambda tx: tx.users.by_email(1, "kim@example.com")) is None
    assert await store.read(lambda tx: tx.users.by_external_id(1, "crm-77")) is None
    assert not await store.write(lambda tx: tx.users.update(1, rows.user(2)))


async def test_time_of_a_sign_in_is_recorded(store: Store, rows: "Rows") -> None:
    user = user_with_all_fields(rows)
    await rows.put(store, user)
    await store.write(lambda tx: tx.users.record_sign_in(1, user.id, 77))
    found = await store.read(lambda tx: tx.users.by_id(1, user.id))
    assert found == msgspec.structs.replace(user, last_sign_in_at=77)


async def test_rehash_does_not_overwrite_a_changed_password(store: Store, rows: "Rows") -> None:
    await rows.put(store, rows.user(1, password_hash="old"))
    assert not await store.write(lambda tx: tx.users.replace_password_hash(1, "user_0001", "older", "new"))
    assert await store.write(lambda tx: tx.users.replace_password_hash(1, "user_0001", "old", "new"))
    assert not await store.write(lambda tx: tx.users.replace_password_hash(1, "user_0001", "old", "newest"))
    found = await store.read(lambda tx: tx.users.by_id(1, "user_0001"))
    assert found is not None
    assert found.password_hash == "new"


async def test_deleting_a_user_frees_email_and_external_id(store: Store, rows: "Rows") -> None:
    user = user_with_all_fields(rows)
    await rows.put(store, user)
    assert await store.write(lambda tx: tx.users.delete(1, user.id))
    assert not await store.write(lambda tx: tx.users.delete(1, user.id))
    assert await store.read(lambda tx: tx.users.by_id(1, user.id)) is None
    successor = msgspec.structs.replace(user, id="user_0009")
    assert await rows.put(store, successor)
