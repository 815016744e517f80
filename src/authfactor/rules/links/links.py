"""Links: single-use URLs that an application gives to one of its users (decision 0017).

The store has only the hash of the token in the URL. `rules.links.page_sessions` handles opened links.
"""

import hashlib
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from authfactor import errors, ids
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, FactorRecord, LinkPurpose, LinkRecord
from authfactor.otp import key_uri
from authfactor.rules.authentication import session_state
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit
from authfactor.wire import links as wire
from authfactor.wire.requests import without_nul

KINDS: Final[dict[LinkPurpose, str]] = {
    "enrollment": "Enrollment Link",
    "challenge": "Challenge Link",
    "factors": "Factors Link",
}
PATH: Final = "/link/"
MAX_STATE: Final = 512


class IssuedLink(NamedTuple):
    """A new link and its URL, which is stored nowhere."""

    link: LinkRecord
    url: str


def hash_of(token: str) -> bytes:
    """Return the stored form of a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Links:
    """Creates links and returns their state."""

    def __init__(
        self, clock: Clock, entropy: Entropy, new_id: IdGenerator, log: EventLog, settings: Settings
    ) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._log = log
        self._settings = settings

    def create_enrollment(
        self, environment: Environment, request: wire.CreateEnrollmentLink
    ) -> Unit[IssuedLink]:
        """Create a link with which a user enrolls in a factor.

        Raises `InvalidRequest`, and `Conflict` when this server's URL is not safe for secrets; the unit
        raises `NotFound`.
        """
        items: list[Item] = []
        user_id = _required(request.user_id, items)
        issuer = _name(request.totp_issuer, "totp_issuer", key_uri.MAX_ISSUER, items)
        account = _name(request.totp_user, "totp_user", key_uri.MAX_ACCOUNT, items)
        return_to = _return_to(environment, request.return_to, request.state, items)
        self._check_base_url()
        if items:
            raise InvalidRequest(*items)
        return self._create_enrollment(environment, user_id, issuer, account, return_to)

    @unit
    async def _create_enrollment(
        self, scope: Scope, user_id: str, issuer: str | None, account: str | None, return_to: str | None
    ) -> IssuedLink:
        await self._check_subject(scope, user_id)
        link = self._new(scope, "enrollment", user_id, return_to=return_to, issuer=issuer, account=account)
        return await self._issue(scope, link)

    def create_challenge(
        self, environment: Environment, request: wire.CreateChallengeLink
    ) -> Unit[IssuedLink]:
        """Create a link with which a user enters a code of an active factor.

        Raises as `create_enrollment` does; the unit raises `NotFound` for an unknown user or factor, or a
        session that is not the user's, `SessionEnded`, `Conflict` without an active factor, and
        `InvalidRequest` when it is not clear which factor is meant.
        """
        items: list[Item] = []
        user_id = _required(request.user_id, items)
        return_to = _return_to(environment, request.return_to, request.state, items)
        if items:
            raise InvalidRequest(*items)
        self._check_base_url()
        session_id = without_nul(request.session_id) if request.session_id else None
        remember = bool(request.remember_device)
        if session_id is not None and remember:
            text = (
                "remember_device: not with session_id; a trusted device is no second factor, so raises none."
            )
            raise InvalidRequest(Item("remember_device", "remember_device_with_session_id", text))
        return self._create_challenge(
            environment, user_id, request.factor_id, return_to, session_id, remember_device=remember
        )

    @unit
    async def _create_challenge(
        self,
        scope: Scope,
        user_id: str,
        factor_id: str | None,
        return_to: str | None,
        session_id: str | None,
        *,
        remember_device: bool,
    ) -> IssuedLink:
        await self._check_subject(scope, user_id, session_id)
        found = await scope.tx.factors.of_user(scope.number, user_id)
        passkeys = [factor.id for factor in found if not factor.is_totp]
        if passkeys:
            passkeys = await self._usable_on_page(scope, user_id)
        factor_id = _requested_factor(found, passkeys, factor_id)
        link = self._new(
            scope,
            "challenge",
            user_id,
            return_to=return_to,
            factor_id=factor_id,
            session_id=session_id,
        )
        link = msgspec.structs.replace(link, remember_device=remember_device)
        return await self._issue(scope, link)

    def create_factors(self, environment: Environment, request: wire.CreateFactorsLink) -> Unit[IssuedLink]:
        """Create a link to the page on which a user manages their factors (decision 0046).

        Raises as `create_enrollment` does; the unit raises `NotFound`, also for a session that is not the
        user's, and `SessionEnded`.
        """
        items: list[Item] = []
        user_id = _required(request.user_id, items)
        return_to = _return_to(environment, request.return_to, request.state, items)
        self._check_base_url()
        if items:
            raise InvalidRequest(*items)
        session_id = without_nul(request.session_id) if request.session_id else None
        return self._create_factors(environment, user_id, session_id, return_to)

    @unit
    async def _create_factors(
        self, scope: Scope, user_id: str, session_id: str | None, return_to: str | None
    ) -> IssuedLink:
        await self._check_subject(scope, user_id, session_id)
        link = self._new(scope, "factors", user_id, return_to=return_to, session_id=session_id)
        return await self._issue(scope, link)

    @unit
    async def get(self, scope: Scope, purpose: LinkPurpose, link_id: str) -> LinkRecord:
        """Return a link. Raises `NotFound`."""
        link = await scope.tx.links.by_id(scope.number, link_id)
        if link is None or link.purpose != purpose:
            raise errors.NotFound(KINDS[purpose], link_id)
        return link

    async def _check_subject(self, scope: Scope, user_id: str, session_id: str | None = None) -> None:
        """Check the user of a link, and the session that it names if it does."""
        if await scope.tx.users.by_id(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        if session_id is None:
            return
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        if session is None or session.user_id != user_id:
            raise errors.NotFound("Session", session_id)
        if not session_state.is_alive(session, self._settings, scope.now):
            raise errors.SessionEnded(session_id)

    async def _usable_on_page(self, scope: Scope, user_id: str) -> list[str]:
        """Return the ids of a user's factors that are passkeys for which the page can ask."""
        from authfactor.rules.factors.passkey_settings import relying_party_of_pages  # noqa: PLC0415 - when there are some

        settings = relying_party_of_pages(scope.environment, self._settings)
        if settings is None:
            return []
        known = await scope.tx.passkeys.of_user(scope.number, user_id)
        return [each.factor_id for each in known if each.rp_id == settings.rp_id]

    def _check_base_url(self) -> None:
        if not self._settings.base_url_is_safe:
            raise errors.Conflict(
                "base_url_not_safe",
                "The page would show a secret, and users reach this server by plain HTTP"
                f" ({self._settings.base_url}). Set AUTHFACTOR_BASE_URL to its https URL.",
            )

    def _new(
        self,
        scope: Scope,
        purpose: LinkPurpose,
        user_id: str,
        *,
        return_to: str | None,
        factor_id: str | None = None,
        issuer: str | None = None,
        account: str | None = None,
        session_id: str | None = None,
    ) -> LinkRecord:
        return LinkRecord(
            environment=scope.number,
            id=self._new_id(ids.LINK),
            purpose=purpose,
            user_id=user_id,
            factor_id=factor_id,
            challenge_id=None,
            issuer=issuer,
            account=account,
            return_to=return_to,
            created_at=scope.now,
            expires_at=scope.now + self._settings.link_life * 1000,
            opened_at=None,
            completed_at=None,
            session_id=session_id,
        )

    async def _issue(self, scope: Scope, link: LinkRecord) -> IssuedLink:
        token = random_token(self._entropy)
        await scope.tx.links.insert(link, hash_of(token))
        await self._log.append(scope, event_log.LINK_CREATED, link.user_id, wire.link_event_data(link))
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
        return key_uri.check_name(given, max_length=longest)
    except key_uri.InvalidLabel as error:
        items.append(Item(field, f"{field}_invalid", f"{field} {error}."))
        return None


