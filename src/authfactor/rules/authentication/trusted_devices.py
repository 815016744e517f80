"""Trusted devices as callers see them: make one, list, end and rotate (decision 0042).

Only a user who has just proven a factor may have one made.
"""

from typing import Final

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    DeviceWithStatus,
    Entropy,
    Environment,
    IssuedDeviceToken,
    SessionRecord,
)
from authfactor.rules.authentication import trusted_device_endings
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.repeated_sign_ins import RepeatedSignIns
from authfactor.rules.authentication.sessions import Sessions
from authfactor.rules.authentication.trusted_device_tokens import (
    NOT_TRUSTED,
    TrustedDeviceTokens,
    is_allowed,
    refusal,
)
from authfactor.rules.authentication.trusted_sign_in import TrustedSignIn
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.store import Unit
from authfactor.wire.requests import without_nul
from authfactor.wire.trusted_devices import CreateTrustedDevice

MAX_NAME: Final = 64
MAX_TEXT: Final = 512
# How old the second factor of the session may be; in milliseconds.
PROOF_LIFE: Final = 10 * 60_000
# Methods of RFC 8176 that prove possession; a recovery code and a trusted device are none.
_PROOFS: Final = frozenset({"otp", "sms", "pop"})
_KIND: Final = "Trusted device"


class TrustedDevices:
    """Makes, lists and ends trusted devices; `tokens` and `sign_in` accept their tokens."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        sessions: Sessions,
        repeated: RepeatedSignIns,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._sessions = sessions
        self.tokens = TrustedDeviceTokens(entropy, new_id, vault, log, sessions.end_of_device)
        self.sign_in = TrustedSignIn(log, sessions, self.tokens, repeated)

    def create(self, environment: Environment, request: CreateTrustedDevice) -> Unit[IssuedDeviceToken]:
        """Trust the device of a session. Only the result has its token.

        Raises `InvalidRequest`, also when the session's second factor is missing, too old or none that
        counts; the unit raises `NotFound`, and `Conflict` when trusted devices are off or the session has
        made a device before.
        """
        items = []
        if not request.session_id:
            items.append(Item("session_id", "session_id_required", "session_id: required."))
        name = (request.name or "").strip() or None
        if name is not None and not (len(name) <= MAX_NAME and name.isprintable()):
            items.append(Item("name", "name_invalid", f"name: at most {MAX_NAME} visible characters."))
        for field, text in (("user_agent", request.user_agent), ("ip_address", request.ip_address)):
            if text is not None and len(text) > MAX_TEXT:
                items.append(Item(field, f"{field}_invalid", f"{field}: at most {MAX_TEXT} characters."))
        if items:
            raise InvalidRequest(*items)
        return self._create(
            environment, without_nul(request.session_id or ""), name, request.ip_address, request.user_agent
        )

    @unit
    async def _create(
        self, scope: Scope, session_id: str, name: str | None, ip_address: str | None, user_agent: str | None
    ) -> IssuedDeviceToken:
        session = await scope.tx.sessions.by_id(scope.number, session_id)
        user = None if session is None else await scope.tx.users.lock(scope.number, session.user_id)
        if session is None or user is None:
            raise errors.NotFound("Session", session_id)
        if not is_allowed(scope.environment):
            raise _off(scope.environment)
        self._check_proof(session, scope.now)
        return await self.tokens.make(
            scope, user, session.id, name=name, ip_address=ip_address, user_agent=user_agent
        )

    def _check_proof(self, session: SessionRecord, now: int) -> None:
        """Raise `InvalidRequest` unless the session's second factor is fresh and no substitute for one."""
        if not self._sessions.is_alive(session, now):
            raise InvalidRequest(Item("session_id", "session_not_active", "session_id: it has ended."))
        methods = set(session.amr.split(" "))
        # `mfa_at` does not say of which method it is the time: a recovery code may have raised the session.
        by_factor = _PROOFS & methods and "recovery_code" not in methods
        proven = by_factor and session.trusted_device_id is None
        if not proven or session.mfa_at is None or now - session.mfa_at > PROOF_LIFE:
            text = (
                "session_id: only a session whose code of a factor was accepted within the last ten minutes"
                " can trust its device; a recovery code or a trusted device does not count."
            )
            raise InvalidRequest(Item("session_id", "second_factor_required", text))

    @unit
    async def list_of_user(self, scope: Scope, user_id: str) -> list[DeviceWithStatus]:
        """List a user's devices, newest first; ended ones too while they are stored. Raises `NotFound`."""
        user = await scope.tx.users.by_id(scope.number, user_id)
        if user is None:
            raise errors.NotFound("User", user_id)
        factors = await scope.tx.factors.of_user(scope.number, user_id)
        found = await scope.tx.trusted_devices.of_user(scope.number, user_id)
        return [
            DeviceWithStatus(device, self.tokens.status_of(scope, user, factors, device)) for device in found
        ]

    @unit
    async def revoke(self, scope: Scope, user_id: str, device_id: str) -> None:
        """End a device; ending an ended one changes nothing. Raises `NotFound`, also for another user's."""
        await _lock_user(scope, user_id)
        device = await scope.tx.trusted_devices.by_id(scope.number, device_id)
        if device is None or device.user_id != user_id:
            raise errors.NotFound(_KIND, device_id)
        if await scope.tx.trusted_devices.end(scope.number, device_id, scope.now):
            await trusted_device_endings.emit_revoked(scope, self._log, device, "revoked")

    @unit
    async def revoke_all(self, scope: Scope, user_id: str) -> int:
        """End all devices of a user; return how many had not ended. Raises `NotFound`."""
        await _lock_user(scope, user_id)
        return await trusted_device_endings.end_devices(scope, self._log, user_id, "revoked")

    @unit
    async def rotate(self, scope: Scope, token: str) -> IssuedDeviceToken:
        """Return the successor of a token, as a sign-in with it does. Raises `SignInRefused`."""
        row = await scope.tx.trusted_devices.token_by_hash(scope.number, token_hash(token.strip()))
        device = None if row is None else await scope.tx.trusted_devices.by_id(scope.number, row.device_id)
        user = None if device is None else await scope.tx.users.lock(scope.number, device.user_id)
        use = NOT_TRUSTED if user is None else await self.tokens.judge(scope, user, token)
        if use.device is None or use.token is None:
            raise refusal(use)
        return IssuedDeviceToken(use.device, use.token.token)


def _off(environment: Environment) -> errors.Conflict:
    text = (
        "Trusted devices are off in this environment. Allow them with:"
        f" authfactor environments update {environment.name} --trusted-devices allowed"
    )
    return errors.Conflict("trusted_devices_off", text)


async def _lock_user(scope: Scope, user_id: str) -> None:
    if await scope.tx.users.lock(scope.number, user_id) is None:
        raise errors.NotFound("User", user_id)
