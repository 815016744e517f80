"""The page on which users manage their own factors (decision 0046).

Its page session is that of a link. What changes security needs a code of an active factor that was right in
this page session within the last ten minutes; a user without an active factor has nothing to enter.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from authfactor import errors
from authfactor.models import (
    ChallengeRecord,
    Clock,
    FactorDetails,
    FactorRecord,
    LinkRecord,
    NewRecoveryCodes,
    PastSignIn,
    RecoveryCodeCount,
    TrustedDeviceRecord,
)
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.sessions import Sessions
from authfactor.rules.authentication.trusted_device_tokens import is_allowed
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factors import Factors
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired, LastFactor, RecoveryCodesMade
from authfactor.rules.links.links import hash_of
from authfactor.rules.links.page_sessions import CodeOutcome, PageSession, load_open
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.settings import Settings
from authfactor.wire import links as wire
from authfactor.wire.requests import EnrollUserFactor, RenameFactor

if TYPE_CHECKING:
    from authfactor.rules.authentication.trusted_devices import TrustedDevices
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets

F = TypeVar("F", bound=FactorRecord)
CONFIRMATION_LIFE: Final = 10 * 60_000
HISTORY_LENGTH: Final = 10


class FactorsPage(NamedTuple):
    """What the page shows. `other_sessions`: how many active ones there are besides this browser's.

    `devices` are those that are trusted now; None where the environment trusts none.
    """

    page_session: PageSession
    factors: list[FactorDetails]
    recovery_codes: RecoveryCodeCount
    devices: list[TrustedDeviceRecord] | None
    sign_ins: list[PastSignIn]
    other_sessions: int
    is_confirmed: bool
    is_full: bool

    @property
    def active(self) -> list[FactorDetails]:
        """The factors that can confirm something, the one used last first."""
        return _active_by_use(self.factors)


class FactorPages:
    """Shows a user's factors and changes them, for the browser that has opened a link."""

    def __init__(
        self,
        clock: Clock,
        log: EventLog,
        settings: Settings,
        factors: Factors,
        challenges: Challenges,
        sessions: Sessions,
        recovery_codes: "Callable[[], RecoveryCodeSets]",
        trusted_devices: "Callable[[], TrustedDevices]",
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._settings = settings
        self._factors = factors
        self._challenges = challenges
        self._sessions = sessions
        self._recovery_codes = recovery_codes
        self._trusted_devices = trusted_devices

    @installation_unit
    async def view(self, scope: InstallationScope, link_id: str, secret: str) -> FactorsPage:
        """Return what the page shows. Raises `LinkUnknown` and `LinkExpired`, as every unit here does."""
        page_session, inside = await load(scope, link_id, secret)
        tx, number, user_id = inside.tx, inside.number, page_session.user.id
        since = session_state.idle_since(self._settings, inside.now)
        current = page_session.link.session_id or ""
        factors = await tx.factors.details_of_user(number, user_id)
        return FactorsPage(
            page_session,
            factors,
            await tx.recovery_codes.count(number, user_id),
            await self._devices(inside, user_id) if is_allowed(inside.environment) else None,
            await tx.sign_in_history.newest(number, user_id, inside.now, since, HISTORY_LENGTH),
            await tx.sign_in_history.count_others(number, user_id, inside.now, since, current),
            is_confirmed=is_confirmed(page_session.link, inside.now) or not _active(factors),
            is_full=len(factors) >= self._settings.max_factors_per_user,
        )

    @installation_unit
    async def confirm(
        self, scope: InstallationScope, link_id: str, secret: str, factor_id: str, code: str
    ) -> CodeOutcome:
        """Check a code of an active factor, or a recovery code, for what follows in this page session.

        `factor_id` "" means the factor used last. A wrong code is a result and is counted like any other; the
        result is None when nothing has to be confirmed. Raises `NotFound`, and `TooManyAttempts`.
        """
        page_session, inside = await load(scope, link_id, secret)
        found = await inside.tx.factors.details_of_user(inside.number, page_session.user.id)
        active = _active_by_use(found)
        if not active or is_confirmed(page_session.link, inside.now):
            return CodeOutcome(page_session, None)
        chosen = [factor for factor in active if factor_id in {"", factor.id}]
        if not chosen:
            raise _unknown(factor_id)
        challenge = await self.challenge(inside, page_session.link, chosen[0].id)
        verification = await self._challenges.check(inside, challenge.id, code)
        if verification.valid:
            await self.set_confirmed(inside, link_id, secret)
        return CodeOutcome(page_session, verification)

    @installation_unit
    async def rename(
        self, scope: InstallationScope, link_id: str, secret: str, factor_id: str, name: str
    ) -> FactorDetails:
        """Name a factor; an empty name removes it. Raises `NotFound` and `InvalidRequest`."""
        page_session, inside = await load(scope, link_id, secret)
        await self._own(inside, page_session, factor_id)
        request = RenameFactor(name=name.strip() or None)
        return await self._factors.rename(page_session.environment, factor_id, request)(inside.tx)

    @installation_unit
    async def start_adding(self, scope: InstallationScope, link_id: str, secret: str) -> PageSession:
        """Enroll another factor, which waits for its first code; one that waits already is kept.

        Raises `ConfirmationRequired`, and what enrolling raises.
        """
        page_session, inside = await self.locked(scope, link_id, secret)
        await self.require_confirmed(inside, page_session)
        pending = await _pending(inside, page_session.link)
        if pending is None:
            request = EnrollUserFactor(type="totp")
            enroll = self._factors.enroll(page_session.environment, page_session.user.id, request)
            made = await enroll(inside.tx)
            pending, challenge = made.factor, made.challenge
            await inside.tx.links.attach(
                inside.number, link_id, pending.id, None if challenge is None else challenge.id
            )
        return page_session._replace(factor=pending)

    @installation_unit
    async def view_adding(self, scope: InstallationScope, link_id: str, secret: str) -> PageSession:
        """Return the page session with the factor that waits for its first code; None in it if none does.

        Raises `ConfirmationRequired`: the secret of this factor is about to be shown.
        """
        page_session, inside = await load(scope, link_id, secret)
        await self.require_confirmed(inside, page_session)
        return page_session._replace(factor=await _pending(inside, page_session.link))

    @installation_unit
    async def finish_adding(
        self, scope: InstallationScope, link_id: str, secret: str, code: str
    ) -> CodeOutcome:
        """Check the first code of the factor that is being added; None in the result if none is.

        The code also confirms what follows. Raises `ConfirmationRequired` and `TooManyAttempts`.
        """
        page_session, inside = await self.locked(scope, link_id, secret)
        pending = await _pending(inside, page_session.link)
        if pending is None:
            return CodeOutcome(page_session, None)
        # Not only at the start: another factor may have become active since.
        await self.require_confirmed(inside, page_session)
        page_session = page_session._replace(factor=pending)
        challenge = await self.challenge(inside, page_session.link, pending.id)
        verification = await self._challenges.check(inside, challenge.id, code)
        if verification.valid:
            await inside.tx.links.attach(inside.number, link_id, None, None)
            await self.set_confirmed(inside, link_id, secret)
        return CodeOutcome(page_session, verification)

    @installation_unit
    async def remove(
        self, scope: InstallationScope, link_id: str, secret: str, factor_id: str, *, knows_last: bool
    ) -> bool:
        """Delete a factor by the ordinary rule; return whether it was the last active one.

        `knows_last`: the user was told what the end of the last active factor means. Raises `NotFound`,
        `ConfirmationRequired`, and `LastFactor`.
        """
        page_session, inside = await self.locked(scope, link_id, secret)
        factor = await self._own(inside, page_session, factor_id)
        await self.require_confirmed(inside, page_session)
        is_last = await self._is_last(inside, factor)
        if is_last and not knows_last:
            raise LastFactor
        await self._factors.delete(page_session.environment, factor_id)(inside.tx)
        return is_last

    @installation_unit
    async def make_recovery_codes(
        self, scope: InstallationScope, link_id: str, secret: str, replaces: int
    ) -> tuple[PageSession, NewRecoveryCodes]:
        """Make a set that replaces the one of `created_at` `replaces`; 0: the user has none.

        So that one click makes one set. Raises `ConfirmationRequired`, `RecoveryCodesMade`, and `Conflict`
        without an active factor.
        """
        page_session, inside = await self.locked(scope, link_id, secret)
        user_id = page_session.user.id
        await self.require_confirmed(inside, page_session)
        if not _active(await inside.tx.factors.of_user(inside.number, user_id)):
            raise errors.Conflict("no_active_factor", "Add an authenticator app first.")
        known = await inside.tx.recovery_codes.count(inside.number, user_id)
        if (known.created_at or 0) != replaces:
            raise RecoveryCodesMade
        return page_session, await self._recovery_codes().replace(inside, user_id)

    @installation_unit
    async def forget_device(
        self, scope: InstallationScope, link_id: str, secret: str, device_id: str
    ) -> None:
        """End a trusted device by the ordinary rule. Raises `NotFound` and `ConfirmationRequired`."""
        page_session, inside = await self.locked(scope, link_id, secret)
        await self.require_confirmed(inside, page_session)
        revoke = self._trusted_devices().revoke
        await revoke(page_session.environment, page_session.user.id, device_id)(inside.tx)

    @installation_unit
    async def end_other_sessions(self, scope: InstallationScope, link_id: str, secret: str) -> None:
        """End all sessions of the user but the link's, and all trusted devices.

        Raises `ConfirmationRequired`.
        """
        page_session, inside = await self.locked(scope, link_id, secret)
        await self.require_confirmed(inside, page_session)
        keep = page_session.link.session_id or ""
        await self._sessions.end_of_user(inside, page_session.user.id, keep=keep)

    @installation_unit
    async def leave(self, scope: InstallationScope, link_id: str, secret: str) -> PageSession:
        """End the page session, and delete a factor that still waits for its first code."""
        page_session, inside = await self.locked(scope, link_id, secret)
        pending = await _pending(inside, page_session.link)
        if pending is not None:
            await inside.tx.factors.delete_pending(inside.number, pending.id)
        if await inside.tx.links.leave(inside.number, link_id, inside.now):
            link = page_session.link
            data = wire.link_event_data(link)
            await self._log.append(inside, event_log.LINK_COMPLETED, link.user_id, data)
        return page_session

    async def _devices(self, scope: Scope, user_id: str) -> list[TrustedDeviceRecord]:
        found = await self._trusted_devices().list_of_user(scope.environment, user_id)(scope.tx)
        return [each.device for each in found if each.status == "active"]

    async def locked(self, scope: InstallationScope, link_id: str, secret: str) -> tuple[PageSession, Scope]:
        """Lock the user against other changes of factors, then load the page session as it is now."""
        page_session, inside = await load(scope, link_id, secret)
        await inside.tx.users.lock(inside.number, page_session.user.id)
        return await load(scope, link_id, secret)

    async def challenge(self, scope: Scope, link: LinkRecord, factor_id: str) -> ChallengeRecord:
        """Return the link's challenge of this factor, or a new one when it can take no further code.

        Wrong codes are counted for the user, whatever the challenge.
        """
        challenge = await scope.tx.challenges.by_id(scope.number, link.challenge_id or "")
        if (
            challenge is None
            or challenge.factor_id != factor_id
            or challenge.verified_at is not None
            or challenge.expires_at <= scope.now
            or challenge.attempts >= self._settings.attempts_per_challenge
        ):
            challenge = await self._challenges.open(scope, factor_id)
            await scope.tx.links.attach(scope.number, link.id, link.factor_id, challenge.id)
        return challenge

    async def set_confirmed(self, scope: Scope, link_id: str, secret: str) -> None:
        """Note that a second factor was right in this page session. Raises `LinkUnknown`."""
        if not await scope.tx.links.confirm(scope.number, link_id, hash_of(secret), scope.now):
            # Rolls back: the code stays unspent.
            raise errors.LinkUnknown

    async def require_confirmed(self, scope: Scope, page_session: PageSession) -> None:
        """Raise `ConfirmationRequired` unless one was right moments ago, or the user has none."""
        if is_confirmed(page_session.link, scope.now):
            return
        if _active(await scope.tx.factors.of_user(scope.number, page_session.user.id)):
            raise ConfirmationRequired

    async def _own(self, scope: Scope, page_session: PageSession, factor_id: str) -> FactorDetails:
        """Return a factor of the page's user; others are not found, wherever they are."""
        factor = await scope.tx.factors.details(scope.number, factor_id)
        if factor is None or factor.user_id != page_session.user.id:
            raise _unknown(factor_id)
        return factor

    async def _is_last(self, scope: Scope, factor: FactorDetails) -> bool:
        found = _active(await scope.tx.factors.of_user(scope.number, factor.user_id or ""))
        return [each.id for each in found] == [factor.id]


def is_confirmed(link: LinkRecord, now: int) -> bool:
    """Return whether a code was right moments ago; a clock that was set back must not stretch that."""
    return link.confirmed_at is not None and 0 <= now - link.confirmed_at < CONFIRMATION_LIFE


def _active_by_use(factors: list[FactorDetails]) -> list[FactorDetails]:
    return sorted(_active(factors), key=_preference, reverse=True)


def _preference(factor: FactorDetails) -> tuple[bool, int]:
    # Apps before passkeys, as the page asks for codes: the challenge of a passkey takes recovery codes alone.
    return factor.is_totp, factor.last_used_at or 0


def _unknown(factor_id: str) -> errors.NotFound:
    return errors.NotFound("Authentication Factor", factor_id)


def _active(factors: list[F]) -> list[F]:
    return [factor for factor in factors if factor.activated_at is not None]


async def _pending(scope: Scope, link: LinkRecord) -> FactorRecord | None:
    """Return the factor that is being added, unless it is active or gone."""
    factor = None if link.factor_id is None else await scope.tx.factors.by_id(scope.number, link.factor_id)
    return None if factor is None or factor.activated_at is not None else factor


async def load(scope: InstallationScope, link_id: str, secret: str) -> tuple[PageSession, Scope]:
    """Return a page session, and the scope of its environment. Raises `LinkUnknown` and `LinkExpired`."""
    page_session = await load_open(scope, link_id, secret, "factors")
    return page_session, scope.within(page_session.environment)
