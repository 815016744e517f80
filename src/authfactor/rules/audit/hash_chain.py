"""The audit log's hash chain: which entry is the first that does not fit, and why.

`hash` is SHA-256 over the previous hash and the entry, so anyone can verify it. `mac` is HMAC-SHA-256 of it
with a key that only the vault can unseal, so write access to the database is not enough to forge a chain.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from authfactor import ids
from authfactor.models import AuditEntry
from authfactor.rules.audit.event_digests import SealedRanges

BEGINNING: Final = bytes(32)
_DIGITS: Final = 15
_PLAIN: Final = AuditEntry.__struct_fields__[:10]
_KEYED: Final = (*_PLAIN, "key_id", "address")


class ChainResult(NamedTuple):
    """The result of a verification; `broken` is the first id that does not fit, None when all do.

    `unsigned` counts entries of releases that did not sign. A later signature covers them, but they could
    have been forged before it was made.
    """

    entries: int
    last: AuditEntry | None
    broken: str | None
    why: str | None = None
    unsigned: int = 0


class ChainVerifier:
    """Verifies entries one after the other, oldest first."""

    def __init__(
        self,
        keys: Mapping[str, bytes] | None,
        *,
        expect: Mapping[str, bytes] | None = None,
        accept: frozenset[str] = frozenset(),
    ) -> None:
        """Start before the first entry.

        `keys` by id (None: only hashes are checked), `expect` hashes by id that must occur, `accept` ids of
        entries that need no signature.
        """
        self._keys = keys
        self._expect = dict(expect or {})
        self._accept = accept
        self._newest_key = ""
        self._unsigned = 0
        self.count = 0
        self._last: AuditEntry | None = None
        self.ranges: Final = SealedRanges()

    @property
    def at(self) -> str:
        """The id of the last verified entry, '' before the first."""
        return self._last.id if self._last else ""

    def step(self, entry: AuditEntry) -> str | None:
        """Verify the next entry; return why it does not fit, None when it does."""
        self.count += 1
        before = self._last.hash if self._last else BEGINNING
        self._last = entry
        if entry.id != numbered(self.count):
            return f"{numbered(self.count)} is expected here: entries were removed or inserted"
        if not hmac.compare_digest(entry.hash, hash_of(entry, before)):
            return "its hash does not match: the entry, or the hash before it, was changed"
        expected = self._expect.pop(entry.id, None)
        if expected is not None and not hmac.compare_digest(entry.hash, expected):
            return "its hash is not the expected one: the log was rewritten"
        return self._signature(entry) or self.ranges.step(entry)

    def _signature(self, entry: AuditEntry) -> str | None:
        if entry.key_id is None or entry.mac is None:
            self._unsigned += 1
            if self._newest_key and entry.id not in self._accept:
                return (
                    "it is not signed, though entries before it are: it was forged, or written by an older"
                    " release during an upgrade (in that case use --accept)"
                )
            return None
        if entry.key_id < self._newest_key:
            return f"it is signed with the key {entry.key_id}, which was replaced earlier"
        self._newest_key = entry.key_id
        if self._keys is None:
            return None
        key = self._keys.get(entry.key_id)
        if key is None:
            return f"the key {entry.key_id} that signed it is missing or cannot be unsealed"
        return None if hmac.compare_digest(entry.mac, mac_of(entry.hash, key)) else "its signature is wrong"

    def stop(self, entry: AuditEntry, why: str) -> ChainResult:
        """Return the result when an entry does not fit."""
        return ChainResult(self.count, entry, entry.id, why, self._unsigned)

    def end(self) -> ChainResult:
        """Return the result at the end of the log."""
        if self._expect:
            first = min(self._expect)
            found = self._last.id if self._last else "nothing"
            why = f"it was expected, but the log ends with {found}: its end was cut off"
            return ChainResult(self.count, self._last, first, why, self._unsigned)
        return ChainResult(self.count, self._last, None, None, self._unsigned)


def hash_of(entry: AuditEntry, before: bytes) -> bytes:
    """Return an entry's hash: SHA-256 over the previous hash and the fields, in order, as JSON."""
    names = _PLAIN if entry.key_id is None else _KEYED
    return hashlib.sha256(before + msgspec.json.encode([getattr(entry, name) for name in names])).digest()


def mac_of(hashed: bytes, key: bytes) -> bytes:
    """Return the signature of an entry's hash, which covers all earlier entries as well."""
    return hmac.digest(key, b"authfactor audit\0" + hashed, "sha256")


def numbered(number: int) -> str:
    """Return the id of the entry with this number, counted from 1."""
    return f"{ids.AUDIT}{number:0{_DIGITS}d}"


def number_of(entry_id: str) -> int:
    """Return the number in an entry's id. Raises `ValueError` for an id that is not an entry's."""
    return int(entry_id.removeprefix(ids.AUDIT))
