"""One effect for one key, and the same bytes again."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor import errors
from authfactor.crypto import vault
from authfactor.http import idempotency
from authfactor.http.response import Response
from authfactor.models import Enrollment, Environment, IdempotencyClaim
from authfactor.store import Unit
from authfactor.wire import responses
from authfactor.wire.requests import CreateUser, EnrollUserFactor

if TYPE_CHECKING:
    from tests.support.installation import Installation

DAY = 24 * 3600
DERIVED = "retry-" + "0f" * 32


def claim(
    installation: "Installation",
    key: str,
    *,
    body: bytes = b"{}",
    key_id: str = "api_key_1",
    target: str = "POST /x",
) -> IdempotencyClaim:
    return idempotency.claim_of(
        environment=installation.environment.number,
        key=key,
        body=body,
        now=installation.clock.now,
        ttl=installation.af.settings.idempotency_life,
        key_id=key_id,
        target=target,
    )


def shown(enrolled: Enrollment) -> Response:
    return Response(201, msgspec.json.encode([enrolled.factor.id, enrolled.secret]))


async def once(installation: "Installation", claimed: IdempotencyClaim, user_id: str) -> Response:
    unit: Unit[Enrollment] = installation.af.factors.enroll(
        installation.environment, user_id, EnrollUserFactor(type="totp")
    )
    return await idempotency.run_once(installation.af, claimed, unit, shown)


async def factors(installation: "Installation") -> int:
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT id FROM factors"))
    return len(rows)


async def test_a_repeated_request_gets_the_same_bytes_and_has_no_second_effect(
    installation: "Installation",
) -> None:
    user = await installation.user()
    first = await once(installation, claim(installation, "k"), user.id)
    before = await installation.events()
    installation.clock.advance(3600)
    again = await once(installation, claim(installation, "k"), user.id)
    assert again == first
    assert await factors(installation) == 1
    assert await installation.events() == before


async def test_the_same_key_with_another_body_is_refused(installation: "Installation") -> None:
    user = await installation.user()
    await once(installation, claim(installation, "k"), user.id)
    with pytest.raises(errors.IdempotencyKeyReused):
        await once(installation, claim(installation, "k", body=b"{ }"), user.id)
    assert await factors(installation) == 1


@pytest.mark.parametrize(
    ("key_id", "target"), [("api_key_2", "POST /x"), ("api_key_1", "POST /y"), ("api_key_1", "PUT /x")]
)
async def test_a_key_is_its_api_keys_and_paths_own(
    installation: "Installation", key_id: str, target: str
) -> None:
    user = await installation.user()
    first = await once(installation, claim(installation, "k"), user.id)
    second = await once(installation, claim(installation, "k", key_id=key_id, target=target), user.id)
    assert first != second
    assert await factors(installation) == 2


async def test_a_key_is_its_environments_own(installation: "Installation") -> None:
    here = claim(installation, "k")
    there = msgspec.structs.replace(here, environment=installation.other.number)

    def create(environment: Environment) -> Unit[tuple[object, str]]:
        return installation.af.environments.new_key(environment, "key")

    first = await idempotency.run_once(
        installation.af, here, create(installation.environment), lambda made: Response(201, made[1].encode())
    )
    second = await idempotency.run_once(
        installation.af, there, create(installation.other), lambda made: Response(201, made[1].encode())
    )
    assert first != second


@pytest.mark.parametrize(
    ("key", "seconds"), [("ordinary", DAY), (DERIVED, 10), (DERIVED + "0", DAY), ("", DAY)]
)
async def test_how_long_an_answer_is_kept_depends_on_who_made_the_key(
    installation: "Installation", key: str, seconds: int
) -> None:
    user = await installation.user()
    first = await once(installation, claim(installation, key), user.id)
    installation.clock.advance(seconds - 0.001)
    assert await once(installation, claim(installation, key), user.id) == first
    installation.clock.advance(0.001)
    assert await once(installation, claim(installation, key), user.id) != first
    assert await factors(installation) == 2


async def test_a_key_longer_than_255_characters_is_refused(installation: "Installation") -> None:
    claim(installation, "k" * 255)
    with pytest.raises(errors.InvalidRequest):
        claim(installation, "k" * 256)


async def test_a_refusal_is_not_kept_so_the_request_may_be_repeated(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = [await installation.enroll(user) for _ in range(10)]
    with pytest.raises(errors.InvalidRequest):
        await once(installation, claim(installation, "k"), user.id)
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled[0].factor.id))
    assert (await once(installation, claim(installation, "k"), user.id)).status == 201


@pytest.mark.parametrize("status", [500, 503, 401, 429])
async def test_an_answer_that_asks_to_come_back_is_not_kept(
    installation: "Installation", status: int
) -> None:
    async def unit(_tx: object) -> int:
        return status

    def show(status: int) -> Response:
        return Response(status, b"later")

    for _ in range(2):
        assert await idempotency.run_once(installation.af, claim(installation, "k"), unit, show) == Response(
            status, b"later"
        )
    user = await installation.user()
    assert (await once(installation, claim(installation, "k"), user.id)).status == 201


async def test_fifty_identical_enrolments_at_once_make_one_factor(installation: "Installation") -> None:
    user = await installation.user()
    answers = await asyncio.gather(
        *(once(installation, claim(installation, "k"), user.id) for _ in range(50))
    )
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert await factors(installation) == 1
    assert (await installation.events()).count("authfactor.factor_enrolled") == 1


async def test_kept_answers_are_sealed(installation: "Installation") -> None:
    user = await installation.user()
    answer = await once(installation, claim(installation, "the-key-itself"), user.id)
    _, secret = msgspec.json.decode(answer.body)
    files = installation.files()
    assert b"v1:" in files
    assert secret.encode() not in files
    assert answer.body not in files
    assert b"the-key-itself" not in files


async def test_an_enrolment_is_kept_without_its_picture_and_given_again_with_it(
    installation: "Installation",
) -> None:
    user = await installation.user()

    async def enroll() -> Response:
        unit = installation.af.factors.enroll(
            installation.environment, user.id, EnrollUserFactor(type="totp")
        )
        return await idempotency.run_once(
            installation.af,
            claim(installation, "k"),
            unit,
            lambda made: Response(201, responses.encode(responses.enrolled(made))),
        )

    first = await enroll()
    assert first.body.count(b'"qr_code":"data:image/png;base64,') == 2
    assert await enroll() == first
    [(kept,)] = installation.sql("SELECT answer FROM idempotency")
    assert len(str(kept)) < 1200 < len(first.body)


async def test_what_only_looks_like_an_enrolment_is_given_again_as_it_was(
    installation: "Installation",
) -> None:
    metadata = '{"qr_code":"","uri":"otpauth://totp/a:b?secret=AAAA"}'
    request = CreateUser(
        email="kim@example.com", metadata=msgspec.json.decode(metadata, type=dict[str, str | None])
    )

    async def create() -> Response:
        unit = await installation.af.users.prepare_create(installation.environment, request)
        return await idempotency.run_once(
            installation.af,
            claim(installation, "k"),
            unit,
            lambda made: Response(201, responses.encode(responses.user(made))),
        )

    first = await create()
    assert metadata.encode() in first.body
    assert await create() == first


@pytest.mark.parametrize("body", [b"[1]", b'{"qr_code":"","uri":"otpauth://totp/a:b?secret=AAAA"}'])
async def test_an_answer_that_the_release_before_kept_is_given_again(
    installation: "Installation", body: bytes
) -> None:
    claimed = claim(installation, "k")
    where = vault.SealedLocation("idempotency", "answer", claimed.environment, claimed.key.hex())
    sealed = installation.af.vault.seal(
        msgspec.msgpack.encode({"status": 201, "body": body, "headers": []}), where
    )
    await installation.af.run(lambda tx: tx.idempotency.claim(claimed, 1))
    await installation.af.run(lambda tx: tx.idempotency.store_response(claimed, sealed))

    async def nothing(_tx: object) -> None:
        raise AssertionError("it has run before")

    again = await idempotency.run_once(installation.af, claimed, nothing, lambda _: Response(500, b""))
    assert again.status == 201
    assert again.body.replace(b'"qr_code":"data:image/png;base64,', b'"qr_code":"').startswith(body[:12])
    assert (b"base64" in again.body) == (b"uri" in body)


async def test_an_answer_moved_to_another_key_does_not_open(installation: "Installation") -> None:
    user = await installation.user()
    await once(installation, claim(installation, "a"), user.id)
    await once(installation, claim(installation, "b"), user.id)
    (one, first), (two, second) = installation.sql("SELECT key, answer FROM idempotency")
    installation.sql("UPDATE idempotency SET answer = ? WHERE key = ?", second, one)
    installation.sql("UPDATE idempotency SET answer = ? WHERE key = ?", first, two)
    for key in ("a", "b"):
        with pytest.raises(vault.UnsealError):
            await once(installation, claim(installation, key), user.id)
