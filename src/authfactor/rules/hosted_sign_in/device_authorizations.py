"""Sign-in of a device without a browser (RFC 8628): it shows a code, which a person types on a page.

What the page calls: `find` with what was typed, which counts wrong codes; then, once the person has confirmed
that the device is theirs, `SignInFlows.start` with `device_id`. Completing that flow approves the device,
canceling it refuses the device, once each.
"""

from typing import Final, NamedTuple

from authfactor import errors, ids
from authfactor.errors import OAuthRefused
from authfactor.ids import IdGenerator
from authfactor.ip_addresses import client_network
from authfactor.models import Clock, Entropy, Environment, SignedIn
from authfactor.models.hosted_sign_in import AuthenticationProof, BrowserSession, DeviceAuthorization
from authfactor.rules.authentication.opaque_tokens import random_token, token_hash
from authfactor.rules.hosted_sign_in.proven_sessions import (
    PreparedSource,
    ProofVoid,
    ProvenSessions,
    SessionSource,
)
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate, without_nul

LIFE_SECONDS: Final = 300
POLL_SECONDS: Final = 5
MAX_POLL_SECONDS: Final = 60
# No vowels, so no words; no letters that look like digits (RFC 8628 section 6.1).
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LETTERS: Final = 8
# Devices of one network: a burst, then one more in this many milliseconds.
BURST: Final = 60
INTERVAL_MS: Final = 2000
# Wrong user codes of one network; with 20^8 codes and few open ones, guessing takes centuries.
GUESSES: Final = 20
GUESS_INTERVAL_MS: Final = 60_000
# Of rows that belong to no environment: the page does not know which one the code is of.
_NO_ENVIRONMENT: Final = 0
_TRIES: Final = 5
_UNBIASED: Final = 256 - 256 % len(ALPHABET)


class BegunDevice(NamedTuple):
    """What the device gets; the codes are stored nowhere else in this form."""

    device_code: str
    user_code: str


class FoundDevice(NamedTuple):
    """A device that waits, and its environment."""

    device: DeviceAuthorization
    environment: Environment


