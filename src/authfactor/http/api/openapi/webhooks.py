"""The `webhooks` section of the OpenAPI document: one request per event."""

from typing import Any, Final

from authfactor import reference
from authfactor.http.api.openapi.examples import of_event
from authfactor.http.api.openapi.schemas import ref
from authfactor.reference import OpenApiTexts
from authfactor.wire import events, mailed
from authfactor.wire.invitations import InvitationEvent
from authfactor.wire.messages import ReportedMessage
from authfactor.wire.webhooks import PingedEndpoint

TAG: Final = "webhooks"
# The data of events that no endpoint returns.
EVENT_DATA: Final = (
    events.SignInAttempt,
    events.FactorEvent,
    events.RefusedAttempt,
    events.UnlockedUser,
    events.LockedUser,
    events.CreatedRecoveryCodes,
    events.RenamedFactor,
    events.UsedRecoveryCode,
    events.FewRecoveryCodes,
    events.RaisedSessionEvent,
    events.SuspectPasskey,
    events.ResyncedFactor,
    events.ChangedPolicy,
    events.StartedGrace,
    events.EndedGrace,
    events.ExemptedUser,
    events.TrustedDeviceEvent,
    ReportedMessage,
    events.UsedTrustedDevice,
    events.RevokedTrustedDevice,
    events.LinkEvent,
    mailed.EmailVerificationEvent,
    mailed.MagicAuthEvent,
    mailed.PasswordResetEvent,
    InvitationEvent,
    PingedEndpoint,
)


def webhooks(texts: OpenApiTexts) -> dict[str, Any]:
    """Return the section, by the name of the event."""
    return {
        name: {"post": _request(name, event, texts)} for name, event in sorted(reference.events().items())
    }


def _request(name: str, event: reference.EventDescription, texts: OpenApiTexts) -> dict[str, Any]:
    carried = reference.objects()[event.data].schema
    schema = {
        "allOf": [
            ref("Event"),
            {"type": "object", "properties": {"event": {"const": name}, "data": ref(carried)}},
        ]
    }
    return {
        "operationId": "receive_" + name.replace(".", "_"),
        "summary": f"Receive {name}",
        "description": event.description,
        "tags": [TAG],
        "security": [],
        "parameters": [
            {
                "name": "WorkOS-Signature",
                "in": "header",
                "required": True,
                "description": texts.signature_header,
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": of_event(name)}},
        },
        "responses": {"2XX": {"description": texts.received}},
    }
