"""Access tokens and the JWKS: claims, verification, rotation, sealing."""

import asyncio
import base64
import re
from itertools import pairwise

import jwt
import pytest
from jwt.types import Options

from authfactor.models import SigningKey
from authfactor.rules.authentication.token_signing import private_key_row
from tests.support.application import CLIENT, Application, Json, claims, refused
from tests.support.clock import START
from tests.support.server_process import fields

ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
LIFETIME_SECONDS = 300
# Times come from the fake clock; PyJWT would compare them with the real one.
WITHOUT_TIME_CHECKS: Options = {"verify_exp": False, "verify_iat": False}


async def rotate(application: Application) -> SigningKey:
    return await application.af.run(
        await application.af.token_signing.prepare_rotation(await application.environment())
    )


async def verify(application: Application, tokens: Json) -> Json:
    """Verify as an application does, with the published key that the token names."""
    keys = jwt.PyJWKSet.from_dict({"keys": await application.key_set()})
    kid = jwt.get_unverified_header(tokens["access_token"])["kid"]
    return dict(
        jwt.decode(tokens["access_token"], keys[kid], algorithms=["RS256"], options=WITHOUT_TIME_CHECKS)
    )


def kid_of(tokens: Json) -> str:
    return str(jwt.get_unverified_header(tokens["access_token"])["kid"])


async def test_claims_after_a_password_sign_in(application: Application) -> None:
    user = await application.user()
    application.clock.advance(0.999)
    tokens = await application.sign_in(user)
    decoded = await verify(application, tokens)
    assert ULID.fullmatch(decoded.pop("jti"))
    assert decoded == {
        "iss": "http://127.0.0.1:8080",
        "sub": user["id"],
        "sid": (await application.sessions(user))[0]["id"],
        "iat": START // 1000,
        "exp": START // 1000 + LIFETIME_SECONDS,
        "client_id": CLIENT,
        "auth_time": START // 1000,
        "amr": ["pwd"],
        "acr": "urn:authfactor:acr:1",
    }
    assert all(type(decoded[name]) is int for name in ("iat", "exp", "auth_time"))


