"""Password hashes imported from other systems: accepted formats, and verification.

The accepted text for each `password_hash_type`, paraphrased from WorkOS's public guides "Migrate from other
services" and "Migrate from Firebase" (`b64` is base64, with or without padding):

- `bcrypt`: the usual 60 characters, beginning with `$2a$`, `$2b$` or `$2y$`.
- `scrypt`: `$scrypt$v=1$n=16384,r=8,p=1,kl=64$<b64 salt>$<b64 digest>`; n is the cost, not its logarithm.
- `pbkdf2`: `$pbkdf2$i=600000,d=sha256$<b64 salt>$<b64 digest>`, where d is sha256 or sha512. The spelling of
  `@phc/pbkdf2` and others, `$pbkdf2-sha256$i=600000,l=32$...`, is accepted too.
- `argon2`: `$argon2id$v=19$m=65536,t=3,p=4$<b64 salt>$<b64 digest>`; also argon2i and argon2d.
- `firebase-scrypt`: `$firebase-scrypt$v=1$r=8,m=14,ss=<b64>,sk=<b64>$<b64 salt>$<b64 digest>`, being rounds,
  memory cost, salt separator and signer key of the Firebase project, as the library `@phc/format` serializes
  them in the guide; also the form of the public `workos-migrations` tool, each value in a separate field:
  `$firebase-scrypt$hash=..$salt=..$sk=..$ss=..$r=8$m=14`.
- `ssha`: `{SSHA}` and the b64 of SHA-1(password + salt) followed by the salt, as LDAP servers store it.
- `ssha256`: the same with `{SSHA256}` and SHA-256. The guides do not describe it; this is LDAP's form.

`password_salt_position` is the side of the password on which the salt was hashed for SSHA: `suffix` (as in
LDAP, the default) or `prefix`. The other types define their own input, so it has no effect there.

A stored import is `{type}` followed by the text in a canonical form, so the type can be read back and an
imported argon2 hash is never mistaken for one created here. Costs are bounded so that one check takes at most
a few seconds and 256 MiB. WorkOS documents narrower bounds (for example 600,000 to 1,000,000 rounds of
PBKDF2-SHA256); everything it accepts is accepted here, and weaker hashes too, because the first sign-in
replaces them.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

import bcrypt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from authfactor.crypto.phc import (
    MAX_FIELD_BYTES,
    MAX_TEXT,
    Argon2Hash,
    MalformedHash,
    PhcFields,
    from_base64,
    to_base64,
)

MIN_BCRYPT_COST: Final = 4
MAX_BCRYPT_COST: Final = 15
MAX_PBKDF2_ITERATIONS: Final = 5_000_000
MAX_SCRYPT_MEMORY: Final = 256 * 1024 * 1024
MAX_SCRYPT_WORK: Final = 512 * 1024 * 1024
# @phc/scrypt writes the logarithm under the same name; this minimum rejects it.
MIN_SCRYPT_COST: Final = 1024

_BCRYPT_MAX_BYTES: Final = 72
_BCRYPT: Final = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_STORED: Final = re.compile(r"\{([a-z0-9:-]+)\}(.*)")


class InvalidImportedHash(ValueError):
    """The text is not a hash of its type, or its costs are out of bounds; the message never contains it."""


class ImportedHash(Protocol):
    """A parsed imported hash."""

    def encode(self) -> str:
        """Return the canonical text, which is stored after the type."""
        ...

    def matches(self, password: bytes) -> bool:
        """Return whether the hash was made from this password; compares in constant time."""
        ...


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        found = _BCRYPT.fullmatch(text)
        if found is None:
            raise MalformedHash("The hash must be bcrypt's 60 characters, beginning with $2a$, $2b$ or $2y$.")
        if not MIN_BCRYPT_COST <= int(found[1]) <= MAX_BCRYPT_COST:
            raise MalformedHash(f"The bcrypt cost must be from {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}.")
        return cls(text)

    def encode(self) -> str:
        return self.text

    def matches(self, password: bytes) -> bool:
        # bcrypt reads 72 bytes. Longer passwords were truncated when the hash was made, so they are truncated
        # here too; the library rejects them.
        stored = self.text.encode()
        return hmac.compare_digest(bcrypt.hashpw(password[:_BCRYPT_MAX_BYTES], stored), stored)


@dataclass(frozen=True, slots=True)
class _Scrypt:
    cost: int
    block_size: int
    parallelism: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        fields = PhcFields.split(text)
        if fields.identifier != "scrypt":
            raise MalformedHash("The hash must begin with $scrypt$.")
        fields.integer("v", 1, 1, default=1)
        cost = fields.integer("n", MIN_SCRYPT_COST, MAX_SCRYPT_MEMORY // 128)
        block_size, parallelism = fields.integer("r", 1, 32), fields.integer("p", 1, 32)
        length = len(fields.digest)
        fields.integer("kl", length, length, default=length)
        fields.require()
        _check_scrypt(cost, block_size, parallelism)
        return cls(cost, block_size, parallelism, fields.salt, fields.digest)

    def encode(self) -> str:
        costs = f"n={self.cost},r={self.block_size},p={self.parallelism},kl={len(self.digest)}"
        return f"$scrypt$v=1${costs}${to_base64(self.salt)}${to_base64(self.digest)}"

    def matches(self, password: bytes) -> bool:
        digest = _scrypt(password, self.salt, self.cost, self.block_size, self.parallelism, len(self.digest))
        return hmac.compare_digest(digest, self.digest)


@dataclass(frozen=True, slots=True)
class _FirebaseScrypt:
    """Firebase's variant: scrypt derives an AES key, and the digest is the signer key encrypted with it."""

    rounds: int
    memory_cost: int
    separator: bytes
    signer_key: bytes
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        named = text.startswith("$firebase-scrypt$hash=")
        fields = PhcFields.split_named(text) if named else PhcFields.split(text)
        if fields.identifier != "firebase-scrypt":
            raise MalformedHash("The hash must begin with $firebase-scrypt$.")
        fields.integer("v", 1, 1, default=1)
        rounds, memory_cost = fields.integer("r", 1, 32), fields.integer("m", 1, 20)
        separator, signer_key = from_base64(fields.text("ss")), from_base64(fields.text("sk"))
        fields.require()
        _check_scrypt(1 << memory_cost, rounds, 1)
        if len(signer_key) != len(fields.digest):
            raise MalformedHash("The signer key (sk) and the digest must have the same length.")
        return cls(rounds, memory_cost, separator, signer_key, fields.salt, fields.digest)

    def encode(self) -> str:
        costs = f"r={self.rounds},m={self.memory_cost}"
        keys = f"ss={to_base64(self.separator)},sk={to_base64(self.signer_key)}"
        return f"$firebase-scrypt$v=1${costs},{keys}${to_base64(self.salt)}${to_base64(self.digest)}"

    def matches(self, password: bytes) -> bool:
        key = _scrypt(password, self.salt + self.separator, 1 << self.memory_cost, self.rounds, 1, 32)
        # The counter starts at zero in every hash, which is safe because every salt gives a different key.
        encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        return hmac.compare_digest(encryptor.update(self.signer_key), self.digest)


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    digest_name: str
    iterations: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        fields = PhcFields.split(text)
        identifier, _, named = fields.identifier.partition("-")
        digest_name = named or fields.text("d")
        if identifier != "pbkdf2" or digest_name not in {"sha256", "sha512"}:
            raise MalformedHash("The hash must begin with $pbkdf2$ and name d=sha256 or d=sha512.")
        fields.integer("v", 1, 1, default=1)
        iterations = fields.integer("i", 1, MAX_PBKDF2_ITERATIONS)
        length = len(fields.digest)
        fields.integer("l", length, length, default=length)
        fields.require()
        return cls(digest_name, iterations, fields.salt, fields.digest)

    def encode(self) -> str:
        costs = f"i={self.iterations},d={self.digest_name}"
        return f"$pbkdf2${costs}${to_base64(self.salt)}${to_base64(self.digest)}"

    def matches(self, password: bytes) -> bool:
        length = len(self.digest)
        digest = hashlib.pbkdf2_hmac(self.digest_name, password, self.salt, self.iterations, length)
        return hmac.compare_digest(digest, self.digest)


