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
imported argon2 hash is never mistaken for one created here.

An import whose check would take more than about 0.4 s of CPU is refused: anyone can cause a check, with any
password. The limits allow what WorkOS documents for PBKDF2 (at most 1,000,000 rounds) and the defaults of
common frameworks, up to bcrypt cost 13; weaker hashes are accepted too, because the first sign-in replaces
them. Earlier releases accepted costs of a few seconds; such hashes still verify.
"""

import re
from typing import Final

from authfactor.crypto.imported_formats import PARSERS, ImportedHash
from authfactor.crypto.phc import MAX_TEXT, CostTooHigh, MalformedHash

_STORED: Final = re.compile(r"\{([a-z0-9:-]+)\}(.*)")


class InvalidImportedHash(ValueError):
    """The text is not a hash of its type, or its costs are out of bounds; the message never contains it."""


class ImportTooCostly(InvalidImportedHash):
    """The hash is well-formed, but checking a password against it would cost too much."""


KINDS: Final = tuple(tag for tag in PARSERS if ":" not in tag)
UNSTRETCHED: Final = frozenset({"ssha", "ssha256"})


def parse_imported(text: str, kind: str, salt_position: str | None = None) -> str:
    """Validate a `password_hash` of a `password_hash_type` and return the string to store.

    Raises `InvalidImportedHash` for an unknown type or position and a malformed hash, and `ImportTooCostly`.
    """
    if kind not in KINDS:
        raise InvalidImportedHash(f"The hash type must be one of {', '.join(KINDS)}.")
    if salt_position not in {None, "prefix", "suffix"}:
        raise InvalidImportedHash("The salt position must be prefix or suffix.")
    tag = f"{kind}:prefix" if salt_position == "prefix" and kind in UNSTRETCHED else kind
    if len(text) > MAX_TEXT:
        raise InvalidImportedHash(f"The hash must have at most {MAX_TEXT} characters.")
    try:
        parsed = PARSERS[tag](text)
    except CostTooHigh as error:
        raise ImportTooCostly(str(error)) from None
    except MalformedHash as error:
        # Not chained, so that no part of the hash can reach a log.
        raise InvalidImportedHash(str(error)) from None
    if parsed.load > 1:
        raise ImportTooCostly(f"Checking this hash would cost too much: at most {parsed.limit}.")
    return f"{{{tag}}}{parsed.encode()}"


def kind_of(stored: str) -> str | None:
    """Return the type of a stored import; None when it is not an import."""
    found = _STORED.fullmatch(stored)
    return found[1].partition(":")[0] if found and found[1] in PARSERS else None


def verify_imported(password: bytes, stored: str) -> bool:
    """Return whether a stored import was made from these bytes; a malformed one never matches.

    The bytes are what the other system hashed: usually the password as typed, in UTF-8.
    """
    parsed = _parse_stored(stored)
    return parsed is not None and parsed.matches(password)


def load_of(stored: str) -> float:
    """Return the cost of a stored import as a share of the highest that an import may have; else 0."""
    parsed = _parse_stored(stored)
    return 0.0 if parsed is None else parsed.load


def _parse_stored(stored: str) -> ImportedHash | None:
    found = _STORED.fullmatch(stored)
    parse = PARSERS.get(found[1]) if found else None
    if found is None or parse is None:
        return None
    try:
        return parse(found[2])
    except MalformedHash:
        return None
