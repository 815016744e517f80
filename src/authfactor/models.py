"""Frozen records that rules pass around. Times are milliseconds of the epoch, ids carry their prefix."""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

Clock = Callable[[], int]
Entropy = Callable[[int], bytes]
MfaPolicy = Literal["off", "if_enrolled", "required"]
Role = Literal["owner", "support", "viewer"]
T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records; fields are in the order in which the store selects them."""


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


class FactorRecord(Record, frozen=True, gc=False):
    """A TOTP factor. `secret` is sealed; it is pending until `activated_at`; `last_step` is spent."""

    id: str
    user_id: str | None
    issuer: str
    account: str
    secret: str
    activated_at: int | None
    last_step: int
    created_at: int
    updated_at: int


class ChallengeRecord(Record, frozen=True, gc=False):
    """A question put to one factor, good for a few attempts until it expires or is verified."""

    id: str
    factor_id: str
    attempts: int
    created_at: int
    expires_at: int
    verified_at: int | None


class FailureRecord(Record, frozen=True, gc=False):
    """Wrong codes of one user (or stand-alone factor): when (seconds), how many in a row, and a lock."""

    times: tuple[int, ...]
    in_a_row: int
    locked_until: int | None


class PendingSignIn(Record, frozen=True, gc=False):
    """A sign-in that waits for its code. `password_mark` dies with the password it was made under."""

    user_id: str
    password_mark: bytes
    created_at: int
    expires_at: int
    spent_at: int | None


class SessionRecord(Record, frozen=True, gc=False):
    """A signed-in user. `amr` is words of RFC 8176 joined by spaces."""

    id: str
    user_id: str
    ip_address: str | None
    user_agent: str | None
    auth_method: str
    amr: str
    authenticated_at: int
    mfa_at: int | None
    last_active_at: int
    expires_at: int
    ended_at: int | None
    created_at: int
    updated_at: int


class RefreshToken(Record, frozen=True, gc=False):
    """One refresh token of a session; once spent, its sealed successors can be given again for a moment."""

    session_id: str
    created_at: int
    spent_at: int | None
    successor: str | None


class SigningKey(Record, frozen=True, gc=False):
    """A key that signs access tokens. The private key is sealed; it is published until `retired_at`."""

    id: str
    private_key: str
    certificate: str
    created_at: int
    signs_from: int
    retired_at: int | None


class PublicKey(Record, frozen=True, gc=False):
    """What verifies a token: modulus and exponent, the certificate in base64, its SHA-256 thumbprint."""

    n: str
    e: str
    certificate: str
    thumbprint: str


class EventRecord(Record, frozen=True, gc=False):
    """Something that happened. `data` is JSON text."""

    id: str
    name: str
    user_id: str | None
    data: str
    created_at: int


class SignedIn(Record, frozen=True, gc=False):
    """What a finished sign-in gives."""

    user: UserRecord
    access_token: str
    refresh_token: str


class Enrollment(Record, frozen=True, gc=False):
    """What enrolling gives: the factor, its first challenge, and the secrets that are shown this once.

    `picture` draws the URI when it is first called, and remembers.
    """

    factor: FactorRecord
    challenge: ChallengeRecord | None
    secret: str
    uri: str
    picture: Callable[[], str]

    @property
    def qr_code(self) -> str:
        """The picture, itself a `data:` URI."""
        return self.picture()


class Verification(Record, frozen=True, gc=False):
    """Outcome of one code. `reason` and `attempts_remaining` only when it was not valid."""

    challenge: ChallengeRecord
    valid: bool
    reason: Literal["code_mismatch", "code_already_used", "clock_drift"] | None = None
    attempts_remaining: int | None = None
    locked_until: int | None = None


class RecordPage(Record, Generic[T], frozen=True, gc=False):
    """One page of a list and the cursors to its neighbours (None where there are none)."""

    items: list[T]
    before: str | None
    after: str | None


class PageQuery(Record, frozen=True, gc=False):
    """Which page is asked for. Cursors are ids, exclusive."""

    limit: int = 10
    order: Literal["asc", "desc", "normal"] = "desc"
    before: str | None = None
    after: str | None = None


class IdempotencyClaim(Record, frozen=True, gc=False):
    """An idempotency key at work: who and what it covers, for how long its answer is kept."""

    environment: int
    key: bytes
    body_hash: bytes
    expires_at: int


class WebhookEndpointRecord(Record, frozen=True, gc=False):
    """A URL that is told of events. `secret` signs them: sealed in the store, opened by the rules."""

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: int
    updated_at: int


class DeliveryRecord(Record, frozen=True, gc=False):
    """One event on its way to one endpoint. `event` is its name, None once the event is no longer kept."""

    id: str
    endpoint_id: str
    event_id: str
    event: str | None
    user_id: str | None
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    due_at: int
    last_status: int | None
    last_error: str | None
    created_at: int
    updated_at: int


class ClaimedDelivery(Record, frozen=True, gc=False):
    """A delivery that one process has claimed: what to send, and where. `event` None: no longer kept."""

    environment: int
    claimed_until: int
    delivery: DeliveryRecord
    endpoint: WebhookEndpointRecord
    event: EventRecord | None


class DeliveryOutcome(Record, frozen=True, gc=False):
    """How one attempt ended: the receiver's status if there was one; `error` None is success."""

    status: int | None
    error: str | None


class OutboxBacklog(Record, frozen=True, gc=False):
    """What waits in the outbox: how many (up to a limit), and the earliest moments, in milliseconds."""

    pending: int
    oldest_due: int | None
    oldest_event: int | None


class Operator(Record, frozen=True, gc=False):
    """A person who uses the console. Invited until password and factor are set up."""

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
    """A one-time link to set an operator up; the `first` of an installation is made for nobody yet."""

    operator_id: str | None
    role: Role
    first: bool
    created_at: int
    expires_at: int
    used_at: int | None


class OperatorSession(Record, frozen=True, gc=False):
    """A signed-in operator, by the hash of the token that the browser holds."""

    id: str
    operator_id: str
    ip_address: str | None
    user_agent: str | None
    created_at: int
    last_active_at: int
    expires_at: int
    ended_at: int | None


class OperatorContext(Record, frozen=True, gc=False):
    """Who acts in the console: the operator, and the session they act in."""

    operator: Operator
    session: OperatorSession


class LinkRecord(Record, frozen=True, gc=False):
    """An address that leads one person to a page, once: to enrol a factor, or to give a code.

    `return_to` is where the page leads in the end. `factor_id` and `challenge_id` of an enrolment are made
    when the link is opened; from then on `expires_at` is the end of the page session.
    """

    environment: int
    id: str
    purpose: Literal["enrollment", "challenge"]
    user_id: str
    factor_id: str | None
    challenge_id: str | None
    issuer: str | None
    account: str | None
    return_to: str | None
    created_at: int
    expires_at: int
    opened_at: int | None
    completed_at: int | None


class BrandingRecord(Record, frozen=True, gc=False):
    """How an environment's pages look: a name, a colour `#rrggbb`, a logo as PNG; None: as by default."""

    name: str | None
    color: str | None
    logo: bytes | None
    updated_at: int


class AuditEntry(Record, frozen=True, gc=False):
    """One change. `hash` covers this entry and the hash of the one before it; `mac` is its signature.

    Entries of older releases have neither `mac` nor `key_id`.
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
