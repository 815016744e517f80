"""Imported hashes: published vectors verify, and malformed or costly hashes are refused."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Final

import pytest

from authfactor.crypto.imported_formats import PARSERS
from authfactor.crypto.imported_hashes import (
    KINDS,
    UNSTRETCHED,
    ImportTooCostly,
    InvalidImportedHash,
    kind_of,
    load_of,
    parse_imported,
    verify_imported,
)

VECTORS: Final = Path(__file__).parent / "vectors" / "passwords" / "imported.json"
SALT: Final = "c29tZXNhbHRzb21lc2FsdA"
DIGEST: Final = base64.b64encode(bytes(range(32))).decode().rstrip("=")
KEY_OF_64: Final = "q7pfdBQMJujd5FX/qX+ozM2O6aNqP+mo1ZnHGH15XM2vlhroQfPA037UpbdfpH4H66OrSPjsUhfkAMuNoBiQvw"
BCRYPT_TAIL: Final = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


AT_THE_LIMIT: Final = [
    ("argon2", f"$argon2id$v=19$m=262144,t=1,p=8${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=4,p=1${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=1000000,d=sha512${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=2000000,d=sha256${SALT}${DIGEST}"),
    ("bcrypt", f"$2b$13${BCRYPT_TAIL}"),
    ("scrypt", f"$scrypt$v=1$n=131072,r=8,p=1,kl=32${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$v=1$n=65536,r=8,p=2,kl=32${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$v=1$r=8,m=17,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
]
# Earlier releases stored these.
ABOVE_THE_LIMIT: Final = [
    ("argon2", f"$argon2id$v=19$m=262144,t=2,p=8${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=5,p=1${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=1000001,d=sha512${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=5000000,d=sha256${SALT}${DIGEST}"),
    ("bcrypt", f"$2b$14${BCRYPT_TAIL}"),
    ("scrypt", f"$scrypt$v=1$n=131072,r=8,p=2,kl=32${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$v=1$r=8,m=18,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
]
BEYOND_ANY_CHECK: Final = [
    ("argon2", f"$argon2id$v=19$m=262145,t=3,p=4${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=5000001,d=sha256${SALT}${DIGEST}"),
    ("bcrypt", f"$2b$16${BCRYPT_TAIL}"),
    ("scrypt", f"$scrypt$n=1048576,r=8,p=1${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$r=8,m=19,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
]


def _vectors() -> list[tuple[str, str, bytes]]:
    def text(entry: dict[str, str]) -> str:
        if "hash" in entry:
            return entry["hash"]
        fields = (base64.b64encode(bytes.fromhex(entry[name])).decode() for name in ("salt", "digest"))
        return "$".join((entry["parameters"], *fields))

    entries = json.loads(VECTORS.read_text())
    return [(entry["kind"], text(entry), entry["password"].encode()) for entry in entries]


@pytest.mark.parametrize(("kind", "text", "password"), _vectors())
def test_published_vector_verifies_only_with_its_password(kind: str, text: str, password: bytes) -> None:
    stored = parse_imported(text, kind)

    assert verify_imported(password, stored)
    assert not verify_imported(b"?" + password, stored)
    assert kind_of(stored) == kind


@pytest.mark.parametrize(("kind", "text", "password"), _vectors())
def test_parsing_a_stored_import_again_changes_nothing(kind: str, text: str, password: bytes) -> None:
    stored = parse_imported(text, kind)

    assert parse_imported(stored.removeprefix(f"{{{kind}}}"), kind) == stored


def test_every_hash_type_has_a_vector() -> None:
    assert {kind for kind, _, _ in _vectors()} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("scrypt", f"$scrypt$v=1$n=16384,r=8,p=1,kl=64$Swhqd4iUYTtWfbCYIPeuMw${KEY_OF_64}"),
        (
            "pbkdf2",
            "$pbkdf2$i=600000,d=sha256$T2ptRFh6MXhDQVh2SWZuUGdpQXBUTg$xXiyTisD7390NijyCv5ICMhFW4eDuMlzypRoLGLyIvA",
        ),
        ("argon2", "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"),
        ("bcrypt", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
        ("argon2", f"$argon2id$v=19$m=4096,t=1,p=1${SALT}${DIGEST}"),
        *AT_THE_LIMIT,
    ],
)
def test_documented_examples_and_highest_costs_are_stored_unchanged(kind: str, text: str) -> None:
    assert parse_imported(text, kind) == f"{{{kind}}}{text}"


@pytest.mark.parametrize("kind", ["ssha", "ssha256"])
@pytest.mark.parametrize("position", ["prefix", "suffix", None])
def test_salt_is_added_at_the_requested_position(kind: str, position: str | None) -> None:
    salted = b"saltpassword" if position == "prefix" else b"passwordsalt"
    digest = hashlib.new({"ssha": "sha1", "ssha256": "sha256"}[kind], salted).digest()
    text = f"{{{kind.upper()}}}{base64.b64encode(digest + b'salt').decode()}"

    stored = parse_imported(text, kind, position)
    other = parse_imported(text, kind, "suffix" if position == "prefix" else "prefix")

    assert verify_imported(b"password", stored)
    assert not verify_imported(b"password", other)
    assert kind_of(stored) == kind_of(other) == kind


def test_salt_position_is_ignored_for_bcrypt() -> None:
    text = f"$2b$05${BCRYPT_TAIL}"

    assert parse_imported(text, "bcrypt", "prefix") == parse_imported(text, "bcrypt")


def test_label_of_a_salted_digest_is_optional_and_case_insensitive() -> None:
    bare = base64.b64encode(hashlib.sha1(b"test123salt").digest() + b"salt").decode()  # noqa: S324 - SSHA is SHA-1

    stored = {parse_imported(text, "ssha") for text in (bare, f"{{SSHA}}{bare}", f"{{ssha}}{bare}")}

    assert len(stored) == 1
    assert verify_imported(b"test123", stored.pop())


def test_base64_variant_and_parameter_order_are_ignored() -> None:
    digest = base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode()
    plain = base64.b64encode(b"\xfb\xff" * 16).decode().rstrip("=")
    assert "-" in digest
    assert digest.endswith("=")

    loose = parse_imported(f"$scrypt$kl=32,p=1,r=8,n=16384${SALT}==${digest}", "scrypt")

    assert loose == parse_imported(f"$scrypt$v=1$n=16384,r=8,p=1${SALT}${plain}", "scrypt")


def test_bcrypt_ignores_password_bytes_after_the_72nd() -> None:
    text = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
    first_72 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    stored = parse_imported(text, "bcrypt")

    assert verify_imported(first_72, stored)
    assert verify_imported(first_72 + b" and more", stored)
    assert not verify_imported(first_72[:71], stored)


MALFORMED: Final = [
    # bcrypt: version, cost, length, alphabet, and a salt whose unused bits are set
    ("bcrypt", f"$2x$10${BCRYPT_TAIL}"),
    ("bcrypt", f"$2$10${BCRYPT_TAIL}"),
    ("bcrypt", f"$2b$03${BCRYPT_TAIL}"),
    ("bcrypt", f"$2b$16${BCRYPT_TAIL}"),
    ("bcrypt", f"$2b$99${BCRYPT_TAIL}"),
    ("bcrypt", f"$2b$1${BCRYPT_TAIL}"),
    ("bcrypt", f"$2b$10${BCRYPT_TAIL[:-1]}"),
    ("bcrypt", f"$2b$10${BCRYPT_TAIL}x"),
    ("bcrypt", f"$2b$10${BCRYPT_TAIL}\n"),
    ("bcrypt", f"$2b$10$+{BCRYPT_TAIL[1:]}"),
    ("bcrypt", f"$2b$10${BCRYPT_TAIL[:21]}A{BCRYPT_TAIL[22:]}"),
    # scrypt: identifier, cost (not a power of two, a logarithm, too high), kl, unknown and missing fields
    ("scrypt", f"$script$n=16384,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16383,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=14,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=1048576,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=262144,r=8,p=4${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=65536,r=1,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=1024,r=0,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=1024,r=8,p=33${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1,kl=64${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1,x=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,n=16384,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$v=2$n=16384,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=-16384,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=1_024,r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=１０２４,r=8,p=1${SALT}${DIGEST}"),  # noqa: RUF001 - full-width digits are not a number here
    ("scrypt", f"$scrypt$n={'9' * 400},r=8,p=1${SALT}${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1$${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1${SALT}$"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1${SALT}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1${SALT}!${DIGEST}"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1${SALT}$AAAAA"),
    ("scrypt", f"$scrypt$n=16384,r=8,p=1${SALT}${'A' * 600}"),
    # pbkdf2: digest, iterations, length
    ("pbkdf2", f"$pbkdf2$i=600000${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=600000,d=sha1${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=600000,d=md5${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2-sha256$i=600000,d=sha256${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=0,d=sha256${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=5000001,d=sha256${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2-sha256$i=1000,l=16${SALT}${DIGEST}"),
    ("pbkdf2", f"$pbkdf2$i=1000,d=sha256${SALT}$AAAA"),
    ("pbkdf2", f"pbkdf2_sha256$600000${SALT}${DIGEST}"),
    # argon2: variant, version, costs, lengths
    ("argon2", f"$argon2x$v=19$m=65536,t=3,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$m=65536,t=3,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=16$m=65536,t=3,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=262145,t=3,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=11,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=0,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=3,p=17${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=31,t=3,p=4${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=3,p=4,keyid=AA${SALT}${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA${DIGEST}"),
    ("argon2", f"$argon2id$v=19$m=65536,t=3,p=4${SALT}$AAAA"),
    # firebase-scrypt: missing key, key of another length, costs
    ("firebase-scrypt", f"$firebase-scrypt$r=8,m=14,ss=Bw${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$r=8,m=14,ss=Bw,sk=AAAA${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$r=8,m=19,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$r=0,m=14,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$scrypt$r=8,m=14,ss=Bw,sk={DIGEST}${SALT}${DIGEST}"),
    ("firebase-scrypt", f"$firebase-scrypt$hash={DIGEST}$salt={SALT}$sk={DIGEST}$ss=Bw$r=8"),
    ("firebase-scrypt", f"$firebase-scrypt$hash={DIGEST}$salt={SALT}$sk={DIGEST}$ss=Bw$r=8$m=14$x=1"),
    (
        "firebase-scrypt",
        f"$firebase-scrypt$hash={DIGEST}$hash={DIGEST}$salt={SALT}$sk={DIGEST}$ss=Bw$r=8$m=14",
    ),
    # salted digests: no salt, another scheme's label, not base64
    ("ssha", "{SSHA}" + base64.b64encode(bytes(20)).decode()),
    ("ssha", "{SSHA256}" + base64.b64encode(bytes(36)).decode()),
    ("ssha", "{SSHA}????"),
    ("ssha256", "{SSHA256}" + base64.b64encode(bytes(32)).decode()),
    ("ssha256", "{SSHA512}" + base64.b64encode(bytes(68)).decode()),
    *(
        (kind, text)
        for kind in KINDS
        for text in ("", "$", "$$$$$", "plain text", "{SSHA}", "A" * 5000, "\0")
    ),
]


@pytest.mark.parametrize(("kind", "text"), MALFORMED)
def test_malformed_or_costly_hash_is_refused_without_repeating_it(kind: str, text: str) -> None:
    with pytest.raises(InvalidImportedHash) as refusal:
        parse_imported(text, kind)

    message = str(refusal.value)
    assert message
    assert len(text) < len("{SSHA256}") or text not in message
    assert SALT not in message
    assert DIGEST not in message
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize(("kind", "text"), MALFORMED)
def test_malformed_stored_import_never_verifies(kind: str, text: str) -> None:
    assert not verify_imported(b"password", f"{{{kind}}}{text}")


@pytest.mark.parametrize(
    "stored", ["", "{}", "{bcrypt", "{md5}x", "{bcrypt:prefix}x", "$argon2id$", "bcrypt}x", "{\n}"]
)
def test_text_that_is_not_an_import_has_no_type_and_never_verifies(stored: str) -> None:
    assert kind_of(stored) is None
    assert not verify_imported(b"password", stored)


@pytest.mark.parametrize(
    ("kind", "position"), [("md5", None), ("ssha:prefix", None), ("ssha", "middle"), ("", "")]
)
def test_unknown_hash_type_or_salt_position_is_refused(kind: str, position: str | None) -> None:
    with pytest.raises(InvalidImportedHash, match="must be"):
        parse_imported("{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a", kind, position)


@pytest.mark.parametrize(("kind", "text"), [*ABOVE_THE_LIMIT, *BEYOND_ANY_CHECK])
def test_import_that_costs_too_much_to_check_is_refused_as_such(kind: str, text: str) -> None:
    with pytest.raises(ImportTooCostly, match="at most") as refusal:
        parse_imported(text, kind)
    assert DIGEST not in str(refusal.value)


@pytest.mark.parametrize(("kind", "text"), ABOVE_THE_LIMIT)
def test_load_of_a_stored_import_above_the_limit_is_over_one(kind: str, text: str) -> None:
    assert 1 < load_of(f"{{{kind}}}{text}") <= 8


@pytest.mark.parametrize(("kind", "text"), AT_THE_LIMIT)
def test_load_of_an_import_at_the_limit_is_one(kind: str, text: str) -> None:
    assert load_of(f"{{{kind}}}{text}") == 1


@pytest.mark.parametrize("stored", ["", "$argon2id$", "{bcrypt}x", "{ssha}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a"])
def test_load_of_anything_else_is_zero(stored: str) -> None:
    assert load_of(stored) == 0


@pytest.mark.parametrize("kind", sorted(UNSTRETCHED))
def test_unstretched_hash_has_no_highest_cost(kind: str) -> None:
    size = {"ssha": 20, "ssha256": 32}[kind]
    assert PARSERS[kind](base64.b64encode(bytes(size + 8)).decode()).limit == "any"


def test_stored_import_above_the_limit_still_verifies() -> None:
    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha512", b"password", b"salt" * 4, 1_000_001)).decode()
    stored = f"{{pbkdf2}}$pbkdf2$i=1000001,d=sha512${base64.b64encode(b'salt' * 4).decode()}${digest}"
    assert verify_imported(b"password", stored)
    assert not verify_imported(b"another", stored)
