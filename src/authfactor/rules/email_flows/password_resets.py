"""Password resets: a mailed link with a token that sets a new password once."""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from authfactor import errors, ids
from authfactor.crypto import passwords
from authfactor.crypto.vault import SealedLocation
from authfactor.email_errors import NewPasswordRefused, ResetTokenUnknown
from authfactor.email_identity import email_key
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Environment, UserRecord
from authfactor.models.mailed import PasswordResetRecord
from authfactor.rules.authentication.applied_policy import require_method, sign_in_options
from authfactor.rules.authentication.password_hashing import api_share
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.email_flows.flow_rules import FlowRules
from authfactor.rules.email_flows.link_tokens import random_token, token_hash, url_with
from authfactor.rules.email_flows.magic_auth import required_email
from authfactor.rules.email_flows.outbox import Outbox
from authfactor.rules.email_flows.verified_users import store as store_user
from authfactor.rules.events import event_log
from authfactor.rules.unit import Scope, unit
from authfactor.store import Store, Unit
from authfactor.wire import mailed

LIFE_MS: Final = 15 * 60_000
PAGE: Final = "/reset-password"
_KIND: Final = "Password Reset"


class IssuedReset(NamedTuple):
    """A reset with its token and link."""

    record: PasswordResetRecord
    token: str
    url: str


class PasswordResets:
    """Makes and confirms resets."""

    def __init__(self, rules: FlowRules, outbox: Callable[[], Outbox]) -> None:
        """Keep the collaborators; time and randomness come from `rules` alone."""
        self._clock = rules.clock
        self._entropy = rules.entropy
        self._new_id = rules.new_id
        self._vault = rules.vault
        self._log = rules.events
        self._settings = rules.settings
        self._hasher = rules.hasher
        self._sessions = rules.sessions
        self._throttling = rules.throttling
        self._outbox = outbox

    def create(
        self,
        environment: Environment,
        email: str | None,
        page: str | None = None,
        locale: str | None = None,
    ) -> Unit[IssuedReset]:
        """Mail a link to `page`, by default the environment's.

        Raises `InvalidRequest`, and `SignInMethodOff` where passwords do not sign in. The unit raises
        `NotFound` for an unknown email, and `SendLimitReached`.
        """
        address = required_email(email)
        require_method(environment, "password")
        return self._create(environment, address, page, locale)

    @unit
    async def _create(self, scope: Scope, email: str, page: str | None, locale: str | None) -> IssuedReset:
        user = await scope.tx.users.by_email(scope.number, email)
        if user is None:
            raise errors.NotFound("User", email)
        made, token = self._new_id(ids.PASSWORD_RESET), random_token(self._entropy)
        record = PasswordResetRecord(
            id=made,
            user_id=user.id,
            email=user.email,
            password_mark=password_mark(user.password_hash),
            token=self._vault.seal(token.encode(), _row(scope, made)),
            created_at=scope.now,
            expires_at=scope.now + LIFE_MS,
        )
        url = self._url(scope, token, page)
        await self._outbox().queue(
            scope,
            "password_reset",
            to=user.email,
            user_id=user.id,
            values={"url": url},
            locale=locale or user.locale,
            expires_at=record.expires_at,
            reference=made,
        )
        await scope.tx.password_resets.insert(scope.number, record, token_hash(token))
        shape = mailed.password_reset_event(record)
        await self._log.append(scope, event_log.PASSWORD_RESET_CREATED, user.id, shape)
        return IssuedReset(record, token, url)

    @unit
    async def get(self, scope: Scope, reset_id: str) -> IssuedReset:
        """Return a reset with its token, in whatever state. Raises `NotFound`."""
        record = await scope.tx.password_resets.by_id(scope.number, reset_id)
        if record is None:
            raise errors.NotFound(_KIND, reset_id)
        token = self._vault.unseal(record.token, _row(scope, record.id)).decode()
        return IssuedReset(record, token, self._url(scope, token, None))

    async def prepare_confirm(
        self, store: Store, environment: Environment, token: str | None, new_password: str | None
    ) -> Unit[UserRecord]:
        """Prepare a new password, which is hashed before any lock is held.

        Raises `InvalidRequest`, `SignInMethodOff`, `ResetTokenUnknown`, `NewPasswordRefused` and
        `Unavailable`; the unit raises `ResetTokenUnknown`. A refused password leaves the token as it is.
        """
        if not token or not new_password:
            missing = [
                name for name, value in (("token", token), ("new_password", new_password)) if not value
            ]
            raise InvalidRequest(*(Item(each, f"{each}_required", f"{each}: required.") for each in missing))
        require_method(environment, "password")
        now = self._clock()
        reset = await store.read(lambda tx: self._find(Scope(tx, environment, now), token))
        weak = passwords.check_strength(new_password, email=reset.email)
        if weak:
            raise NewPasswordRefused(*(Item("new_password", code, text) for code, text in weak))
        new_hash = await self._hasher.hash(new_password, api_share(environment.number))
        return self._confirm(environment, token, reset.user_id, new_hash)

    @unit
    async def _confirm(self, scope: Scope, token: str, user_id: str, new_hash: str) -> UserRecord:
        tx, number = scope.tx, scope.number
        user = await tx.users.lock(number, user_id)
        reset = await self._find(scope, token)
        if (
            user is None
            or reset.password_mark != password_mark(user.password_hash)
            or email_key(reset.email) != email_key(user.email)
            or not await tx.password_resets.spend(number, reset.id, scope.now)
        ):
            raise ResetTokenUnknown(token)
        changed = msgspec.structs.replace(user, password_hash=new_hash, email_verified=True)
        changed = await store_user(scope, self._log, changed)
        # A person who reads the mail has proven more than the codes and the guesses from before.
        await tx.mailed_codes.void_of_user(number, user_id, scope.now)
        await tx.throttles.clear(number, self._throttling.account_subject(user.email))
        shape = mailed.password_reset_event(reset)
        await self._log.append(scope, event_log.PASSWORD_RESET_SUCCEEDED, user_id, shape)
        await self._sessions.end_of_user(scope, user_id)
        return changed

    async def _find(self, scope: Scope, token: str) -> PasswordResetRecord:
        """Return the open reset with this token. Raises `ResetTokenUnknown`, which does not say why."""
        found = await scope.tx.password_resets.by_hash(scope.number, token_hash(token))
        if found is None or found.used_at is not None or found.expires_at <= scope.now:
            raise ResetTokenUnknown(token)
        return found

    def _url(self, scope: Scope, token: str, page: str | None) -> str:
        own = f"{self._settings.base_url.rstrip('/')}{PAGE}"
        chosen = page or sign_in_options(scope.environment).password_reset_url or own
        return url_with(chosen, token=token)


def _row(scope: Scope, reset_id: str) -> SealedLocation:
    return SealedLocation("password_resets", "token", scope.number, reset_id)
