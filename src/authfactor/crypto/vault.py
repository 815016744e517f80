"""Secrets at rest: sealed with AES-256-GCM, labeled with their key's id, bound to their row.

A sealed string is `v1:<key id>:<base64url of nonce + ciphertext + tag>` (decision 0004). The associated
data is table, column, environment and row id, so a sealed value copied to another row does not open. Any key
of the ring opens values; the newest one seals them.

The ring also makes keyed digests (HMAC-SHA-256), with keys derived from those that seal.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORMAT: Final = "v1"


class SealedLocation(NamedTuple):
    """The row and column of a sealed value: its associated data."""

    table: str
    column: str
    environment: int
    id: str


class UnsealError(Exception):
    """The sealed value is damaged, was moved to another row, or needs a key that is not on the ring."""


class UnknownKey(UnsealError):
    """The key that sealed this value is not on the ring; `key_id` names it."""

    def __init__(self, key_id: str) -> None:
        """Name the missing key."""
        super().__init__(f"The key '{key_id}' that sealed this value is not on the key ring. Add it again.")
        self.key_id = key_id


class Key(NamedTuple):
    """One key of the ring: its id (derived from the key, not secret) and its 32 bytes."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        """Return the id only."""
        return f"Key({self.id}, ***)"


def key_of(secret: bytes) -> Key:
    """Make a key from 32 bytes; its id is six hex digits of a SHA-256. Raises `ValueError` otherwise."""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a key is {KEY_BYTES} bytes, not {len(secret)}")
    return Key(hashlib.sha256(b"authfactor key id\0" + secret).hexdigest()[:6], secret)


class Vault:
    """Seals and opens values with a key ring, oldest key first."""

    def __init__(
        self,
        ring: Iterable[Key],
        entropy: Callable[[int], bytes],
        refresh: Callable[[], Iterable[Key] | None] | None = None,
    ) -> None:
        """Build one cipher per key, which costs as much as sealing a value.

        `entropy` returns that many random bytes. `refresh` returns the current ring, or None, and is called
        when a value names an unknown key. Raises `ValueError` for an empty ring and for duplicate key ids.
        """
        keys = list(ring)
        if not keys:
            raise ValueError("the key ring is empty")
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        if len(self._ciphers) < len(keys):
            raise ValueError("two keys of the ring have the same id")
        self._digest_keys = {key.id: _digest_key(key) for key in keys}
        self.newest = keys[-1].id
        self._entropy = entropy
        self._refresh = refresh

    def extend(self, ring: Iterable[Key]) -> None:
        """Add the ring's new keys; keys removed from it still open values until the process ends."""
        keys = list(ring)
        fresh = {key.id: AESGCM(key.secret) for key in keys if key.id not in self._ciphers}
        self._digest_keys = {**self._digest_keys, **{key.id: _digest_key(key) for key in keys}}
        self._ciphers = {**self._ciphers, **fresh}
        self.newest = keys[-1].id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys, oldest first."""
        return tuple(self._ciphers)

    def seal(self, value: bytes, where: SealedLocation) -> str:
        """Seal a value for a row with the newest key."""
        nonce = self._entropy(_NONCE_BYTES)
        sealed = self._ciphers[self.newest].encrypt(nonce, value, _associated_data(where))
        return f"{_FORMAT}:{self.newest}:{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def unseal(self, sealed: str, where: SealedLocation) -> bytes:
        """Open a value of this row.

        Raises `UnknownKey` when its key is not on the ring, `UnsealError` when it was damaged or moved.
        """
        try:
            form, key_id, text = sealed.split(":", 2)
            blob = base64.urlsafe_b64decode(text)
        except ValueError as error:
            raise UnsealError("not a sealed value") from error
        # Accept only the canonical text: base64 decoders skip foreign characters and ignore spare bits.
        if form != _FORMAT or base64.urlsafe_b64encode(blob).decode("ascii") != text:
            raise UnsealError("sealed in an unknown format")
        cipher = self._ciphers.get(key_id) or self._refreshed_cipher(key_id)
        try:
            return cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _associated_data(where))
        except (InvalidTag, ValueError) as error:
            raise UnsealError("the sealed value does not belong to this row or was damaged") from error

    def _refreshed_cipher(self, key_id: str) -> AESGCM:
        ring = self._refresh() if self._refresh is not None else None
        if ring is not None:
            self.extend(ring)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(key_id)
        return cipher

    def digest(self, purpose: str, text: str) -> str:
        """Return a keyed digest in hex, made with the newest key, which cannot be computed without the ring.

        Digests of different purposes are unrelated.
        """
        return _digest(self._digest_keys[self.newest], purpose, text)

    def digests(self, purpose: str, text: str) -> tuple[str, ...]:
        """Return what `digest` makes, with each key of the ring, oldest first."""
        return tuple(_digest(key, purpose, text) for key in self._digest_keys.values())

    def has_made(self, digest: str, purpose: str, text: str) -> bool:
        """Return whether `digest` made this digest, with whichever key of the ring."""
        made = self.digests(purpose, text)
        return any(hmac.compare_digest(digest.encode(), each.encode()) for each in made)

    def is_stale(self, sealed: str) -> bool:
        """Return whether an older key sealed this value, so that it should be resealed."""
        return not sealed.startswith(f"{_FORMAT}:{self.newest}:")


def _digest_key(key: Key) -> bytes:
    return hmac.digest(key.secret, b"authfactor digest key", "sha256")


def _digest(key: bytes, purpose: str, text: str) -> str:
    message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, "sha256").hex()


def _associated_data(where: SealedLocation) -> bytes:
    return "\0".join(("authfactor", where.table, where.column, str(where.environment), where.id)).encode()
