"""What a page shows of a new factor's secret: a QR code, the key in groups, and a link to an app."""

from typing import Final

from authfactor.http.pages.page_request import PageRequest
from authfactor.otp import qr
from authfactor.rules.links.page_sessions import PageSession, SetupSecret

KEY_GROUP_LENGTH: Final = 4


def names(request: PageRequest, page_session: PageSession) -> dict[str, object]:
    """Return the names that `link/enroll.html` uses. Raises `LinkUsed` once the factor is confirmed."""
    return names_of(request.af.page_sessions.secret_of(page_session))


def names_of(secret: SetupSecret) -> dict[str, object]:
    """Return the names that `link/enroll.html` uses."""
    starts = range(0, len(secret.text), KEY_GROUP_LENGTH)
    return {
        "qr_code": qr.svg(qr.encode(secret.uri)),
        "uri": secret.uri,
        "groups": [secret.text[start : start + KEY_GROUP_LENGTH] for start in starts],
    }
