"""Links: addresses that an application gives to one of its users, good once (decision 0017).

The token in the address is known by its hash only. What happens when somebody follows one is in
`rules.links.page_sessions`.
"""

import hashlib
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, FactorRecord, LinkRecord
from authfactor.otp import key_uri
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants.environments import options_of
from authfactor.settings import Settings
from authfactor.store import Tx, Unit
from authfactor.wire import links as wire
from authfactor.wire.requests import without_nul

KINDS: Final = {"enrollment": "Enrollment Link", "challenge": "Challenge Link"}
PATH: Final = "/link/"
MAX_STATE: Final = 512
Purpose = Literal["enrollment", "challenge"]


class IssuedLink(NamedTuple):
    """A new link, and its address, known this once."""

    link: LinkRecord
    url: str


def hash_of(token: str) -> bytes:
    """Return what is stored of a token. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Links:
    """Makes links and tells what became of them."""

    def __init__(
        self, clock: Clock, entropy: Entropy, new_id: IdGenerator, log: EventLog, settings: Settings
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._log = log
        self._settings = settings

    def create_enrollment(
        self, environment: Environment, request: wire.CreateEnrollmentLink
    ) -> Unit[IssuedLink]:
        """Make a link by which a user enrols in a factor.

        Raises `InvalidRequest`, and `Conflict` when this server's address is not safe for secrets; the
        unit raises `NotFound`.
        """
        items: list[Item] = []
        user_id = _required(request.user_id, items)
        link = self._link(
            environment,
            "enrollment",
            user_id,
            issuer=_name(request.totp_issuer, "totp_issuer", key_uri.MAX_ISSUER, items),
            account=_name(request.totp_user, "totp_user", key_uri.MAX_ACCOUNT, items),
            return_to=_return_to(environment, request.return_to, request.state, items),
        )
        if items:
            raise InvalidRequest(*items)
        token = random_token(self._entropy)

        async def run(tx: Tx) -> IssuedLink:
            return await self._issue(tx, environment, link, token)

        return run

    def create_challenge(
        self, environment: Environment, request: wire.CreateChallengeLink
    ) -> Unit[IssuedLink]:
        """Make a link by which a user gives a code of an active factor.

        Raises as `create_enrollment` does; the unit raises `NotFound` for an unknown user or factor,
        `Conflict` without an active factor, and `InvalidRequest` when it is not clear which is meant.
        """
        items: list[Item] = []
        user_id = _required(request.user_id, items)
        return_to = _return_to(environment, request.return_to, request.state, items)
        if items:
            raise InvalidRequest(*items)
        link = self._link(environment, "challenge", user_id, return_to=return_to)
        token = random_token(self._entropy)

        async def run(tx: Tx) -> IssuedLink:
            factor_id = _meant(await tx.factors.of_user(environment.number, user_id), request.factor_id)
            asked = msgspec.structs.replace(link, factor_id=factor_id)
            return await self._issue(tx, environment, asked, token)

        return run

    def get(self, environment: Environment, purpose: Purpose, link_id: str) -> Unit[LinkRecord]:
        """Read a link. The unit raises `NotFound`."""

        async def run(tx: Tx) -> LinkRecord:
            link = await tx.links.by_id(environment.number, link_id)
            if link is None or link.purpose != purpose:
                raise errors.NotFound(KINDS[purpose], link_id)
            return link

        return run

    def _link(
        self,
        environment: Environment,
        purpose: Purpose,
        user_id: str,
        *,
        return_to: str | None,
        issuer: str | None = None,
        account: str | None = None,
    ) -> LinkRecord:
        if not self._settings.base_url_is_safe:
            raise errors.Conflict(
                "base_url_not_safe",
                "The page would show a secret, and users reach this server by plain HTTP"
                f" ({self._settings.base_url}). Set AUTHFACTOR_BASE_URL to its https address.",
            )
        now = self._clock()
        return LinkRecord(
            environment=environment.number,
            id=self._new_id(ids.LINK),
            purpose=purpose,
            user_id=user_id,
            factor_id=None,
            challenge_id=None,
            issuer=issuer,
            account=account,
            return_to=return_to,
            created_at=now,
            expires_at=now + self._settings.link_life * 1000,
            opened_at=None,
            completed_at=None,
        )

    async def _issue(self, tx: Tx, environment: Environment, link: LinkRecord, token: str) -> IssuedLink:
        if await tx.users.by_id(environment.number, link.user_id) is None:
            raise errors.NotFound("User", link.user_id)
        await tx.links.insert(link, hash_of(token))
        await self._log.append(
            tx, environment.number, event_log.LINK_CREATED, link.user_id, wire.happened(link), link.created_at
        )
        return IssuedLink(link, f"{self._settings.base_url.rstrip('/')}{PATH}{token}")


def _required(user_id: str | None, items: list[Item]) -> str:
    if not user_id:
        items.append(Item("user_id", "user_id_required", "user_id: required."))
        return ""
    return without_nul(user_id)


def _name(given: str | None, field: str, longest: int, items: list[Item]) -> str | None:
    if not given:
        return None
    try:
        return key_uri.check_name(given, longest=longest)
    except key_uri.InvalidLabel as error:
        items.append(Item(field, f"{field}_invalid", f"{field} {error}."))
        return None


def _return_to(
    environment: Environment, return_to: str | None, state: str | None, items: list[Item]
) -> str | None:
    """Check where the page may lead; `state` comes back in the address, as in OAuth."""
    if state is not None and len(state) > MAX_STATE:
        items.append(Item("state", "state_invalid", f"state: at most {MAX_STATE} characters."))
    if not return_to:
        if state:
            items.append(Item("state", "state_without_return_to", "state: goes with return_to only."))
        return None
    # Compared whole: a prefix or a parsed host could be tricked (`https://app.example.org.evil.example`).
    if return_to not in options_of(environment).page_redirects:
        text = (
            "return_to: not on the environment's list. Add it with:"
            f" authfactor environments update {environment.name} --page-redirect URL"
        )
        items.append(Item("return_to", "return_to_not_allowed", text))
    if not state:
        return return_to
    joint = "&" if "?" in return_to else "?"
    return f"{return_to}{joint}state={quote(state, safe='')}"


def _meant(found: list[FactorRecord], factor_id: str | None) -> str:
    """Tell which factor a challenge link asks for: the one named, else the only active one."""
    active = [factor.id for factor in found if factor.activated_at is not None]
    if factor_id:
        if factor_id not in {factor.id for factor in found}:
            raise errors.NotFound("Authentication Factor", factor_id)
        if factor_id not in active:
            text = "factor_id: this factor has never been verified. Enroll it first."
            raise InvalidRequest(Item("factor_id", "factor_not_active", text))
        return factor_id
    if not active:
        raise errors.Conflict("no_active_factor", "The user has no active factor. Enroll one first.")
    if len(active) > 1:
        text = f"factor_id: required, since the user has {len(active)} active factors."
        raise InvalidRequest(Item("factor_id", "factor_id_required", text))
    return active[0]
