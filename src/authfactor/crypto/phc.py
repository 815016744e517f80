"""The PHC string format, `$id$v=..$a=..,b=..$salt$digest`, and argon2 hashes written in it.

Parsing is lenient where exporters differ (padding, the URL-safe alphabet, the order of parameters) and strict
elsewhere; encoding produces one canonical form. Messages never contain the text, which is secret.
"""

import base64
import hmac
import re
from dataclasses import dataclass, replace
from typing import Final, Self

from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw

MAX_TEXT: Final = 1024
MAX_FIELD_BYTES: Final = 128

# One check at these bounds takes about two seconds and 256 MiB. An import is bounded more narrowly.
MAX_ARGON2_MEMORY_KIB: Final = 256 * 1024
MAX_ARGON2_TIME_COST: Final = 10
MAX_ARGON2_PARALLELISM: Final = 16
# Memory times passes of an imported hash; about 0.3 s of CPU.
MAX_IMPORT_KIB_PASSES: Final = 256 * 1024
MIN_ARGON2_SALT_BYTES: Final = 8
MIN_ARGON2_DIGEST_BYTES: Final = 12

_WITH_VERSION: Final = 6
_WITHOUT_VERSION: Final = 5
_BASE64: Final = re.compile(r"([A-Za-z0-9+/_-]*)={0,2}")
_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_MAX_INTEGER: Final = 10**10 - 1
_TYPES: Final = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}


class MalformedHash(ValueError):
    """The text is not a hash in the expected format, or its costs are out of bounds."""


class CostTooHigh(MalformedHash):
    """The costs of the hash are too high to check it."""


