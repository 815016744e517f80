"""Idempotency keys: one effect per key, and the same response bytes for every repetition."""

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


def render(enrolled: Enrollment) -> Response:
    return Response(201, msgspec.json.encode([enrolled.factor.id, enrolled.secret]))


async def enroll_once(installation: "Installation", claimed: IdempotencyClaim, user_id: str) -> Response:
    unit: Unit[Enrollment] = installation.af.factors.enroll(
        installation.environment, user_id, EnrollUserFactor(type="totp")
    )
    return await idempotency.run_once(installation.af, claimed, unit, render)


async def count_factors(installation: "Installation") -> int:
    rows = await installation.af.read(lambda tx: tx.db.all("SELECT id FROM factors"))
    return len(rows)


async def test_repeated_request_gets_the_same_bytes_and_no_second_effect(
    installation: "Installation",
) -> None:
    user = await installation.user()
    first = await enroll_once(installation, claim(installation, "k"), user.id)
    before = await installation.events()
    installation.clock.advance(3600)
    repeated = await enroll_once(installation, claim(installation, "k"), user.id)
    assert repeated == first
    assert await count_factors(installation) == 1
    assert await installation.events() == before


async def test_the_same_key_with_another_body_is_refused(installation: "Installation") -> None:
    user = await installation.user()
    await enroll_once(installation, claim(installation, "k"), user.id)
    with pytest.raises(errors.IdempotencyKeyReused):
        await enroll_once(installation, claim(installation, "k", body=b"{ }"), user.id)
    assert await count_factors(installation) == 1


@pytest.mark.parametrize(
    ("key_id", "target"), [("api_key_2", "POST /x"), ("api_key_1", "POST /y"), ("api_key_1", "PUT /x")]
)
async def test_key_is_separate_per_api_key_and_path(
    installation: "Installation", key_id: str, target: str
) -> None:
    user = await installation.user()
    first = await enroll_once(installation, claim(installation, "k"), user.id)
    second = await enroll_once(installation, claim(installation, "k", key_id=key_id, target=target), user.id)
    assert first != second
    assert await count_factors(installation) == 2


async def test_key_is_separate_per_environment(installation: "Installation") -> None:
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
async def test_response_expires_earlier_for_keys_derived_by_sdks(
    installation: "Installation", key: str, seconds: int
) -> None:
    user = await installation.user()
    first = await enroll_once(installation, claim(installation, key), user.id)
    installation.clock.advance(seconds - 0.001)
    assert await enroll_once(installation, claim(installation, key), user.id) == first
    installation.clock.advance(0.001)
    assert await enroll_once(installation, claim(installation, key), user.id) != first
    assert await count_factors(installation) == 2


async def test_a_key_longer_than_255_characters_is_refused(installation: "Installation") -> None:
    claim(installation, "k" * 255)
    with pytest.raises(errors.InvalidRequest):
        claim(installation, "k" * 256)


async def test_refusal_is_not_stored_and_can_be_retried(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = [await installation.enroll(user) for _ in range(10)]
    with pytest.raises(errors.InvalidRequest):
        await enroll_once(installation, claim(installation, "k"), user.id)
    await installation.af.run(installation.af.factors.delete(installation.environment, enrolled[0].factor.id))
    assert (await enroll_once(installation, claim(installation, "k"), user.id)).status == 201


@pytest.mark.parametrize("status", [500, 503, 401, 429])
async def test_retryable_response_is_not_stored(installation: "Installation", status: int) -> None:
    async def unit(_tx: object) -> int:
        return status

    def render_status(status: int) -> Response:
        return Response(status, b"later")

    for _ in range(2):
        assert await idempotency.run_once(
            installation.af, claim(installation, "k"), unit, render_status
        ) == Response(status, b"later")
    user = await installation.user()
    assert (await enroll_once(installation, claim(installation, "k"), user.id)).status == 201


async def test_fifty_concurrent_identical_enrollments_create_one_factor(installation: "Installation") -> None:
    user = await installation.user()
    received = await asyncio.gather(
        *(enroll_once(installation, claim(installation, "k"), user.id) for _ in range(50))
    )
    assert len({(response.status, response.body) for response in received}) == 1
    assert await count_factors(installation) == 1
    assert (await installation.events()).count("authfactor.factor_enrolled") == 1


async def test_stored_responses_are_sealed(installation: "Installation") -> None:
    user = await installation.user()
    response = await enroll_once(installation, claim(installation, "the-key-itself"), user.id)
    _, secret = msgspec.json.decode(response.body)
    files = installation.files()
    assert b"v1:" in files
    assert secret.encode() not in files
    assert response.body not in files
    assert b"the-key-itself" not in files


async def test_enrollment_is_stored_without_its_qr_code_but_replayed_with_it(
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
    [(stored,)] = installation.sql("SELECT answer FROM idempotency")
    assert len(str(stored)) < 1200 < len(first.body)


async def test_response_resembling_an_enrollment_is_replayed_unchanged(
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
async def test_response_stored_by_the_previous_release_is_replayed(
    installation: "Installation", body: bytes
) -> None:
    claimed = claim(installation, "k")
    location = vault.SealedLocation("idempotency", "answer", claimed.environment, claimed.key.hex())
    sealed = installation.af.vault.seal(
        msgspec.msgpack.encode({"status": 201, "body": body, "headers": []}), location
    )
    await installation.af.run(lambda tx: tx.idempotency.claim(claimed, 1))
    await installation.af.run(lambda tx: tx.idempotency.store_response(claimed, sealed))

    async def unit(_tx: object) -> None:
        raise AssertionError("the unit ran a second time")

    replayed = await idempotency.run_once(installation.af, claimed, unit, lambda _: Response(500, b""))
    assert replayed.status == 201
    assert replayed.body.replace(b'"qr_code":"data:image/png;base64,', b'"qr_code":"').startswith(body[:12])
    assert (b"base64" in replayed.body) == (b"uri" in body)


async def test_response_moved_to_another_key_does_not_unseal(installation: "Installation") -> None:
    user = await installation.user()
    await enroll_once(installation, claim(installation, "a"), user.id)
    await enroll_once(installation, claim(installation, "b"), user.id)
    (one, first), (two, second) = installation.sql("SELECT key, answer FROM idempotency")
    installation.sql("UPDATE idempotency SET answer = ? WHERE key = ?", second, one)
    installation.sql("UPDATE idempotency SET answer = ? WHERE key = ?", first, two)
    for key in ("a", "b"):
        with pytest.raises(vault.UnsealError):
            await enroll_once(installation, claim(installation, key), user.id)