def _return_to(
    environment: Environment, return_to: str | None, state: str | None, items: list[Item]
) -> str | None:
    """Return where the page redirects in the end; `state` is added to its query, as in OAuth."""
    if state is not None and len(state) > MAX_STATE:
        items.append(Item("state", "state_invalid", f"state: at most {MAX_STATE} characters."))
    if not return_to:
        if state:
            items.append(Item("state", "state_without_return_to", "state: goes with return_to only."))
        return None
    # Compared as a whole: prefix or host checks can be bypassed (`https://app.example.org.evil.example`).
    if return_to not in options_of(environment).page_redirects:
        text = (
            "return_to: not on the environment's list. Add it with:"
            f" authfactor environments update {environment.name} --page-redirect URL"
        )
        items.append(Item("return_to", "return_to_not_allowed", text))
    if not state:
        return return_to
    separator = "&" if "?" in return_to else "?"
    return f"{return_to}{separator}state={quote(state, safe='')}"


def _requested_factor(found: list[FactorRecord], passkeys: list[str], factor_id: str | None) -> str:
    """Return the id of the factor that a challenge link is for, by `passkeys` that the page can ask for.

    The one given, else the only active app, else a passkey. Any passkey of the user's may answer, also where
    an app is asked for.
    """
    active = [factor.id for factor in found if factor.activated_at is not None and factor.is_totp]
    if factor_id:
        if factor_id not in {factor.id for factor in found}:
            raise errors.NotFound("Authentication Factor", factor_id)
        if factor_id in passkeys:
            return factor_id
        if not next(factor.is_totp for factor in found if factor.id == factor_id):
            text = (
                "factor_id: browsers do not use this passkey on the hosted pages. List the origin of this"
                " server's URL in webauthn.origins of the environment, under the rp_id of the passkey."
            )
            raise InvalidRequest(Item("factor_id", "factor_type_not_supported", text))
        if factor_id not in active:
            text = "factor_id: this factor has never been verified. Enroll it first."
            raise InvalidRequest(Item("factor_id", "factor_not_active", text))
        return factor_id
    if not active and passkeys:
        return passkeys[0]
    if not active:
        raise errors.Conflict("no_active_factor", "The user has no active factor. Enroll one first.")
    if len(active) > 1:
        text = f"factor_id: required, since the user has {len(active)} active factors."
        raise InvalidRequest(Item("factor_id", "factor_id_required", text))
    return active[0]