class DeviceAuthorizations:
    """Begins sign-ins of devices, decides them, and redeems device codes."""

    def __init__(self, clock: Clock, entropy: Entropy, new_id: IdGenerator, proven: ProvenSessions) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._proven = proven

    @unit
    async def begin(self, scope: Scope, ip_address: str | None, user_agent: str | None) -> BegunDevice:
        """Begin the sign-in of a device. Raises `TooManyRequests`: strangers may, and each is a row."""
        subject = f"devices:{client_network(ip_address) or 'unknown'}"
        if not await scope.tx.throttles.charge(scope.number, subject, scope.now, INTERVAL_MS, BURST):
            raise errors.TooManyRequests(1)
        code = random_token(self._entropy)
        for _ in range(_TRIES):
            device = DeviceAuthorization(
                environment=scope.number,
                id=self._new_id(ids.DEVICE_AUTHORIZATION),
                user_code=self._new_user_code(),
                ip_address=ip_address,
                user_agent=user_agent,
                poll_seconds=POLL_SECONDS,
                polled_at=None,
                approved_at=None,
                denied_at=None,
                proof=None,
                browser_session_id=None,
                created_at=scope.now,
                expires_at=scope.now + LIFE_SECONDS * 1000,
            )
            if await scope.tx.device_authorizations.insert(token_hash(code), device):
                half = CODE_LETTERS // 2
                return BegunDevice(code, f"{device.user_code[:half]}-{device.user_code[half:]}")
        raise errors.Unavailable("Too many devices are waiting. Try again.")

    @installation_unit
    async def find(self, scope: InstallationScope, typed: str, ip_address: str | None) -> FoundDevice | None:
        """Return the device that shows this code and still waits; None, and one guess less, for others.

        Raises `TooManyRequests` when the guesses of the network are used up.
        """
        subject = f"user-codes:{client_network(ip_address) or 'unknown'}"
        throttles, limit = scope.tx.throttles, (GUESS_INTERVAL_MS, GUESSES)
        if not await throttles.charge(_NO_ENVIRONMENT, subject, scope.now, *limit):
            raise errors.TooManyRequests(GUESS_INTERVAL_MS // 1000)
        device = await scope.tx.device_authorizations.by_user_code(read_user_code(typed))
        if device is None or not _waits(device, scope.now):
            return None
        await throttles.refund(_NO_ENVIRONMENT, subject, GUESS_INTERVAL_MS)
        environment = await scope.tx.environments.by_number(device.environment)
        return None if environment is None else FoundDevice(device, environment)

    async def approve(
        self, scope: Scope, device_id: str, proof: AuthenticationProof, browser: BrowserSession
    ) -> bool:
        """Approve a device for the user of a proof; True for exactly one decision about it."""
        return await scope.tx.device_authorizations.approve(
            scope.number, device_id, scope.now, browser.id, proof
        )

    async def deny(self, scope: Scope, device_id: str) -> bool:
        """Refuse a device; True for exactly one decision about it."""
        return await scope.tx.device_authorizations.deny(scope.number, device_id, scope.now)

    async def prepare(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare the answer to a poll: the grant of device codes.

        The unit raises `OAuthRefused` with a code of RFC 8628 section 3.5, `StepUpRequired`, and
        `Unavailable`.
        """
        hashed, now = token_hash(without_nul(request.device_code or "")), self._clock()
        device = await store.read(lambda tx: tx.device_authorizations.by_hash(environment.number, hashed))
        ready = None
        if device is not None and device.proof is not None and device.used_at is None:
            source = SessionSource(
                device.proof,
                device.browser_session_id or "",
                "public",
                request.ip_address or device.ip_address,
                request.user_agent or device.user_agent,
                is_other_device=True,
            )
            ready = await self._proven.prepare(store, environment, source, now)
        return lambda tx: self._poll(Scope(tx, environment, now), hashed, ready)

    async def _poll(self, scope: Scope, hashed: bytes, ready: PreparedSource | None) -> SignedIn:
        table, now = scope.tx.device_authorizations, scope.now
        device = await table.by_hash(scope.number, hashed)
        if device is None or device.used_at is not None:
            raise OAuthRefused("invalid_grant", "The device code is unknown or was used.")
        if device.expires_at <= now:
            raise OAuthRefused("expired_token", "The device code has expired. Begin again.")
        if device.denied_at is not None:
            raise OAuthRefused("access_denied", "The user refused the device.")
        if device.polled_at is not None and now - device.polled_at < device.poll_seconds * 1000:
            slower = min(device.poll_seconds + POLL_SECONDS, MAX_POLL_SECONDS)
            if slower != device.poll_seconds:
                await table.poll(scope.number, device.id, device.polled_at, slower)
            raise OAuthRefused("slow_down", f"Wait {slower} seconds between two requests.").after_commit()
        if device.approved_at is None or ready is None:
            await table.poll(scope.number, device.id, now, device.poll_seconds)
            raise OAuthRefused("authorization_pending", "The user has not decided yet.").after_commit()
        await scope.tx.users.lock(scope.number, ready.source.proof.user_id)
        if not await table.use(scope.number, device.id, now, ready.prepared.session.id):
            raise OAuthRefused("invalid_grant", "The device code is unknown or was used.")
        try:
            return await self._proven.start(scope, ready)
        except ProofVoid:
            raise OAuthRefused("invalid_grant", "What the user approved is gone.") from None

    def _new_user_code(self) -> str:
        letters = ""
        while len(letters) < CODE_LETTERS:
            # Bytes above the last multiple of 20 would make some letters likelier.
            letters += "".join(
                ALPHABET[byte % len(ALPHABET)] for byte in self._entropy(CODE_LETTERS) if byte < _UNBIASED
            )
        return letters[:CODE_LETTERS]


def read_user_code(typed: str) -> str:
    """Return a user code as it is stored: people type it in lower case, with spaces, or without hyphen."""
    letters = "".join(letter for letter in typed.upper() if letter in ALPHABET)
    return letters if len(letters) == CODE_LETTERS else ""


def _waits(device: DeviceAuthorization, now: int) -> bool:
    return device.approved_at is None and device.denied_at is None and device.expires_at > now
