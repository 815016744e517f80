"""Access tokens and the published key set: claims, verifying, rotating, sealing."""

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
LIFE = 300
# Times are the fake clock's; the library would compare them with the real one.
UNTIMED: Options = {"verify_exp": False, "verify_iat": False}


async def rotate(application: Application) -> SigningKey:
    return await application.af.run(
        await application.af.token_signing.prepare_rotation(await application.environment())
    )


async def verify(application: Application, tokens: Json) -> Json:
    """Verify as an application does: with the published key that the token names."""
    keys = jwt.PyJWKSet.from_dict({"keys": await application.key_set()})
    kid = jwt.get_unverified_header(tokens["access_token"])["kid"]
    return dict(jwt.decode(tokens["access_token"], keys[kid], algorithms=["RS256"], options=UNTIMED))


def kid_of(tokens: Json) -> str:
    return str(jwt.get_unverified_header(tokens["access_token"])["kid"])


async def test_claims_after_a_password(application: Application) -> None:
    user = await application.user()
    application.clock.advance(0.999)
    tokens = await application.sign_in(user)
    read = await verify(application, tokens)
    assert ULID.fullmatch(read.pop("jti"))
    assert read == {
        "iss": "http://127.0.0.1:8080",
        "sub": user["id"],
        "sid": (await application.sessions(user))[0]["id"],
        "iat": START // 1000,
        "exp": START // 1000 + LIFE,
        "client_id": CLIENT,
        "auth_time": START // 1000,
        "amr": ["pwd"],
        "acr": "urn:authfactor:acr:1",
    }
    assert all(type(read[name]) is int for name in ("iat", "exp", "auth_time"))


