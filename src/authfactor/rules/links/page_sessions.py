"""Page sessions: a link is opened once, and its page session has access until it expires (decision 0017).

Reading a link changes nothing, because programs that preview messages fetch it too. Opening it is one
conditional write that binds it to a new page session; later requests to open it are refused.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.models import (
    BrandingRecord,
    ChallengeRecord,
    Clock,
    Enrollment,
    Entropy,
    Environment,
    FactorRecord,
    LinkPurpose,
    LinkRecord,
    NewRecoveryCodes,
    ProofMethod,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, key_uri
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.factors import Factors
from authfactor.rules.links.links import hash_of
from authfactor.rules.links.page_proofs import PageProofs, UnknownPasskey, method_of
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.wire import links as wire
from authfactor.wire.requests import EnrollUserFactor

if TYPE_CHECKING:
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets


# People read there and fetch a second phone, for longer than a code takes; in milliseconds.
FACTORS_PAGE_LIFE: Final = 30 * 60_000


class PageSession(NamedTuple):
    """A link with everything that its page shows; `factor` is the one that it enrolls or asks about.

    `offers_codes`: the page offers recovery codes, to a user who has just enrolled and has none.
    `passkey_options`: with which the page of a challenge also asks for a passkey, as JSON. `unknown_passkey`:
    one that was tried, which the browser may delete.
    """

    link: LinkRecord
    environment: Environment
    branding: BrandingRecord | None
    user: UserRecord
    factor: FactorRecord | None = None
    offers_codes: bool = False
    passkey_options: dict[str, Any] | None = None
    unknown_passkey: UnknownPasskey | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do; an enrollment is also done when its code was verified elsewhere."""
        if self.link.completed_at is not None:
            return True
        enrolled = self.factor is not None and self.factor.activated_at is not None
        return self.link.purpose == "enrollment" and enrolled


class SetupSecret(NamedTuple):
    """What a person needs to add a factor to an app: base32 text and otpauth URI."""

    text: str
    uri: str


class CodeOutcome(NamedTuple):
    """The result of a proof; `verification` None: the page was done already."""

    page_session: PageSession
    verification: Verification | None


