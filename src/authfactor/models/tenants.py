"""Environments, their API keys, and users."""

from typing import Literal

from authfactor.models.base import Record

MfaPolicy = Literal["off", "if_enrolled", "required"]


class Environment(Record, frozen=True, gc=False):
    """One tenant: its own users, factors, keys and policy. `number` starts every key in the store."""

    number: int
    client_id: str
    name: str
    team_name: str
    mfa_policy: MfaPolicy
    options: str
    created_at: int
    updated_at: int


class EnvironmentOptions(Record, frozen=True, gc=False):
    """What an environment may set beyond its policy; kept as JSON in `Environment.options`."""

    logout_redirects: tuple[str, ...] = ()
    page_redirects: tuple[str, ...] = ()


class ApiKey(Record, frozen=True, gc=False):
    """A credential of one environment. The key itself is never stored, only its SHA-256."""

    environment: int
    id: str
    name: str
    hint: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


class ApiCaller(Record, frozen=True, gc=False):
    """Who asks: the environment, and the key that a request has proven to hold."""

    environment: Environment
    key_id: str


class UserRecord(Record, frozen=True, gc=False):
    """A user of an application. `metadata` is a JSON object as text."""

    id: str
    email: str
    email_verified: bool
    first_name: str | None
    last_name: str | None
    name: str | None
    profile_picture_url: str | None
    external_id: str | None
    metadata: str
    locale: str | None
    last_sign_in_at: int | None
    created_at: int
    updated_at: int
    password_hash: str | None
