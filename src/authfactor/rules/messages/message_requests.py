"""The requests that carry messages to an application, which sends them itself; signed like webhooks."""

from collections.abc import Mapping
from typing import Final

import msgspec

from authfactor.models.messages import MessageRecord, MessageWebhook
from authfactor.rules.events.deliveries import SignedRequest, signature
from authfactor.rules.messages.rendering import RenderedMessage
from authfactor.version import __version__
from authfactor.wire import timestamps

_ENCODER: Final = msgspec.json.Encoder()


class MessageRequest(msgspec.Struct, frozen=True, gc=False):
    """The body: one message, as text and with the values it was made of. `id` stays when it is sent again."""

    id: str
    channel: str
    kind: str
    user_id: str | None
    to: str
    code: str | None
    url: str | None
    subject: str
    message: str
    html: str
    locale: str
    expires_at: str


def signed_request(
    webhook: MessageWebhook,
    message: MessageRecord,
    values: Mapping[str, str],
    rendered: RenderedMessage,
    now: int,
    *,
    kind: str,
) -> SignedRequest:
    """Build and sign the request; `now` in milliseconds, `kind` that of the message, or `test`."""
    body = _ENCODER.encode(
        MessageRequest(
            message.id,
            message.channel,
            kind,
            message.user_id,
            message.recipient,
            values.get("code"),
            values.get("url"),
            rendered.subject,
            rendered.text,
            rendered.html,
            rendered.locale,
            timestamps.format_ms(message.expires_at),
        )
    )
    headers = {
        "content-type": "application/json",
        "user-agent": f"authfactor/{__version__}",
        "workos-signature": signature(webhook.secret, now, body),
    }
    return SignedRequest(webhook.url, headers, body)
