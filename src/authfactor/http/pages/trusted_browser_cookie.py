"""The cookie of a browser that is trusted on the pages of challenge links, one for each user."""

from authfactor import errors
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_request import PageRequest
from authfactor.models import LinkRecord, NextDeviceToken
from authfactor.rules.links.page_sessions import PageSession
from authfactor.rules.links.trusted_browsers import days_offered

FIELD = "remember_device"


async def accept(request: PageRequest, link: LinkRecord, secret: str) -> tuple[bool, list[Cookie]]:
    """Complete an opened link by the browser's cookie; return whether it did, and the next cookie.

    A cookie that is not accepted is deleted.
    """
    token = request.cookie(cookie_name(link.user_id)) if link.remember_device else None
    if token is None:
        return False, []
    following = await request.af.run(request.af.trusted_browsers.accept(link.id, secret, token))
    if following is None:
        return False, [Cookie(cookie_name(link.user_id), "", 0)]
    return True, [next_cookie(request, link.user_id, following)]


async def trust(request: PageRequest, page_session: PageSession, secret: str) -> list[Cookie]:
    """Trust this browser if its user, who has just entered a right code, has ticked the box."""
    link = page_session.link
    if not request.form().get(FIELD) or days_offered(page_session) is None:
        return []
    agent = request.http_request.headers.get(b"user-agent", b"").decode("latin-1") or None
    address = request.http_request.origin.address
    try:
        made = await request.af.run(request.af.trusted_browsers.trust(link.id, secret, address, agent))
    except errors.Conflict:
        return []  # the form was sent twice
    if made is None:
        return []
    return [next_cookie(request, link.user_id, NextDeviceToken(made.token, made.device.expires_at))]


def next_cookie(request: PageRequest, user_id: str, token: NextDeviceToken) -> Cookie:
    """Return the cookie of a user's trusted browser with its next token."""
    seconds = max(1, (token.expires_at - request.af.clock()) // 1000)
    return Cookie(cookie_name(user_id), token.token, seconds)


def cookie_name(user_id: str) -> str:
    """Return the name of the cookie of a user's trusted browser."""
    return f"device-{user_id}"
