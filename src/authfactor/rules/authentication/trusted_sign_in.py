"""The second step of a sign-in by the token of a trusted device, sent in place of a code.

It spends pending token and device token; the challenge stays open. It is no second factor: the session has
none, so it meets no step-up (decision 0042).
"""

import msgspec

from authfactor.models import Environment, PendingSignIn, SignedIn
from authfactor.rules.authentication.code_refusals import bad_pending
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.repeated_sign_ins import RepeatedSignIns
from authfactor.rules.authentication.session_state import BY_TRUSTED_DEVICE, begun_by
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.authentication.trusted_device_tokens import TrustedDeviceTokens, refusal
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.store import Store, Unit
from authfactor.wire.events import UsedTrustedDevice
from authfactor.wire.requests import Authenticate


class TrustedSignIn:
    """The grant `urn:workos:oauth:grant-type:mfa-totp` with the token of a trusted device."""

    def __init__(
        self, log: EventLog, sessions: Sessions, tokens: TrustedDeviceTokens, repeated: RepeatedSignIns
    ) -> None:
        """Keep the collaborators."""
        self._log = log
        self._sessions = sessions
        self._tokens = tokens
        self._repeated = repeated

    async def prepare(
        self,
        store: Store,
        environment: Environment,
        hashed: bytes,
        pending: PendingSignIn,
        request: Authenticate,
        now: int,
    ) -> Unit[SignedIn]:
        """Prepare a sign-in with a pending token (`hashed`) that is neither spent nor expired.

        The unit raises `SignInRefused`; pending token and challenge are good for a code then.
        """
        text = (request.code or "").strip()
        known = await store.read(
            lambda tx: tx.trusted_devices.token_by_hash(environment.number, token_hash(text))
        )
        prepared = None
        if known is not None:  # else it is refused, without a costly signature
            prepared = await self._sessions.prepare(
                store,
                environment,
                pending.user_id,
                amr=begun_by(pending.auth_method, BY_TRUSTED_DEVICE),
                now=now,
                ip_address=request.ip_address,
                user_agent=request.user_agent,
                trusted_device_id=known.device_id,
            )
            prepared = prepared._replace(invitation_id=pending.invitation_id)
        return lambda tx: self._accept(Scope(tx, environment, now), hashed, pending, request, prepared)

    async def _accept(
        self,
        scope: Scope,
        hashed: bytes,
        pending: PendingSignIn,
        request: Authenticate,
        prepared: PreparedSession | None,
    ) -> SignedIn:
        token = request.pending_authentication_token or ""
        user = await scope.tx.users.lock(scope.number, pending.user_id)
        if user is None or password_mark(user.password_hash) != pending.password_mark:
            raise bad_pending(token)
        # The pending token of a refresh asks for the factor that the session lacks.
        if prepared is None or pending.session_id is not None:
            raise refusal()
        # The same request may have completed since this one was prepared.
        repeated = await self._repeated.find(scope, user, hashed, request)
        if repeated is not None:
            return repeated
        use = await self._tokens.judge(scope, user, request.code or "")
        if use.device is None or use.token is None:
            raise refusal(use)
        answer = self._repeated.seal(scope.number, hashed, request, prepared, use.token)
        if not await scope.tx.pending_sign_ins.spend(scope.number, hashed, scope.now, answer):
            # Rolls back: the device's token stays unspent.
            raise bad_pending(token)
        used = UsedTrustedDevice(use.device.id, user.id, prepared.session.id, None)
        await self._log.append(scope, event_log.TRUSTED_DEVICE_USED, user.id, used)
        started = await self._sessions.start(scope, user, prepared)
        return msgspec.structs.replace(started, trusted_device=use.token)