async def test_claims_after_a_code(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    application.clock.advance(7.999)
    read = await verify(application, fields(await application.answer(pending), 200))
    assert set(read) == {
        *("iss", "sub", "sid", "jti", "iat", "exp", "client_id", "auth_time", "amr", "acr", "mfa_at"),
    }
    assert read["amr"] == ["pwd", "otp", "mfa"]
    assert read["acr"] == "urn:authfactor:acr:2"
    assert (read["iat"], read["auth_time"], read["mfa_at"]) == (START // 1000 + 7,) * 3


async def test_a_refreshed_token_keeps_the_time_of_the_sign_in(application: Application) -> None:
    tokens = await application.sign_in_twice_proven(await application.member())
    application.clock.advance(1000)
    read = await verify(application, fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (read["auth_time"], read["mfa_at"]) == (START // 1000,) * 2
    assert read["iat"] == application.clock.now // 1000


async def test_no_two_tokens_have_the_same_jti(application: Application) -> None:
    user = await application.user()
    made = await asyncio.gather(*(application.sign_in(user) for _ in range(10)))
    assert len({claims(tokens)["jti"] for tokens in made}) == 10


async def test_the_key_set_has_all_that_sdks_ask_for(application: Application) -> None:
    del application.api.headers["authorization"]
    (key,) = await application.key_set()
    assert set(key) == {"alg", "kty", "use", "kid", "n", "e", "x5c", "x5t#S256"}
    assert (key["alg"], key["kty"], key["use"], key["e"]) == ("RS256", "RSA", "sig", "AQAB")
    assert re.fullmatch(f"key_{ULID.pattern}", key["kid"])
    assert len(key["x5c"]) == 1


@pytest.mark.parametrize("client_id", ["client_nobodys", "CLIENT_ONE", "%E2%98%83", "client_one%00"])
async def test_an_unknown_client_has_no_key_set(application: Application, client_id: str) -> None:
    refused(await application.api.get(f"/sso/jwks/{client_id}"), "entity_not_found", 404)


async def test_environments_have_keys_of_their_own(application: Application) -> None:
    ours = {key["kid"] for key in await application.key_set()}
    theirs = fields(await application.api.get("/sso/jwks/client_two"), 200)["keys"]
    assert not ours & {key["kid"] for key in theirs}
    tokens = await application.sign_in(await application.user())
    keys = jwt.PyJWKSet.from_dict({"keys": theirs})
    with pytest.raises(KeyError):
        keys[kid_of(tokens)]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(tokens["access_token"], keys.keys[0], algorithms=["RS256"], options=UNTIMED)


async def test_a_new_key_is_published_at_once_and_signs_a_minute_later(application: Application) -> None:
    user = await application.user()
    old = kid_of(await application.sign_in(user))
    new = (await rotate(application)).id
    assert [key["kid"] for key in await application.key_set()] == [old, new]
    application.clock.advance(59.999)
    assert kid_of(await application.sign_in(user)) == old
    # The signer in memory may be a few seconds old.
    application.clock.advance(5.002)
    assert kid_of(await application.sign_in(user)) == new


async def test_tokens_of_an_old_key_verify_until_they_expire_and_then_it_is_gone(
    application: Application,
) -> None:
    user = await application.user()
    old = kid_of(await application.sign_in(user))
    new = (await rotate(application)).id
    last = None
    for _ in range(66):  # second by second until the new key signs
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


async def test_rotating_again_and_again_always_leaves_a_key_that_signs(application: Application) -> None:
    user = await application.user()
    for _ in range(6):
        await rotate(application)
        application.clock.advance(25)
        await verify(application, await application.sign_in(user))
    application.clock.advance(500)
    assert len(await application.key_set()) == 1
    await verify(application, await application.sign_in(user))


async def test_a_clock_that_jumps_back_still_finds_a_key(application: Application) -> None:
    user = await application.user()
    await rotate(application)
    application.clock.advance(100)
    await application.sign_in(user)
    application.clock.advance(-70)
    await verify(application, await application.sign_in(user))


async def test_first_tokens_at_the_same_time_make_one_key(application: Application) -> None:
    made = await application.af.run(
        application.af.environments.create("three", team_name="Three", client_id="client_three")
    )
    await asyncio.gather(
        *(application.af.token_signing.sign(application.af.store, made, {"n": n}) for n in range(3))
    )
    assert len(await application.af.token_signing.list_public_keys(application.af.store, made)) == 1


async def test_a_key_made_before_any_token_takes_over_in_its_turn(application: Application) -> None:
    unit = application.af.environments.create("three", team_name="Three", client_id="client_three")
    made = await application.af.run(unit)
    rotated = await application.af.run(await application.af.token_signing.prepare_rotation(made))
    first = await application.af.token_signing.sign(application.af.store, made, {})
    assert jwt.get_unverified_header(first)["kid"] != rotated.id
    application.clock.advance(66)
    later = await application.af.token_signing.sign(application.af.store, made, {})
    assert jwt.get_unverified_header(later)["kid"] == rotated.id


async def test_private_keys_are_sealed_in_the_database(application: Application) -> None:
    await rotate(application)
    await application.sign_in(await application.user())
    keys = await application.af.read(lambda tx: tx.signing_keys.published(1, application.clock.now))
    assert len(keys) == 2
    stored = application.files()
    assert keys[0].private_key[:64].encode() in stored  # what is looked for would be found
    assert b"PRIVATE KEY" not in stored
    for key in keys:
        der = application.af.vault.unseal(key.private_key, private_key_row(1, key.id))
        # The public half is in the certificate; everything after it (d, p, q, …) must be nowhere.
        for start in range(len(der) - 900, len(der) - 32, 32):
            piece = der[start : start + 33]
            assert piece not in stored
            assert piece.hex().encode() not in stored
            for shift in range(3):
                text = base64.b64encode(piece[shift:])[:-4]
                assert text not in stored
                assert text.translate(bytes.maketrans(b"+/", b"-_")) not in stored


async def test_a_private_key_moved_to_another_environment_does_not_sign(application: Application) -> None:
    ours, theirs = (
        row[0] for row in application.sql("SELECT private_key FROM signing_keys ORDER BY environment")
    )
    application.sql("UPDATE signing_keys SET private_key = ? WHERE private_key = ?", theirs, ours)
    user = await application.user()
    application.clock.advance(60)
    application.af.token_signing._signers.clear()
    assert (await application.password(user)).status_code == 503
    assert await application.count_sessions() == 0


async def test_ids_of_keys_grow(application: Application) -> None:
    await rotate(application)
    application.clock.advance(1)
    await rotate(application)
    ids = [key["kid"] for key in await application.key_set()]
    assert all(first < second for first, second in pairwise(ids))