@dataclass(slots=True)
class PhcFields:
    """A parsed PHC string; each parameter is taken once, and `require` rejects any that are left."""

    identifier: str
    salt: bytes
    digest: bytes
    _parameters: dict[str, str]

    @classmethod
    def split(cls, text: str) -> Self:
        """Parse a PHC string. Raises `MalformedHash` when salt or digest is missing or not base64."""
        fields = text.split("$")
        if len(text) > MAX_TEXT or fields[0] or len(fields) not in {_WITHOUT_VERSION, _WITH_VERSION}:
            raise MalformedHash("The hash must have the form $id$parameters$salt$digest.")
        parameters = _pairs(",".join(fields[2:-2]).split(","))
        return cls(fields[1], from_base64(fields[-2]), from_base64(fields[-1]), parameters)

    @classmethod
    def split_named(cls, text: str) -> Self:
        """Parse `$id$hash=..$salt=..$a=..`, a variant in which every field is named."""
        _, identifier, *fields = text[:MAX_TEXT].split("$")
        parameters = _pairs(fields)
        salt, digest = from_base64(parameters.pop("salt", "")), from_base64(parameters.pop("hash", ""))
        return cls(identifier, salt, digest, parameters)

    def integer(self, name: str, low: int, high: int, *, default: int | None = None) -> int:
        """Take a decimal parameter. Raises `MalformedHash` if out of bounds, or missing without a default."""
        text = self._parameters.pop(name, None)
        if text is None and default is not None:
            return default
        if text is None or not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise MalformedHash(f"The parameter {name} must be an integer from {low} to {high}.")
        return int(text)

    def cost(self, name: str, low: int, high: int) -> int:
        """Take a parameter as `integer` does. Raises `CostTooHigh` if it is above `high`."""
        value = self.integer(name, low, _MAX_INTEGER)
        if value > high:
            raise CostTooHigh(f"The parameter {name} must be at most {high}.")
        return value

    def text(self, name: str) -> str:
        """Take a parameter as text; empty when it is missing."""
        return self._parameters.pop(name, "")

    def require(self, *, min_salt: int = 1, min_digest: int = 16) -> None:
        """Raise `MalformedHash` for parameters not taken and for lengths (in bytes) out of range."""
        if self._parameters:
            raise MalformedHash("The hash has a parameter that its type does not define.")
        if not min_salt <= len(self.salt) <= MAX_FIELD_BYTES:
            raise MalformedHash(f"The salt must have {min_salt} to {MAX_FIELD_BYTES} bytes.")
        if not min_digest <= len(self.digest) <= MAX_FIELD_BYTES:
            raise MalformedHash(f"The digest must have {min_digest} to {MAX_FIELD_BYTES} bytes.")


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """An argon2 hash, version 19 (RFC 9106): costs, salt and digest. Memory is in KiB."""

    variant: Type
    memory_kib: int
    time_cost: int
    parallelism: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a PHC string. Raises `MalformedHash` when it is malformed or its costs are out of bounds."""
        fields = PhcFields.split(text)
        variant = _TYPES.get(fields.identifier)
        if variant is None:
            raise MalformedHash("The hash must begin with $argon2id$, $argon2i$ or $argon2d$.")
        fields.integer("v", ARGON2_VERSION, ARGON2_VERSION)
        parallelism = fields.cost("p", 1, MAX_ARGON2_PARALLELISM)
        memory_kib = fields.cost("m", 8 * parallelism, MAX_ARGON2_MEMORY_KIB)
        time_cost = fields.cost("t", 1, MAX_ARGON2_TIME_COST)
        fields.require(min_salt=MIN_ARGON2_SALT_BYTES, min_digest=MIN_ARGON2_DIGEST_BYTES)
        return cls(variant, memory_kib, time_cost, parallelism, fields.salt, fields.digest)

    @property
    def load(self) -> float:
        """Its cost as a share of the highest cost that an import may have."""
        return self.memory_kib * self.time_cost / MAX_IMPORT_KIB_PASSES

    @property
    def limit(self) -> str:
        """The highest cost that an import may have, for people."""
        return f"{MAX_IMPORT_KIB_PASSES // 1024} MiB of memory times passes"

    def encode(self) -> str:
        """Return the canonical PHC string."""
        costs = f"m={self.memory_kib},t={self.time_cost},p={self.parallelism}"
        head = f"$argon2{self.variant.name.lower()}$v={ARGON2_VERSION}${costs}"
        return f"{head}${to_base64(self.salt)}${to_base64(self.digest)}"

    @classmethod
    def make(cls, password: bytes, salt: bytes, *, memory_kib: int, time_cost: int, parallelism: int) -> Self:
        """Hash a password with argon2id to 32 bytes."""
        unfilled = cls(Type.ID, memory_kib, time_cost, parallelism, salt, bytes(32))
        return replace(unfilled, digest=unfilled._derive(password))

    def matches(self, password: bytes) -> bool:
        """Return whether the hash was made from this password; compares in constant time."""
        return hmac.compare_digest(self._derive(password), self.digest)

    def _derive(self, password: bytes) -> bytes:
        return hash_secret_raw(
            password,
            self.salt,
            time_cost=self.time_cost,
            memory_cost=self.memory_kib,
            parallelism=self.parallelism,
            hash_len=len(self.digest),
            type=self.variant,
        )


def to_base64(value: bytes) -> str:
    """Encode bytes as the PHC format requires: standard alphabet, no padding."""
    return base64.b64encode(value).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """Decode base64 in either alphabet, padded or not. Raises `MalformedHash`."""
    found = _BASE64.fullmatch(text)
    if found is None or len(found[1]) % 4 == 1:
        raise MalformedHash("The hash has a field that is not base64.")
    return base64.urlsafe_b64decode(found[1].replace("+", "-").replace("/", "_") + "=" * (-len(found[1]) % 4))


def _pairs(fields: list[str]) -> dict[str, str]:
    # Values may end in padding, so only the first equals sign separates name and value.
    pairs = dict(field.split("=", 1) for field in fields if "=" in field)
    if len(pairs) != len(fields):
        raise MalformedHash("The parameters must be written name=value, each once.")
    return pairs