class PageSessions:
    """Opens links and serves their page sessions."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        factors: Factors,
        recovery_codes: "Callable[[], RecoveryCodeSets]",
        proofs: PageProofs,
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._log = log
        self._settings = settings
        self._factors = factors
        self._challenges = proofs.challenges
        self._recovery_codes = recovery_codes
        self._proofs = proofs

    @installation_unit
    async def find(self, scope: InstallationScope, token: str) -> PageSession:
        """Return a link without opening it. Raises `LinkUnknown`."""
        return await _load(scope, await scope.tx.links.by_token(hash_of(token)))

    async def prepare_open(self, store: Store, token: str) -> Unit[tuple[LinkRecord, str]]:
        """Prepare to open a link; the unit returns it with the secret of its new page session.

        Raises `LinkUnknown`, `LinkExpired`, `LinkUsed`, and what enrolling raises; so does the unit.
        """
        found = await store.read(self.find(token))
        link, environment = found.link, found.environment
        check_unopened(link, self._clock())
        enroll = None
        if link.purpose == "enrollment":
            request = EnrollUserFactor(type="totp", totp_issuer=link.issuer, totp_user=link.account)
            enroll = self._factors.enroll(environment, link.user_id, request)
        return self._open(environment, link, enroll)

    @unit
    async def _open(
        self, scope: Scope, link: LinkRecord, enroll: Unit[Enrollment] | None
    ) -> tuple[LinkRecord, str]:
        tx, number, now = scope.tx, scope.number, scope.now
        secret = random_token(self._entropy)
        life = FACTORS_PAGE_LIFE if link.purpose == "factors" else self._settings.link_life * 1000
        if not await tx.links.open(number, link.id, now, hash_of(secret), now + life):
            latest = await tx.links.by_id(number, link.id)
            check_unopened(latest or link, now)
            raise errors.LinkUsed
        if link.purpose != "challenge":
            for factor_id in await tx.links.abandoned(number, link.user_id, now):
                await tx.factors.delete_pending(number, factor_id)
        if enroll is not None:
            enrolled = await enroll(tx)
            challenge = enrolled.challenge
            await tx.links.attach(number, link.id, enrolled.factor.id, challenge.id if challenge else "")
        elif link.purpose == "challenge":
            factor_id = link.factor_id or ""
            if await tx.factors.by_id(number, factor_id) is None:
                raise errors.LinkUnknown
            challenge = await self._challenges.open(scope, factor_id, link.session_id)
            await tx.links.attach(number, link.id, factor_id, challenge.id)
        opened = await tx.links.by_id(number, link.id)
        await self._emit(scope, event_log.LINK_OPENED, opened or link)
        return opened or link, secret

    @installation_unit
    async def view(self, scope: InstallationScope, link_id: str, secret: str) -> PageSession:
        """Return the page session that opened a link.

        Raises `LinkUnknown` for the secret of any other session, and `LinkExpired`.
        """
        page_session = await self._load_open(scope, link_id, secret)
        return await self._with_passkeys(scope, await self._with_offer(scope, page_session))

    def secret_of(self, page_session: PageSession) -> SetupSecret:
        """Unseal the secret of a factor that its page session still has to confirm.

        Raises `LinkUsed` once it is confirmed: from then on the secret is never shown again.
        """
        factor = page_session.factor
        is_shown = page_session.link.purpose != "challenge" and not page_session.is_done
        if factor is None or factor.activated_at is not None or not is_shown:
            raise errors.LinkUsed
        row = secret_row(page_session.environment.number, factor.id)
        text = base32.encode(self._vault.unseal(factor.secret, row))
        return SetupSecret(text, key_uri.uri(issuer=factor.issuer, account=factor.account, secret=text))

    @installation_unit
    async def verify(self, scope: InstallationScope, link_id: str, secret: str, code: str) -> CodeOutcome:
        """Check a code. A wrong one is a result and is counted like any other.

        Raises what `view` raises, `TooManyAttempts`, and `SessionEnded`.
        """
        page_session = await self._load_open(scope, link_id, secret)
        if page_session.is_done or page_session.factor is None:
            return CodeOutcome(await self._with_offer(scope, page_session), None)
        inside = scope.within(page_session.environment)
        challenge = await self._challenge(inside, page_session.link)
        if page_session.link.purpose == "enrollment":
            # Nothing but the app's first code activates it.
            verification, unknown = await self._challenges.check(inside, challenge.id, code), None
        else:
            verification, unknown = await self._proofs.check(inside, challenge.id, code)
        if not verification.valid:
            page_session = await self._with_passkeys(scope, page_session)
            return CodeOutcome(page_session._replace(unknown_passkey=unknown), verification)
        link = await self.complete(inside, page_session.link, method_of(code, verification))
        return CodeOutcome(await self._with_offer(scope, page_session._replace(link=link)), verification)

    async def complete(self, scope: Scope, link: LinkRecord, method: ProofMethod) -> LinkRecord:
        """Complete a link by a kind of proof; return it as it is then."""
        await scope.tx.links.complete(scope.number, link.id, scope.now, method)
        link = await scope.tx.links.by_id(scope.number, link.id) or link
        await self._emit(scope, event_log.LINK_COMPLETED, link)
        return link

    @installation_unit
    async def make_recovery_codes(
        self, scope: InstallationScope, link_id: str, secret: str
    ) -> tuple[PageSession, NewRecoveryCodes]:
        """Make the codes of a user who has just enrolled and has none.

        Raises what `view` raises, and `LinkUsed` if there is a set: a new one is not this page's to make.
        Raises `InvalidRequest` when the last active factor was deleted meanwhile.
        """
        page_session = await self._load_open(scope, link_id, secret)
        inside, user_id = scope.within(page_session.environment), page_session.user.id
        factor = page_session.factor
        active = factor is not None and factor.activated_at is not None
        if page_session.link.purpose != "enrollment" or not active:
            raise errors.LinkUnknown
        codes = self._recovery_codes()
        # Of concurrent requests one finds no set.
        await codes.lock_user(inside, user_id)
        if await _has_codes(scope, page_session):
            raise errors.LinkUsed
        return page_session, await codes.replace(inside, user_id)

    async def _challenge(self, scope: Scope, link: LinkRecord) -> ChallengeRecord:
        """Return the challenge for the next code. Raises `LinkUnknown`, `LinkUsed` and `LinkExpired`.

        An enrollment gets a new challenge when the attempts of the old one are used up, because the page
        shows the secret anyway, and when the old one was for another factor, which had to be proven first.
        The count of the user's wrong codes continues.
        """
        challenge = await scope.tx.challenges.by_id(scope.number, link.challenge_id or "")
        if challenge is None:
            raise errors.LinkUnknown
        is_other = challenge.factor_id != link.factor_id
        if challenge.verified_at is not None and not is_other:
            raise errors.LinkUsed
        used_up = is_other or challenge.attempts >= self._settings.attempts_per_challenge
        if link.purpose == "enrollment" and (used_up or challenge.expires_at <= scope.now):
            challenge = await self._challenges.open(scope, link.factor_id or "")
            await scope.tx.links.attach(scope.number, link.id, challenge.factor_id, challenge.id)
        if challenge.expires_at <= scope.now:
            raise errors.LinkExpired
        return challenge

    async def _load_open(self, scope: InstallationScope, link_id: str, secret: str) -> PageSession:
        page_session = await load_open(scope, link_id, secret, "enrollment", "challenge")
        link = page_session.link
        factor = await scope.tx.factors.by_id(link.environment, link.factor_id or "")
        if factor is None:
            raise errors.LinkUnknown
        return page_session._replace(factor=factor)

    async def _with_offer(self, scope: InstallationScope, page_session: PageSession) -> PageSession:
        """Return the page session with `offers_codes`."""
        offers = page_session.link.purpose == "enrollment" and page_session.is_done
        offers = offers and not await _has_codes(scope, page_session)
        return page_session._replace(offers_codes=offers)

    async def _with_passkeys(self, scope: InstallationScope, page_session: PageSession) -> PageSession:
        """Return the page session of a challenge with `passkey_options`."""
        link = page_session.link
        if link.purpose != "challenge" or page_session.is_done:
            return page_session
        challenge = await scope.tx.challenges.by_id(link.environment, link.challenge_id or "")
        inside = scope.within(page_session.environment)
        made = await self._proofs.passkey_options(inside, challenge, link.user_id)
        return page_session._replace(passkey_options=made)

    async def _emit(self, scope: Scope, name: str, link: LinkRecord) -> None:
        await self._log.append(scope, name, link.user_id, wire.link_event_data(link))


def check_unopened(link: LinkRecord, now: int) -> None:
    """Refuse a link that has been opened or has expired. Raises `LinkUsed` or `LinkExpired`."""
    if link.opened_at is not None:
        raise errors.LinkUsed
    if link.expires_at <= now:
        raise errors.LinkExpired


async def _has_codes(scope: InstallationScope, page_session: PageSession) -> bool:
    count = await scope.tx.recovery_codes.count(page_session.environment.number, page_session.user.id)
    return count.total > 0


async def load_open(
    scope: InstallationScope, link_id: str, secret: str, *purposes: LinkPurpose
) -> PageSession:
    """Return the page session of a link of one of these purposes.

    Raises `LinkUnknown` for another purpose and for the secret of any other session, and `LinkExpired`.
    """
    page_session = await _load(scope, await scope.tx.links.by_session(hash_of(secret), link_id))
    if page_session.link.purpose not in purposes:
        raise errors.LinkUnknown
    if page_session.link.expires_at <= scope.now:
        raise errors.LinkExpired
    return page_session


async def _load(scope: InstallationScope, link: LinkRecord | None) -> PageSession:
    """Return a link with what its pages show. Raises `LinkUnknown`, also when its user was deleted."""
    if link is None:
        raise errors.LinkUnknown
    environment = await scope.tx.environments.by_number(link.environment)
    user = await scope.tx.users.by_id(link.environment, link.user_id)
    if environment is None or user is None:
        raise errors.LinkUnknown
    return PageSession(link, environment, await scope.tx.brandings.of(link.environment), user)
