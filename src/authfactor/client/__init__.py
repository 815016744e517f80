"""The Python client: `Client`, `AsyncClient`, the types they return and the exceptions they raise.

Over HTTP it needs only httpx and msgspec. `Client(database_url=…)` runs the API in the calling process, on a
database and without a server, with the same results (decision 0010).
"""

from msgspec import UNSET

from authfactor.client.clients import AsyncClient, Client
from authfactor.client.errors import (
    AnswerUnreadableError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    AuthorizationError,
    BadRequestError,
    ClientError,
    ConflictError,
    MfaChallengeError,
    MfaEnrollmentError,
    NotFoundError,
    RateLimitExceededError,
    ServerError,
    TooManyAttemptsError,
    UnprocessableEntityError,
)
from authfactor.client.paging import AsyncPage, Page
from authfactor.client.types import (
    AuthenticationChallenge,
    AuthenticationChallengeVerificationResponse,
    AuthenticationFactorReference,
    AuthenticationFactorTotp,
    AuthenticationFactorTotpAndChallengeResponse,
    AuthenticationFactorTotpExtended,
    AuthenticationResponse,
    ErrorItem,
    Event,
    Jwk,
    Jwks,
    ListMetadata,
    Session,
    Totp,
    TotpExtended,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)
from authfactor.client.webhooks import SignatureInvalidError, verify_event

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AnswerUnreadableError",
    "AsyncClient",
    "AsyncPage",
    "AuthenticationChallenge",
    "AuthenticationChallengeVerificationResponse",
    "AuthenticationError",
    "AuthenticationFactorReference",
    "AuthenticationFactorTotp",
    "AuthenticationFactorTotpAndChallengeResponse",
    "AuthenticationFactorTotpExtended",
    "AuthenticationResponse",
    "AuthorizationError",
    "BadRequestError",
    "Client",
    "ClientError",
    "ConflictError",
    "ErrorItem",
    "Event",
    "Jwk",
    "Jwks",
    "ListMetadata",
    "MfaChallengeError",
    "MfaEnrollmentError",
    "NotFoundError",
    "Page",
    "RateLimitExceededError",
    "ServerError",
    "Session",
    "SignatureInvalidError",
    "TooManyAttemptsError",
    "Totp",
    "TotpExtended",
    "UnprocessableEntityError",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "verify_event",
]