async def test_claims_after_a_password_and_a_code(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    application.clock.advance(7.999)
    decoded = await verify(application, fields(await application.answer(pending), 200))
    assert set(decoded) == {
        *("iss", "sub", "sid", "jti", "iat", "exp", "client_id", "auth_time", "amr", "acr", "mfa_at"),
    }
    assert decoded["amr"] == ["pwd", "otp", "mfa"]
    assert decoded["acr"] == "urn:authfactor:acr:2"
    assert (decoded["iat"], decoded["auth_time"], decoded["mfa_at"]) == (START // 1000 + 7,) * 3


async def test_refreshed_token_keeps_the_time_of_the_sign_in(application: Application) -> None:
    tokens = await application.sign_in_twice_proven(await application.member())
    application.clock.advance(1000)
    decoded = await verify(application, fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (decoded["auth_time"], decoded["mfa_at"]) == (START // 1000,) * 2
    assert decoded["iat"] == application.clock.now // 1000


async def test_every_token_has_a_unique_jti(application: Application) -> None:
    user = await application.user()
    created = await asyncio.gather(*(application.sign_in(user) for _ in range(10)))
    assert len({claims(tokens)["jti"] for tokens in created}) == 10


async def test_jwks_has_every_field_that_sdks_read(application: Application) -> None:
    del application.api.headers["authorization"]
    (key,) = await application.key_set()
    assert set(key) == {"alg", "kty", "use", "kid", "n", "e", "x5c", "x5t#S256"}
    assert (key["alg"], key["kty"], key["use"], key["e"]) == ("RS256", "RSA", "sig", "AQAB")
    assert re.fullmatch(f"key_{ULID.pattern}", key["kid"])
    assert len(key["x5c"]) == 1


@pytest.mark.parametrize("client_id", ["client_unknown", "CLIENT_ONE", "%E2%98%83", "client_one%00"])
async def test_jwks_of_an_unknown_client_is_not_found(application: Application, client_id: str) -> None:
    refused(await application.api.get(f"/sso/jwks/{client_id}"), "entity_not_found", 404)


async def test_environments_sign_with_separate_keys(application: Application) -> None:
    ours = {key["kid"] for key in await application.key_set()}
    theirs = fields(await application.api.get("/sso/jwks/client_two"), 200)["keys"]
    assert not ours & {key["kid"] for key in theirs}
    tokens = await application.sign_in(await application.user())
    keys = jwt.PyJWKSet.from_dict({"keys": theirs})
    with pytest.raises(KeyError):
        keys[kid_of(tokens)]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(tokens["access_token"], keys.keys[0], algorithms=["RS256"], options=WITHOUT_TIME_CHECKS)


async def test_new_key_is_published_a_minute_before_it_signs(application: Application) -> None:
    user = await application.user()
    old = kid_of(await application.sign_in(user))
    new = (await rotate(application)).id
    assert [key["kid"] for key in await application.key_set()] == [old, new]
    application.clock.advance(59.999)
    assert kid_of(await application.sign_in(user)) == old
    # The signer is cached for a few seconds.
    application.clock.advance(5.002)
    assert kid_of(await application.sign_in(user)) == new


async def test_retired_key_is_published_until_its_last_token_expires(
    application: Application,
) -> None:
    user = await application.user()
    old = kid_of(await application.sign_in(user))
    new = (await rotate(application)).id
    last = None
    for _ in range(66):  # advance by seconds until the new key signs
        tokens = await application.sign_in(user)
        if kid_of(tokens) == new:
            break
        last = tokens
        application.clock.advance(1)
    assert last is not None
    application.clock.now = claims(last)["exp"] * 1000 - 1
    assert (await verify(application, last))["sub"] == user["id"]
    application.clock.advance(2 * 60)
    assert [key["kid"] for key in await application.key_set()] == [new]
    assert old != new
    assert kid_of(await application.sign_in(user)) == new


async def test_repeated_rotation_always_leaves_a_signing_key(application: Application) -> None:
    user = await application.user()
    for _ in range(6):
        await rotate(application)
        application.clock.advance(25)
        await verify(application, await application.sign_in(user))
    application.clock.advance(500)
    assert len(await application.key_set()) == 1
    await verify(application, await application.sign_in(user))


async def test_signing_works_after_the_clock_jumps_back(application: Application) -> None:
    user = await application.user()
    await rotate(application)
    application.clock.advance(100)
    await application.sign_in(user)
    application.clock.advance(-70)
    await verify(application, await application.sign_in(user))


async def test_concurrent_first_tokens_create_one_key(application: Application) -> None:
    created = await application.af.run(
        application.af.environments.create("three", team_name="Three", client_id="client_three")
    )
    await asyncio.gather(
        *(application.af.token_signing.sign(application.af.store, created, {"n": n}) for n in range(3))
    )
    assert len(await application.af.token_signing.list_public_keys(application.af.store, created)) == 1


async def test_key_rotated_before_the_first_token_signs_after_the_delay(application: Application) -> None:
    unit = application.af.environments.create("three", team_name="Three", client_id="client_three")
    created = await application.af.run(unit)
    rotated = await application.af.run(await application.af.token_signing.prepare_rotation(created))
    first = await application.af.token_signing.sign(application.af.store, created, {})
    assert jwt.get_unverified_header(first)["kid"] != rotated.id
    application.clock.advance(66)
    later = await application.af.token_signing.sign(application.af.store, created, {})
    assert jwt.get_unverified_header(later)["kid"] == rotated.id


async def test_private_keys_are_sealed_in_the_database(application: Application) -> None:
    await rotate(application)
    await application.sign_in(await application.user())
    keys = await application.af.read(lambda tx: tx.signing_keys.published(1, application.clock.now))
    assert len(keys) == 2
    stored = application.files()
    assert keys[0].private_key[:64].encode() in stored  # proves that the search below can find a key
    assert b"PRIVATE KEY" not in stored
    for key in keys:
        der = application.af.vault.unseal(key.private_key, private_key_row(1, key.id))
        # The public half is in the certificate; everything after it (d, p, q, …) must not be stored.
        for start in range(len(der) - 900, len(der) - 32, 32):
            piece = der[start : start + 33]
            assert piece not in stored
            assert piece.hex().encode() not in stored
            for shift in range(3):
                text = base64.b64encode(piece[shift:])[:-4]
                assert text not in stored
                assert text.translate(bytes.maketrans(b"+/", b"-_")) not in stored


async def test_private_key_moved_to_another_environment_does_not_sign(application: Application) -> None:
    ours, theirs = (
        row[0] for row in application.sql("SELECT private_key FROM signing_keys ORDER BY environment")
    )
    application.sql("UPDATE signing_keys SET private_key = ? WHERE private_key = ?", theirs, ours)
    user = await application.user()
    application.clock.advance(60)
    application.af.token_signing._signers.clear()
    assert (await application.password(user)).status_code == 503
    assert await application.count_sessions() == 0


async def test_key_ids_are_in_creation_order(application: Application) -> None:
    await rotate(application)
    application.clock.advance(1)
    await rotate(application)
    ids = [key["kid"] for key in await application.key_set()]
    assert all(first < second for first, second in pairwise(ids))
