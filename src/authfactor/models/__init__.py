"""Frozen records shared by store, rules and wire. Times are milliseconds since the epoch."""

from authfactor.models.authentication import (
    PendingSignIn,
    PublicKey,
    RefreshToken,
    SessionRecord,
    SignedIn,
    SigningKey,
)
from authfactor.models.base import Clock, Entropy, IdempotencyClaim, PageQuery, Record, RecordPage
from authfactor.models.console import (
    AuditEntry,
    Operator,
    OperatorContext,
    OperatorLink,
    OperatorSession,
    Role,
)
from authfactor.models.events import (
    ClaimedDelivery,
    DeliveryOutcome,
    DeliveryRecord,
    EventRecord,
    OutboxBacklog,
    PausePolicy,
    WebhookEndpointRecord,
)
from authfactor.models.factors import (
    ChallengeRecord,
    CodeReason,
    Enrollment,
    FactorRecord,
    FailureRecord,
    Verification,
)
from authfactor.models.links import BrandingRecord, LinkRecord
from authfactor.models.tenants import (
    ApiCaller,
    ApiKey,
    Environment,
    EnvironmentOptions,
    MfaPolicy,
    UserRecord,
)

__all__ = [
    "ApiCaller",
    "ApiKey",
    "AuditEntry",
    "BrandingRecord",
    "ChallengeRecord",
    "ClaimedDelivery",
    "Clock",
    "CodeReason",
    "DeliveryOutcome",
    "DeliveryRecord",
    "Enrollment",
    "Entropy",
    "Environment",
    "EnvironmentOptions",
    "EventRecord",
    "FactorRecord",
    "FailureRecord",
    "IdempotencyClaim",
    "LinkRecord",
    "MfaPolicy",
    "Operator",
    "OperatorContext",
    "OperatorLink",
    "OperatorSession",
    "OutboxBacklog",
    "PageQuery",
    "PausePolicy",
    "PendingSignIn",
    "PublicKey",
    "Record",
    "RecordPage",
    "RefreshToken",
    "Role",
    "SessionRecord",
    "SignedIn",
    "SigningKey",
    "UserRecord",
    "Verification",
    "WebhookEndpointRecord",
]
