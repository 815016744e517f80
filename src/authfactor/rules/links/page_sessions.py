"""Following a link: opened once, then a page session answers for it until its time is over (decision 0017).

Looking at a link changes nothing, since programs that preview messages look too. Opening it is one
conditional write that binds it to a new page session; whoever comes later is refused.
"""

from typing import NamedTuple

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.models import (
    BrandingRecord,
    ChallengeRecord,
    Clock,
    Entropy,
    Environment,
    FactorRecord,
    LinkRecord,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, key_uri
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges, secret_row
from authfactor.rules.factors.factors import Factors
from authfactor.rules.links.links import hash_of
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire import links as wire
from authfactor.wire.requests import EnrollUserFactor


class PageSession(NamedTuple):
    """A link that somebody followed, with what its page needs. Without a factor it is not open yet."""

    link: LinkRecord
    environment: Environment
    branding: BrandingRecord | None
    user: UserRecord
    factor: FactorRecord | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: an enrolment ends too when its code was verified elsewhere."""
        if self.link.completed_at is not None:
            return True
        enrolled = self.factor is not None and self.factor.activated_at is not None
        return self.link.purpose == "enrollment" and enrolled


class SetupSecret(NamedTuple):
    """What a person needs to add a factor to an app: base32 text and otpauth URI."""

    text: str
    uri: str


class CodeOutcome(NamedTuple):
    """What became of a code; `verification` None: the page had been done before."""

    followed: PageSession
    verification: Verification | None


class PageSessions:
    """Opens links and answers for their page sessions."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        factors: Factors,
        challenges: Challenges,
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._log = log
        self._settings = settings
        self._factors = factors
        self._challenges = challenges

    def find(self, token: str) -> Unit[PageSession]:
        """Look at a link without opening it. The unit raises `LinkUnknown`."""
        token_hash = hash_of(token)

        async def run(tx: Tx) -> PageSession:
            return await _load(tx, await tx.links.by_token(token_hash))

        return run

    async def open(self, store: Store, token: str) -> Unit[tuple[LinkRecord, str]]:
        """Prepare to open a link; the unit gives it with the secret of its new page session.

        Raises `LinkUnknown`, `LinkExpired`, `LinkUsed`, and what enrolling raises; so does the unit.
        """
        seen = await store.read(self.find(token))
        link, environment = seen.link, seen.environment
        now = self._clock()
        secret = random_token(self._entropy)
        expires_at = now + self._settings.link_life * 1000
        check_unopened(link, now)
        enroll = None
        if link.purpose == "enrollment":
            request = EnrollUserFactor(type="totp", totp_issuer=link.issuer, totp_user=link.account)
            enroll = self._factors.enroll(environment, link.user_id, request)

        async def run(tx: Tx) -> tuple[LinkRecord, str]:
            number = environment.number
            if not await tx.links.open(number, link.id, now, hash_of(secret), expires_at):
                latest = await tx.links.by_id(number, link.id)
                check_unopened(latest or link, now)
                raise errors.LinkUsed
            if enroll is not None:
                for factor_id in await tx.links.abandoned(number, link.user_id, now):
                    await tx.factors.delete_pending(number, factor_id)
                enrolled = await enroll(tx)
                factor_id, challenge = enrolled.factor.id, enrolled.challenge
            else:
                factor_id = link.factor_id or ""
                if await tx.factors.by_id(number, factor_id) is None:
                    raise errors.LinkUnknown
                challenge = await self._challenges.open(tx, environment, factor_id, now)
            await tx.links.attach(number, link.id, factor_id, challenge.id if challenge else "")
            opened = await tx.links.by_id(number, link.id)
            await self._emit(tx, event_log.LINK_OPENED, opened or link, now)
            return opened or link, secret

        return run

    def view(self, link_id: str, secret: str) -> Unit[PageSession]:
        """Read what a page session is about.

        The unit raises `LinkUnknown` for any but the session that opened the link, and `LinkExpired`.
        """
        now = self._clock()

        async def run(tx: Tx) -> PageSession:
            return await self._in_session(tx, link_id, secret, now)

        return run

    def secret_of(self, followed: PageSession) -> SetupSecret:
        """Open the secret of a factor that its page session still has to confirm.

        Raises `LinkUsed` once it is confirmed: from then on nobody sees it again.
        """
        factor = followed.factor
        if factor is None or followed.link.purpose != "enrollment" or followed.is_done:
            raise errors.LinkUsed
        row = secret_row(followed.environment.number, factor.id)
        text = base32.encode(self._vault.unseal(factor.secret, row))
        return SetupSecret(text, key_uri.uri(issuer=factor.issuer, account=factor.account, secret=text))

    def answer(self, link_id: str, secret: str, code: str) -> Unit[CodeOutcome]:
        """Check a code. A wrong one is an answer and is counted as everywhere.

        The unit raises what `view` does, and `TooManyAttempts`.
        """
        now = self._clock()

        async def run(tx: Tx) -> CodeOutcome:
            followed = await self._in_session(tx, link_id, secret, now)
            if followed.is_done or followed.factor is None:
                return CodeOutcome(followed, None)
            environment = followed.environment
            challenge = await self._challenge(tx, followed, now)
            verification = await self._challenges.check(tx, environment, challenge.id, code, now)
            if verification.valid:
                await tx.links.complete(environment.number, link_id, now)
                done = await tx.links.by_id(environment.number, link_id)
                await self._emit(tx, event_log.LINK_COMPLETED, done or followed.link, now)
            return CodeOutcome(followed, verification)

        return run

    async def _challenge(self, tx: Tx, followed: PageSession, now: int) -> ChallengeRecord:
        """Return the challenge that this page answers.

        Enrolling goes on with a new one when the tries of the old one are used up: the person has the
        secret on the screen. The count of the user's wrong codes goes on as well.
        """
        link, environment = followed.link, followed.environment
        challenge = await tx.challenges.by_id(environment.number, link.challenge_id or "")
        if challenge is None:
            raise errors.LinkUnknown
        if challenge.verified_at is not None:
            raise errors.LinkUsed
        used_up = challenge.attempts >= self._settings.attempts_per_challenge
        if link.purpose == "enrollment" and (used_up or challenge.expires_at <= now):
            challenge = await self._challenges.open(tx, environment, challenge.factor_id, now)
            await tx.links.attach(environment.number, link.id, challenge.factor_id, challenge.id)
        if challenge.expires_at <= now:
            raise errors.LinkExpired
        return challenge

    async def _in_session(self, tx: Tx, link_id: str, secret: str, now: int) -> PageSession:
        followed = await _load(tx, await tx.links.by_session(hash_of(secret), link_id))
        if followed.link.expires_at <= now:
            raise errors.LinkExpired
        link = followed.link
        factor = await tx.factors.by_id(link.environment, link.factor_id or "")
        if factor is None:
            raise errors.LinkUnknown
        return followed._replace(factor=factor)

    async def _emit(self, tx: Tx, name: str, link: LinkRecord, now: int) -> None:
        await self._log.append(tx, link.environment, name, link.user_id, wire.happened(link), now)


def check_unopened(link: LinkRecord, now: int) -> None:
    """Refuse a link that has been opened or has expired. Raises `LinkUsed` or `LinkExpired`."""
    if link.opened_at is not None:
        raise errors.LinkUsed
    if link.expires_at <= now:
        raise errors.LinkExpired


async def _load(tx: Tx, link: LinkRecord | None) -> PageSession:
    """Read what every page of a link shows; a deleted user's links lead nowhere."""
    if link is None:
        raise errors.LinkUnknown
    environment = await tx.environments.by_number(link.environment)
    user = await tx.users.by_id(link.environment, link.user_id)
    if environment is None or user is None:
        raise errors.LinkUnknown
    return PageSession(link, environment, await tx.brandings.of(link.environment), user)