@dataclass(frozen=True, slots=True)
class _SaltedSha:
    """LDAP's salted digest, with the salt after the password unless `salt_first`."""

    name: str
    salt: bytes
    digest: bytes
    salt_first: bool

    @classmethod
    def parse(cls, text: str, name: str, *, salt_first: bool) -> Self:
        label = {"sha1": "{SSHA}", "sha256": "{SSHA256}"}[name]
        if text[: len(label)].upper() == label:
            text = text[len(label) :]
        both = from_base64(text)
        size = hashlib.new(name, usedforsecurity=False).digest_size
        if not size < len(both) <= size + MAX_FIELD_BYTES:
            raise MalformedHash(f"The hash must be {label} and base64 of a {size}-byte digest and its salt.")
        return cls(name, both[size:], both[:size], salt_first)

    def encode(self) -> str:
        return base64.b64encode(self.digest + self.salt).decode()

    def matches(self, password: bytes) -> bool:
        text = self.salt + password if self.salt_first else password + self.salt
        # `usedforsecurity=False`: OpenSSL builds that forbid SHA-1 must still verify these hashes once.
        digest = hashlib.new(self.name, text, usedforsecurity=False).digest()
        return hmac.compare_digest(digest, self.digest)


def _salted(name: str, *, salt_first: bool) -> Callable[[str], ImportedHash]:
    return lambda text: _SaltedSha.parse(text, name, salt_first=salt_first)


