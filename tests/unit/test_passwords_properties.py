"""Passwords: properties that hold for any text."""

import base64
import contextlib
import hashlib
import unicodedata
from typing import Final

import bcrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from authfactor.crypto.imported_hashes import (
    KINDS,
    InvalidImportedHash,
    kind_of,
    parse_imported,
    verify_imported,
)
from authfactor.crypto.passwords import CHEAPEST, check_strength, hash_password, needs_rehash, verify_password

ANY_TEXT: Final = st.text(st.characters(codec=None), max_size=40)
PASSWORD_BYTES: Final = st.binary(max_size=100)
SALTS: Final = st.binary(min_size=8, max_size=32)
QUICK: Final = settings(deadline=None, max_examples=60)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@QUICK
@given(ANY_TEXT, ANY_TEXT, st.binary(min_size=16, max_size=16))
def test_hash_verifies_exactly_the_passwords_with_equal_nfkc(hashed: str, typed: str, salt: bytes) -> None:
    stored = hash_password(hashed, salt=salt, profile=CHEAPEST)
    equivalent = unicodedata.normalize("NFKC", hashed) == unicodedata.normalize("NFKC", typed)

    assert verify_password(hashed, stored)
    assert verify_password(typed, stored) is equivalent
    assert not needs_rehash(stored, CHEAPEST)


@QUICK
@given(PASSWORD_BYTES, SALTS, st.sampled_from(["sha256", "sha512"]), st.integers(1, 50), st.integers(16, 64))
def test_pbkdf2_hash_of_the_standard_library_verifies(
    password: bytes, salt: bytes, name: str, iterations: int, length: int
) -> None:
    digest = hashlib.pbkdf2_hmac(name, password, salt, iterations, length)
    stored = parse_imported(f"$pbkdf2$i={iterations},d={name}${_b64(salt)}${_b64(digest)}", "pbkdf2")

    assert verify_imported(password, stored)
    assert not verify_imported(password + b"?", stored)


@QUICK
@given(PASSWORD_BYTES, SALTS, st.integers(10, 12), st.integers(1, 8), st.integers(1, 2))
def test_scrypt_hash_of_the_standard_library_verifies(
    password: bytes, salt: bytes, logarithm: int, block_size: int, lanes: int
) -> None:
    digest = hashlib.scrypt(password, salt=salt, n=1 << logarithm, r=block_size, p=lanes, dklen=32)
    costs = f"n={1 << logarithm},r={block_size},p={lanes}"
    stored = parse_imported(f"$scrypt${costs}${_b64(salt)}${_b64(digest)}", "scrypt")

    assert verify_imported(password, stored)
    assert not verify_imported(password + b"?", stored)


@QUICK
@given(PASSWORD_BYTES, st.binary(min_size=1, max_size=32), st.sampled_from(["prefix", "suffix"]))
def test_salted_digest_verifies_with_the_salt_on_either_side(
    password: bytes, salt: bytes, position: str
) -> None:
    text = salt + password if position == "prefix" else password + salt
    stored = parse_imported(_b64(hashlib.sha256(text).digest() + salt), "ssha256", position)

    assert verify_imported(password, stored)
    assert not verify_imported(password + b"?", stored)


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=72), st.binary(min_size=16, max_size=16), st.binary(max_size=20))
def test_bcrypt_hash_verifies_by_the_first_72_bytes(password: bytes, salt: bytes, more: bytes) -> None:
    radix = str.maketrans(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    )
    setting = f"$2b$04${_b64(salt).rstrip('=').translate(radix)}"
    stored = parse_imported(bcrypt.hashpw(password, setting.encode()).decode(), "bcrypt")
    padded = password.ljust(72, b"x")
    long = parse_imported(bcrypt.hashpw(padded, setting.encode()).decode(), "bcrypt")

    assert verify_imported(password, stored)
    assert verify_imported(padded + more, long)


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.one_of(ANY_TEXT, st.text("$=,{}:0123456789abhiklmnprstv", max_size=60)))
def test_parsing_any_text_raises_only_invalid_imported_hash(kind: str, text: str) -> None:
    with contextlib.suppress(InvalidImportedHash):
        assert kind_of(parse_imported(text, kind)) == kind


@settings(deadline=None)
@given(
    ANY_TEXT, st.sampled_from(("", "$argon2id$", "{ssha}", "{scrypt}$scrypt$", "{bcrypt}$2b$04$")), ANY_TEXT
)
def test_verifying_against_any_stored_text_never_raises(password: str, head: str, tail: str) -> None:
    assert verify_password(password, head + tail, profile=CHEAPEST) is False


@given(st.text(st.characters(codec=None), max_size=300), st.none() | st.emails())
def test_strength_check_never_raises_or_repeats_the_password(password: str, email: str | None) -> None:
    problems = check_strength(password, email=email)

    assert len({code for code, _ in problems}) == len(problems)
    assert len(password) < 10 or not any(password in message for _, message in problems)
