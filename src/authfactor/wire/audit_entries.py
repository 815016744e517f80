"""Audit entries as JSON, written to an export and read back from it."""

from typing import Literal

import msgspec

from authfactor.models import AuditEntry
from authfactor.wire import timestamps


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One audit entry; hash and signature are hexadecimal."""

    object: Literal["audit_entry"]
    id: str
    actor_kind: Literal["operator", "command_line", "api_key", "server"]
    actor_id: str | None
    actor: str
    action: str
    environment: int | None
    target: str
    reason: str | None
    request_id: str | None
    address: str | None
    created_at: str
    hash: str
    key_id: str | None
    signature: str | None


def entry(record: AuditEntry) -> Entry:
    """Render an audit entry."""
    return Entry(
        "audit_entry",
        record.id,
        record.actor_kind,
        record.actor_id,
        record.actor,
        record.action,
        record.environment,
        record.target,
        record.reason,
        record.request_id,
        record.address,
        timestamps.format_ms(record.created_at),
        record.hash.hex(),
        record.key_id,
        record.mac.hex() if record.mac is not None else None,
    )


def read(line: bytes) -> AuditEntry | None:
    """Parse an entry from a line of an export; None when it is not one."""
    try:
        found = msgspec.json.decode(line, type=Entry)
        at = timestamps.parse(found.created_at)
        hashed = bytes.fromhex(found.hash)
        mac = None if found.signature is None else bytes.fromhex(found.signature)
    except (ValueError, msgspec.DecodeError):
        return None
    return AuditEntry(
        found.id,
        found.actor_kind,
        found.actor_id,
        found.actor,
        found.action,
        found.environment,
        found.target,
        found.reason,
        found.request_id,
        at,
        hashed,
        mac,
        found.key_id,
        found.address,
    )
