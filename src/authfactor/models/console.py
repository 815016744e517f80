"""Operators, their sessions, and the audit log."""

from typing import Literal

from authfactor.models.base import Record

Role = Literal["owner", "support", "viewer"]


class Operator(Record, frozen=True, gc=False):
    """A user of the console; `invited` until password and factor are set up."""

    id: str
    email: str
    role: Role
    state: Literal["invited", "active", "disabled"]
    password_hash: str | None
    factor_id: str | None
    last_sign_in_at: int | None
    created_at: int
    updated_at: int


class OperatorLink(Record, frozen=True, gc=False):
    """A one-time set-up link; `first` marks a bootstrap link, which has no operator yet."""

    operator_id: str | None
    role: Role
    first: bool
    created_at: int
    expires_at: int
    used_at: int | None


class OperatorSession(Record, frozen=True, gc=False):
    """An operator's session; the store finds it by the hash of the browser's token.

    `authenticated_at`: when a second factor was last checked in it; None in sessions of older releases.
    """

    id: str
    operator_id: str
    ip_address: str | None
    user_agent: str | None
    created_at: int
    last_active_at: int
    expires_at: int
    ended_at: int | None
    authenticated_at: int | None = None


class OperatorContext(Record, frozen=True, gc=False):
    """The acting operator and their session."""

    operator: Operator
    session: OperatorSession


class AuditEntry(Record, frozen=True, gc=False):
    """One entry of the audit log. `hash` covers the entry and the previous entry's hash; `mac` signs it.

    `address` is the request's IP address. Entries of older releases have neither `mac` nor `key_id`.
    """

    id: str
    actor_kind: Literal["operator", "command_line", "api_key", "server"]
    actor_id: str | None
    actor: str
    action: str
    environment: int | None
    target: str
    reason: str | None
    request_id: str | None
    created_at: int
    hash: bytes
    mac: bytes | None = None
    key_id: str | None = None
    address: str | None = None
