"""The formats of imported password hashes, and what an import and a stored hash may cost to check."""

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
    Argon2Hash,
    CostTooHigh,
    MalformedHash,
    PhcFields,
    from_base64,
    to_base64,
)

# What an import may cost, about 0.4 s of CPU each (measured: 0.41, 0.36, 0.39, 0.33).
MAX_IMPORT_BCRYPT_COST: Final = 13
MAX_IMPORT_ITERATIONS: Final = {"sha256": 2_000_000, "sha512": 1_000_000}
MAX_IMPORT_SCRYPT_WORK: Final = 128 * 1024 * 1024
# What a stored hash may cost; beyond that it never verifies.
MIN_BCRYPT_COST: Final = 4
MAX_BCRYPT_COST: Final = 15
MAX_PBKDF2_ITERATIONS: Final = 5_000_000
MAX_SCRYPT_MEMORY: Final = 256 * 1024 * 1024
MAX_SCRYPT_WORK: Final = 512 * 1024 * 1024
# @phc/scrypt writes the logarithm under the same name; this minimum rejects it.
MIN_SCRYPT_COST: Final = 1024

_SCRYPT_LIMIT: Final = f"{MAX_IMPORT_SCRYPT_WORK >> 20} MiB of scrypt across all lanes"
_BCRYPT_MAX_BYTES: Final = 72
_BCRYPT: Final = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")


class ImportedHash(Protocol):
    """A parsed imported hash."""

    @property
    def load(self) -> float:
        """Its cost as a share of the highest cost that an import may have."""
        ...

    @property
    def limit(self) -> str:
        """The highest cost that an import may have, for people."""
        ...

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
        if int(found[1]) < MIN_BCRYPT_COST:
            raise MalformedHash(f"The bcrypt cost must be at least {MIN_BCRYPT_COST}.")
        if int(found[1]) > MAX_BCRYPT_COST:
            raise CostTooHigh(f"The bcrypt cost must be at most {MAX_BCRYPT_COST}.")
        return cls(text)

    @property
    def load(self) -> float:
        return float(2 ** (int(self.text[4:6]) - MAX_IMPORT_BCRYPT_COST))

    @property
    def limit(self) -> str:
        return f"a bcrypt cost of {MAX_IMPORT_BCRYPT_COST}"

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
        cost = fields.cost("n", MIN_SCRYPT_COST, MAX_SCRYPT_MEMORY // 128)
        block_size, parallelism = fields.cost("r", 1, 32), fields.cost("p", 1, 32)
        length = len(fields.digest)
        fields.integer("kl", length, length, default=length)
        fields.require()
        _check_scrypt(cost, block_size, parallelism)
        return cls(cost, block_size, parallelism, fields.salt, fields.digest)

    @property
    def load(self) -> float:
        return 128 * self.cost * self.block_size * self.parallelism / MAX_IMPORT_SCRYPT_WORK

    @property
    def limit(self) -> str:
        return _SCRYPT_LIMIT

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
        rounds, memory_cost = fields.cost("r", 1, 32), fields.cost("m", 1, 20)
        separator, signer_key = from_base64(fields.text("ss")), from_base64(fields.text("sk"))
        fields.require()
        _check_scrypt(1 << memory_cost, rounds, 1)
        if len(signer_key) != len(fields.digest):
            raise MalformedHash("The signer key (sk) and the digest must have the same length.")
        return cls(rounds, memory_cost, separator, signer_key, fields.salt, fields.digest)

    @property
    def load(self) -> float:
        return 128 * (1 << self.memory_cost) * self.rounds / MAX_IMPORT_SCRYPT_WORK

    @property
    def limit(self) -> str:
        return _SCRYPT_LIMIT

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
        iterations = fields.cost("i", 1, MAX_PBKDF2_ITERATIONS)
        length = len(fields.digest)
        fields.integer("l", length, length, default=length)
        fields.require()
        return cls(digest_name, iterations, fields.salt, fields.digest)

    @property
    def load(self) -> float:
        return self.iterations / MAX_IMPORT_ITERATIONS[self.digest_name]

    @property
    def limit(self) -> str:
        return f"{MAX_IMPORT_ITERATIONS[self.digest_name]:,} rounds of PBKDF2 with {self.digest_name}"

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

    @property
    def load(self) -> float:
        return 0.0

    @property
    def limit(self) -> str:
        return "any"

    def encode(self) -> str:
        return base64.b64encode(self.digest + self.salt).decode()

    def matches(self, password: bytes) -> bool:
        text = self.salt + password if self.salt_first else password + self.salt
        # `usedforsecurity=False`: OpenSSL builds that forbid SHA-1 must still verify these hashes once.
        digest = hashlib.new(self.name, text, usedforsecurity=False).digest()
        return hmac.compare_digest(digest, self.digest)


Parse = Callable[[str], ImportedHash]


def _salted(name: str, *, salt_first: bool) -> Parse:
    return lambda text: _SaltedSha.parse(text, name, salt_first=salt_first)


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
        raise CostTooHigh("The scrypt costs are too high: at most 256 MiB, and 512 MiB across all lanes.")


# Keyed by the type in the braces of a stored import.
PARSERS: Final[Mapping[str, Parse]] = {
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
