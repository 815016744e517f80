"""A passkey instead of an app, on the page of an enrollment link (decision 0048).

A user who has an active factor proves it in this page session first, so that a link alone registers no
passkey beside it. The passkey takes the place of the app that was waiting for its first code.
"""

from typing import Any, NamedTuple

from authfactor import errors
from authfactor.models import ChallengeRecord, Clock, FactorDetails, LinkRecord
from authfactor.rules.factors.passkey_settings import relying_party_of_pages
from authfactor.rules.factors.passkeys import PasskeyRegistration, Passkeys
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired
from authfactor.rules.links.factor_pages import is_confirmed
from authfactor.rules.links.links import hash_of
from authfactor.rules.links.page_proofs import PageProofs
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession, PageSessions, load_open
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.settings import Settings


class PasskeyStep(NamedTuple):
    """What the page shows next: a registration, or what the user has to prove before there is one.

    `factors` are the active ones, `passkey_options` with what a passkey proves; neither, where nothing is
    left to do or browsers use no passkeys on our pages.
    """

    page_session: PageSession
    registration: PasskeyRegistration | None = None
    factors: tuple[FactorDetails, ...] = ()
    passkey_options: dict[str, Any] | None = None

    @property
    def asks_for_proof(self) -> bool:
        """Whether an active factor has to be proven first."""
        return bool(self.factors)


class PasskeyEnrollment:
    """Registers a passkey in the page session of an enrollment link."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        passkeys: Passkeys,
        proofs: PageProofs,
        page_sessions: PageSessions,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._passkeys = passkeys
        self._proofs = proofs
        self._page_sessions = page_sessions

    @installation_unit
    async def begin(self, scope: InstallationScope, link_id: str, secret: str) -> PasskeyStep:
        """Open a registration, or a challenge for a proof.

        Raises `LinkUnknown` and `LinkExpired`, as every unit here does, and `InvalidRequest` at the limit of
        factors.
        """
        page_session, inside = await self._locked(scope, link_id, secret)
        usable = relying_party_of_pages(page_session.environment, self._settings) is not None
        if page_session.is_done or not usable:
            return PasskeyStep(page_session)
        active = await _active(inside, page_session)
        if active and not is_confirmed(page_session.link, inside.now):
            challenge = await self._challenge(inside, page_session.link, active[0].id)
            made = await self._proofs.passkey_options(inside, challenge, page_session.user.id)
            return PasskeyStep(page_session, None, tuple(active), made)
        environment, user_id = page_session.environment, page_session.user.id
        # It takes the place of the app.
        begin = self._passkeys.begin(environment, user_id, replaced=page_session.link.factor_id)
        begun = await begin(inside.tx)
        return PasskeyStep(page_session, begun)

    @installation_unit
    async def confirm(
        self, scope: InstallationScope, link_id: str, secret: str, factor_id: str, text: str
    ) -> CodeOutcome:
        """Check the proof of an active factor. A wrong one is a result, counted like any other.

        `factor_id`: whose code it is; "" means the factor used last. None in the result: nothing has to be
        proven. Raises `NotFound` for another factor, and `TooManyAttempts`.
        """
        page_session, inside = await self._locked(scope, link_id, secret)
        active = await _active(inside, page_session)
        if page_session.is_done or not active or is_confirmed(page_session.link, inside.now):
            return CodeOutcome(page_session, None)
        chosen = next((each for each in active if factor_id in {"", each.id}), None)
        if chosen is None:
            raise errors.NotFound("Authentication Factor", factor_id)
        challenge = await self._challenge(inside, page_session.link, chosen.id)
        verification, unknown = await self._proofs.check(inside, challenge.id, text)
        if verification.valid:
            await inside.tx.links.confirm(inside.number, link_id, hash_of(secret), inside.now)
        return CodeOutcome(page_session._replace(unknown_passkey=unknown), verification)

    @installation_unit
    async def finish(
        self,
        scope: InstallationScope,
        link_id: str,
        secret: str,
        registration_id: str,
        name: str,
        credential: bytes,
    ) -> PageSession:
        """Store the passkey and complete the link.

        Raises `ConfirmationRequired`, and what finishing a registration raises.
        """
        page_session, inside = await self._locked(scope, link_id, secret)
        link, user_id = page_session.link, page_session.user.id
        if page_session.is_done:
            return await self._page_sessions.view(link_id, secret)(inside.tx)
        # Not only at the start: a factor may have become active since.
        if not is_confirmed(link, inside.now) and await _active(inside, page_session):
            raise ConfirmationRequired
        await inside.tx.factors.delete_pending(inside.number, link.factor_id or "")
        finish = self._passkeys.finish(page_session.environment, user_id, registration_id, credential, name)
        made = await finish(inside.tx)
        await inside.tx.links.attach(inside.number, link_id, made.factor.id, None)
        await self._page_sessions.complete(inside, link, "webauthn")
        return await self._page_sessions.view(link_id, secret)(inside.tx)

    async def _locked(self, scope: InstallationScope, link_id: str, secret: str) -> tuple[PageSession, Scope]:
        """Lock the user against other changes of factors, then load the page session as it is now."""
        found = await load_open(scope, link_id, secret, "enrollment")
        await scope.tx.users.lock(found.link.environment, found.user.id)
        page_session = await load_open(scope, link_id, secret, "enrollment")
        factor = await scope.tx.factors.by_id(found.link.environment, page_session.link.factor_id or "")
        if factor is None:
            raise errors.LinkUnknown
        return page_session._replace(factor=factor), scope.within(page_session.environment)

    async def _challenge(self, scope: Scope, link: LinkRecord, factor_id: str) -> ChallengeRecord:
        """Return the link's challenge of this factor, or a new one when it can take no further proof."""
        challenge = await scope.tx.challenges.by_id(scope.number, link.challenge_id or "")
        if (
            challenge is None
            or challenge.factor_id != factor_id
            or challenge.verified_at is not None
            or challenge.expires_at <= scope.now
            or challenge.attempts >= self._settings.attempts_per_challenge
        ):
            challenge = await self._proofs.challenges.open(scope, factor_id)
            await scope.tx.links.attach(scope.number, link.id, link.factor_id, challenge.id)
        return challenge


async def _active(scope: Scope, page_session: PageSession) -> list[FactorDetails]:
    """Return the user's active factors: apps first, then the one used last."""
    found = await scope.tx.factors.details_of_user(scope.number, page_session.user.id)
    active = [each for each in found if each.activated_at is not None]
    return sorted(active, key=lambda each: (each.is_totp, each.last_used_at or 0), reverse=True)
