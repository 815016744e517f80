"""Responses as they are stored under an idempotency key.

An enrollment is stored as its records and rendered again: its QR code, three quarters of the response,
follows from its URI.
"""

import re
from typing import Final

import msgspec

from authfactor.http.response import Response
from authfactor.models import ChallengeRecord, Enrollment, FactorRecord, Record
from authfactor.otp import key_uri, qr

_FACTOR_FIELDS: Final = 9
_CHALLENGE_FIELDS: Final = 6


class StoredEnrollment(Record, frozen=True, gc=False, array_like=True):
    """An enrollment's records by position: `FactorRecord` without its sealed secret, `ChallengeRecord`.

    Only the fields that a new factor and its challenge can have set.
    """

    factor: tuple[str, str | None, str, str, str, int | None, int, int, int]
    challenge: tuple[str, str, int, int, int, int | None] | None
    secret: str


class StoredResponse(Record, frozen=True, gc=False, array_like=True, tag="response-1"):
    """A response, or the enrollment from which to render it."""

    response: Response | None
    enrollment: StoredEnrollment | None = None


def encode(outcome: Response | Enrollment) -> bytes:
    """Write a response, or an enrollment whose response will be rendered again."""
    if isinstance(outcome, Response):
        return msgspec.msgpack.encode(StoredResponse(msgspec.structs.replace(outcome, verdict=None)))
    factor = msgspec.structs.astuple(msgspec.structs.replace(outcome.factor, secret=""))[:_FACTOR_FIELDS]
    challenge = None
    if outcome.challenge is not None:
        challenge = msgspec.structs.astuple(outcome.challenge)[:_CHALLENGE_FIELDS]
    return msgspec.msgpack.encode(StoredResponse(None, StoredEnrollment(factor, challenge, outcome.secret)))


def decode(stored: bytes) -> Response | Enrollment | None:
    """Read what `encode` wrote, in this release or the previous one."""
    try:
        found = msgspec.msgpack.decode(stored, type=StoredResponse)
    except msgspec.ValidationError:
        return msgspec.msgpack.decode(stored, type=PreviousResponse).restore()
    if found.enrollment is None:
        return found.response
    factor = FactorRecord(*found.enrollment.factor)
    challenge = None if found.enrollment.challenge is None else ChallengeRecord(*found.enrollment.challenge)
    uri = key_uri.uri(issuer=factor.issuer, account=factor.account, secret=found.enrollment.secret)
    return Enrollment(factor, challenge, found.enrollment.secret, uri, qr.Drawing(uri))


# The previous release stored JSON with these parts left out. Remove this with the release after next.
_WITHOUT_QR_CODE: Final = re.compile(rb'"qr_code":"","uri":"([^"\\]*)"')
_SECOND_HALF: Final = b',"authentication_challenge":'


class PreviousResponse(Record, frozen=True, gc=False):
    """A response as the previous release stored it.

    `pictured`: its QR codes are left out. `halved`: it is an enrollment's, without `factor` and `challenge`,
    which repeat its other two members.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    pictured: bool = True
    halved: bool = False

    def restore(self) -> Response:
        """Return the whole response."""
        body = self.body
        if self.pictured and (found := _WITHOUT_QR_CODE.search(body)):
            code = qr.png_data_uri(found[1].decode()).encode()
            body = body.replace(found[0], b'"qr_code":"%s","uri":"%s"' % (code, found[1]))
        if self.halved:
            factor, _, challenge = body.removeprefix(b'{"authentication_factor":').partition(_SECOND_HALF)
            body += b',"factor":%s,"challenge":%s}' % (factor, challenge)
        return Response(self.status, body, self.headers)
