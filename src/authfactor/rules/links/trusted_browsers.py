"""Browsers that are trusted on the page of a challenge link: a cookie replaces the code (decision 0042)."""

from typing import Final

from authfactor import errors
from authfactor.models import Clock, IssuedDeviceToken, LinkRecord, NextDeviceToken
from authfactor.rules.authentication.trusted_device_tokens import TrustedDeviceTokens, is_allowed
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.links.page_sessions import PageSession, load_open
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.wire.events import UsedTrustedDevice
from authfactor.wire.links import link_event_data

MAX_SHOWN: Final = 512
# A recovery code is for a lost phone.
_TRUSTING: Final = frozenset({"totp", "webauthn"})


class TrustedBrowsers:
    """Makes and accepts the trusted devices of the pages."""

    def __init__(self, clock: Clock, log: EventLog, tokens: TrustedDeviceTokens) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._tokens = tokens

    @installation_unit
    async def accept(
        self, scope: InstallationScope, link_id: str, secret: str, token: str
    ) -> NextDeviceToken | None:
        """Complete an opened link by the token of its user's browser; return the next token.

        None leaves the page as it is: the user enters a code. Raises what opening the page raises.
        """
        page_session = await load_open(scope, link_id, secret, "challenge")
        if days_offered(page_session) is None or page_session.is_done:
            return None
        inside, link = scope.within(page_session.environment), page_session.link
        user = await scope.tx.users.lock(inside.number, link.user_id)
        if user is None:
            raise errors.LinkUnknown
        use = await self._tokens.judge(inside, user, token)
        if use.device is None or use.token is None:
            return None
        if not await scope.tx.links.complete(inside.number, link_id, scope.now, "trusted_device"):
            raise errors.LinkUsed
        used = UsedTrustedDevice(use.device.id, user.id, None, link_id)
        await self._log.append(inside, event_log.TRUSTED_DEVICE_USED, user.id, used)
        await self._log.append(inside, event_log.LINK_COMPLETED, user.id, link_event_data(link))
        return use.token

    @installation_unit
    async def trust(
        self,
        scope: InstallationScope,
        link_id: str,
        secret: str,
        ip_address: str | None,
        user_agent: str | None,
    ) -> IssuedDeviceToken | None:
        """Trust the browser whose user has just completed a link by a factor.

        None: not offered, or completed by other means. Raises what opening the page raises.
        """
        page_session = await load_open(scope, link_id, secret, "challenge")
        link = page_session.link
        if days_offered(page_session) is None or link.completed_at is None or link.method not in _TRUSTING:
            return None
        inside = scope.within(page_session.environment)
        user = await scope.tx.users.lock(inside.number, link.user_id)
        if user is None:
            raise errors.LinkUnknown
        shown = None if user_agent is None else user_agent[:MAX_SHOWN]
        return await self._tokens.make(
            inside, user, link_id, name=None, ip_address=ip_address, user_agent=shown
        )


def days_offered(page_session: PageSession) -> int | None:
    """Return for how many days the page may offer to trust the browser, or None.

    Never on the page that raises a session: a trusted device is no second factor.
    """
    link: LinkRecord = page_session.link
    offered = link.purpose == "challenge" and link.remember_device and link.session_id is None
    if not offered or not is_allowed(page_session.environment):
        return None
    return options_of(page_session.environment).trusted_device_days
