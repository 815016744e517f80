"""Environments, their API keys, and users."""

from typing import Literal

from authfactor.models.base import Record

MfaPolicy = Literal["off", "if_enrolled", "required"]


class Environment(Record, frozen=True, gc=False):
    """A tenant, with separate users, factors, keys and policy; `number` begins every primary key."""

    number: int
    client_id: str
    name: str
    team_name: str
    mfa_policy: MfaPolicy
    options: str
    created_at: int
    updated_at: int


class EnvironmentOptions(Record, frozen=True, gc=False):
    """Further options of an environment, stored as JSON in `Environment.options`."""

    logout_redirects: tuple[str, ...] = ()
    page_redirects: tuple[str, ...] = ()


class ApiKey(Record, frozen=True, gc=False):
    """An API key of one environment. Only its SHA-256 is stored; `hint` identifies it to operators."""

    environment: int
    id: str
    name: str
    hint: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


class ApiCaller(Record, frozen=True, gc=False):
    """An authenticated caller: the environment and the id of its API key."""

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