# Keyed by the type in the braces of a stored import.
_PARSERS: Final[Mapping[str, Callable[[str], ImportedHash]]] = {
    "bcrypt": _Bcrypt.parse,
    "firebase-scrypt": _FirebaseScrypt.parse,
    "ssha": _salted("sha1", salt_first=False),
    "ssha:prefix": _salted("sha1", salt_first=True),
    "ssha256": _salted("sha256", salt_first=False),
    "ssha256:prefix": _salted("sha256", salt_first=True),
    "scrypt": _Scrypt.parse,
    "pbkdf2": _Pbkdf2.parse,
    "argon2": Argon2Hash.parse,
}
KINDS: Final = tuple(tag for tag in _PARSERS if ":" not in tag)
UNSTRETCHED: Final = frozenset({"ssha", "ssha256"})


def parse_imported(text: str, kind: str, salt_position: str | None = None) -> str:
    """Validate a `password_hash` of a `password_hash_type` and return the string to store.

    Raises `InvalidImportedHash` for an unknown type or position, a malformed hash, and costs out of bounds.
    """
    if kind not in KINDS:
        raise InvalidImportedHash(f"The hash type must be one of {', '.join(KINDS)}.")
    if salt_position not in {None, "prefix", "suffix"}:
        raise InvalidImportedHash("The salt position must be prefix or suffix.")
    tag = f"{kind}:prefix" if salt_position == "prefix" and kind in UNSTRETCHED else kind
    if len(text) > MAX_TEXT:
        raise InvalidImportedHash(f"The hash must have at most {MAX_TEXT} characters.")
    try:
        parsed = _PARSERS[tag](text)
    except MalformedHash as error:
        # Not chained, so that no part of the hash can reach a log.
        raise InvalidImportedHash(str(error)) from None
    return f"{{{tag}}}{parsed.encode()}"


def kind_of(stored: str) -> str | None:
    """Return the type of a stored import; None when it is not an import."""
    found = _STORED.fullmatch(stored)
    return found[1].partition(":")[0] if found and found[1] in _PARSERS else None


def verify_imported(password: bytes, stored: str) -> bool:
    """Return whether a stored import was made from these bytes; a malformed one never matches.

    The bytes are what the other system hashed: usually the password as typed, in UTF-8.
    """
    found = _STORED.fullmatch(stored)
    parse = _PARSERS.get(found[1]) if found else None
    if found is None or parse is None:
        return False
    try:
        return parse(found[2]).matches(password)
    except MalformedHash:
        return False


def _scrypt(password: bytes, salt: bytes, cost: int, block_size: int, parallelism: int, length: int) -> bytes:
    # OpenSSL needs slightly more than the working memory, which the parsers have bounded.
    return hashlib.scrypt(
        password, salt=salt, n=cost, r=block_size, p=parallelism, maxmem=2 * MAX_SCRYPT_MEMORY, dklen=length
    )


def _check_scrypt(cost: int, block_size: int, parallelism: int) -> None:
    # RFC 7914 section 2: N is a power of two below 2^(128 * r / 8).
    if cost & (cost - 1) or cost >= 1 << (16 * block_size):
        raise MalformedHash(
            "The scrypt cost must be a power of two within the block size's limit (RFC 7914)."
        )
    memory = 128 * cost * block_size
    if memory > MAX_SCRYPT_MEMORY or memory * parallelism > MAX_SCRYPT_WORK:
        raise MalformedHash("The scrypt costs are too high: at most 256 MiB, and 512 MiB across all lanes.")
