"""`verify_event` accepts only what the server signed."""

import pytest

from authfactor.client import SignatureInvalidError, verify_event
from authfactor.rules.events.deliveries import signature

BODY = (
    b'{"object":"event","id":"event_1","event":"user.created","data":{"id":"user_1"},'
    b'"created_at":"2026-02-03T04:05:06.789Z"}'
)
SECRET = "whsec_one"
NOW = 1_770_000_000
HEADER = signature(SECRET, NOW * 1000, BODY)


@pytest.mark.parametrize("body", [BODY, BODY.decode()])
@pytest.mark.parametrize("age", [-179, 0, 179])
def test_valid_signature_within_tolerance_returns_the_event(body: bytes | str, age: int) -> None:
    event = verify_event(event_body=body, event_signature=HEADER, secret=SECRET, now=NOW + age)

    assert (event.event, event.data) == ("user.created", {"id": "user_1"})


@pytest.mark.parametrize(
    ("body", "header", "secret", "now", "message"),
    [
        (BODY + b" ", HEADER, SECRET, NOW, "does not match"),
        (BODY, HEADER, "whsec_two", NOW, "does not match"),
        (BODY, HEADER.replace("t=1", "t=2"), SECRET, NOW, "does not match"),
        (BODY, HEADER, SECRET, NOW + 181, "more than 180 s"),
        (BODY, HEADER, SECRET, NOW - 181, "more than 180 s"),
        (BODY, "", SECRET, NOW, "not of the form `t=…, v1=…`"),
        (BODY, "t=, v1=", SECRET, NOW, "not of the form `t=…, v1=…`"),
        (BODY, "t=١٢, v1=ab", SECRET, NOW, "not of the form `t=…, v1=…`"),
        (BODY, f"t={NOW}000, v1=é", SECRET, NOW, "does not match"),
        (b"[]", signature(SECRET, NOW * 1000, b"[]"), SECRET, NOW, "not an event"),
    ],
)
def test_altered_expired_or_malformed_webhooks_are_refused(
    body: bytes, header: str, secret: str, now: float, message: str
) -> None:
    with pytest.raises(SignatureInvalidError, match=message):
        verify_event(event_body=body, event_signature=header, secret=secret, now=now)
