"""Passkeys on the page on which users manage their factors: listed, added, and used to confirm a change.

A passkey is a factor there like any other (decision 0046): adding one beside an active factor needs a
confirmation, and any of the user's passkeys confirms what follows.
"""

from typing import Any, NamedTuple

from authfactor.models import Clock
from authfactor.models.passkeys import PasskeyRecord
from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
from authfactor.rules.factors.passkey_settings import relying_party_of_pages
from authfactor.rules.factors.passkeys import PasskeyRegistration, Passkeys
from authfactor.rules.links.factor_pages import FactorPages, is_confirmed, load
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.webauthn.relying_party import RelyingParty


class PagePasskeys(NamedTuple):
    """A user's passkeys by factor id, and their handle if there is one.

    `site` is None where browsers refuse passkeys.
    """

    passkeys: dict[str, PasskeyRecord]
    handle: bytes | None
    site: RelyingParty | None


class FactorPagePasskeys:
    """Changes of passkeys, for the browser that has opened a link."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        pages: FactorPages,
        passkeys: Passkeys,
        challenges: PasskeyChallenges,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._pages = pages
        self._passkeys = passkeys
        self._challenges = challenges

    @installation_unit
    async def view(self, scope: InstallationScope, link_id: str, secret: str) -> PagePasskeys:
        """Return what the page shows. Raises `LinkUnknown` and `LinkExpired`, as every unit here does."""
        page_session, inside = await load(scope, link_id, secret)
        number, user_id = inside.number, page_session.user.id
        found = await inside.tx.passkeys.of_user(number, user_id)
        handle = await inside.tx.passkeys.handle_of(number, user_id)
        return PagePasskeys({each.factor_id: each for each in found}, handle, self._site(page_session))

    @installation_unit
    async def ask(self, scope: InstallationScope, link_id: str, secret: str) -> dict[str, Any] | None:
        """Return the options for a passkey that confirms what follows; None if none can.

        Opens the link's challenge, unless it is open already.
        """
        page_session, inside = await self._pages.locked(scope, link_id, secret)
        if is_confirmed(page_session.link, inside.now) or self._site(page_session) is None:
            return None
        user_id = page_session.user.id
        found = await inside.tx.passkeys.of_user(inside.number, user_id)
        if not found:
            return None
        challenge = await self._pages.challenge(inside, page_session.link, found[0].factor_id)
        return await self._challenges.options_on_page(inside, challenge, user_id)

    @installation_unit
    async def confirm(
        self, scope: InstallationScope, link_id: str, secret: str, assertion: str
    ) -> CodeOutcome:
        """Check an assertion for what follows in this page session. A wrong one is a result.

        The result is None when nothing has to be confirmed. Raises `NotFound` without a challenge of a
        passkey, and what verifying raises.
        """
        page_session, inside = await self._pages.locked(scope, link_id, secret)
        if is_confirmed(page_session.link, inside.now):
            return CodeOutcome(page_session, None)
        challenge_id = page_session.link.challenge_id or ""
        verify = self._challenges.verify
        verification = await verify(inside, challenge_id, assertion, emit=True, on_page=True)
        if verification.valid:
            await self._pages.set_confirmed(inside, link_id, secret)
        return CodeOutcome(page_session, verification)

    @installation_unit
    async def start_adding(
        self, scope: InstallationScope, link_id: str, secret: str
    ) -> tuple[PageSession, PasskeyRegistration]:
        """Open a registration. Raises `ConfirmationRequired`, and `InvalidRequest`, at the limit too."""
        page_session, inside = await self._pages.locked(scope, link_id, secret)
        await self._pages.require_confirmed(inside, page_session)
        begin = self._passkeys.begin(page_session.environment, page_session.user.id)
        return page_session, await begin(inside.tx)

    @installation_unit
    async def finish_adding(
        self, scope: InstallationScope, link_id: str, secret: str, registration_id: str, credential: str
    ) -> PageSession:
        """Store the passkey of a browser's response, which also confirms what follows.

        Raises `ConfirmationRequired`, and what finishing a registration raises.
        """
        page_session, inside = await self._pages.locked(scope, link_id, secret)
        # Not only at the start: another factor may have become active since.
        await self._pages.require_confirmed(inside, page_session)
        given = registration_id, credential.encode("utf-8", "surrogatepass")
        finish = self._passkeys.finish(page_session.environment, page_session.user.id, *given)
        await finish(inside.tx)
        await self._pages.set_confirmed(inside, link_id, secret)
        return page_session

    def _site(self, page_session: PageSession) -> RelyingParty | None:
        return relying_party_of_pages(page_session.environment, self._settings)
