"""A reference of trusted devices in its simplest form: sequential, with tokens in plain.

A device remembers the password and the factors that it stood for, and is trusted while both are the same
(decision 0042). It shares nothing with the product. Times are in milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

DAY: Final = 24 * 3600 * 1000
GRACE: Final = 60_000
FRESH: Final = 10 * 60_000
MOST: Final = 10


@dataclass
class User:
    """The password and the active factors of a user."""

    password: str = ""
    factors: frozenset[str] = frozenset()


@dataclass
class Session:
    """How a session proved its second factor, and when; None if it did not, or if the factor is gone."""

    user: str
    proof: str | None
    proven_at: int
    device: str | None = None
    ended: bool = False


@dataclass
class Device:
    """A device, and the password and factors at the time it was made."""

    user: str
    source: str
    password: str
    factors: frozenset[str]
    created_at: int
    expires_at: int
    times_allowed: int = 0
    last_used_at: int | None = None
    ended: bool = False


@dataclass
class Token:
    """A token; when it was used and what replaced it."""

    device: str
    spent_at: int | None = None
    successor: str | None = None


@dataclass
class DeviceReference:
    """Returns `trusted`, `again` (a spent token and its successor), `stolen` or `refused`.

    `events` has the last part of the name of each event about a device.
    """

    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    allowed: bool = False
    times_allowed: int = 0
    names_factors: bool = False
    days: int = 30
    password_ends_sessions: bool = True

    def allow(self, *, allowed: bool, days: int) -> None:
        """Switch trusted devices on or off. Switching on makes all devices from before untrusted."""
        if allowed and not self.allowed:
            self.times_allowed += 1
        self.allowed, self.days = allowed, days

    def status(self, name: str, now: int) -> str:
        device = self.devices[name]
        user = self.users[device.user]
        if device.ended:
            return "ended"
        if now >= device.expires_at:
            return "expired"
        allowed = self.allowed and device.times_allowed == self.times_allowed and not self.names_factors
        same = (device.password, device.factors) == (user.password, user.factors)
        return "active" if allowed and same and user.factors else "ended"

    def may_make(self, session_id: str, now: int) -> str:
        """Return `yes`, or why a session makes no device: `off`, `ended`, `unproven` or `again`."""
        session = self.sessions[session_id]
        if not self.allowed:
            return "off"
        if session.ended:
            return "ended"
        if session.proof != "code" or now - session.proven_at > FRESH:
            return "unproven"
        return "again" if any(each.source == session_id for each in self.devices.values()) else "yes"

    def make(self, session_id: str, name: str, token: str, now: int) -> None:
        """Make a device. Of more than ten of a user those that are not trusted go first, then the oldest."""
        owner = self.sessions[session_id].user
        user = self.users[owner]
        until = now + self.days * DAY
        made = Device(owner, session_id, user.password, user.factors, now, until, self.times_allowed)
        self.events.append("created")
        others = [other for other, _ in self._of(owner)]
        others.sort(key=lambda other: (self.status(other, now) == "active", other))
        for other in others[: max(0, len(others) - (MOST - 1))]:
            if self.status(other, now) == "active":
                self.events.append("revoked")
            del self.devices[other]
            self.tokens = {text: each for text, each in self.tokens.items() if each.device != other}
        self.devices[name], self.tokens[token] = made, Token(name)

    def use(self, user: str, text: str, following: str, now: int) -> tuple[str, str | None]:
        """Use a token; `following` replaces it if it is unused. Return the answer and the next token."""
        token = self.tokens.get(text)
        if token is None or self.devices[token.device].user != user:
            return "refused", None
        if self.status(token.device, now) != "active":
            return "refused", None
        device = self.devices[token.device]
        if token.spent_at is None:
            token.spent_at, token.successor = now, following
            self.tokens[following] = Token(token.device)
            device.last_used_at = now
            return "trusted", following
        successor = token.successor or ""
        if now - token.spent_at <= GRACE and self.tokens[successor].spent_at is None:
            return "again", successor
        device.ended = True
        self.events.append("theft_suspected")
        for session in self.sessions.values():
            session.ended = session.ended or session.device == token.device
        return "stolen", None

    def sign_in(
        self, user: str, text: str, following: str, session_id: str, now: int
    ) -> tuple[str, str | None]:
        """Use a token for a sign-in, which starts a session without a second factor."""
        answer, token = self.use(user, text, following, now)
        if token is not None:
            self.events.append("used")
            self.sessions[session_id] = Session(user, "device", now, self.tokens[token].device)
        return answer, token

    def end(self, name: str) -> None:
        if not self.devices[name].ended:
            self.devices[name].ended = True
            self.events.append("revoked")

    def end_all(self, user: str, now: int) -> int:
        """End a user's devices; those that have expired without an event. Return how many had not."""
        open_devices = [device for _, device in self._of(user) if not device.ended]
        for device in open_devices:
            device.ended = True
        count = sum(device.expires_at > now for device in open_devices)
        self.events.extend(["revoked"] * count)
        return count

    def end_sessions(self, user: str, now: int) -> None:
        """End all sessions of a user, and with them the devices."""
        self.end_all(user, now)
        for session in self.sessions.values():
            session.ended = session.ended or session.user == user

    def change_password(self, user: str, password: str, now: int) -> None:
        self.users[user].password = password
        self.end_all(user, now)
        if self.password_ends_sessions:
            self.end_sessions(user, now)

    def add_factor(self, user: str, factor: str) -> None:
        self.users[user].factors |= {factor}

    def delete_factor(self, user: str, factor: str, now: int) -> None:
        """Delete an active factor. With the last one goes what sessions proved by it."""
        self.users[user].factors -= {factor}
        self.end_all(user, now)
        self._forget_proofs(user)

    def delete_all_factors(self, user: str, now: int) -> None:
        self.users[user].factors = frozenset()
        self.end_all(user, now)
        self._forget_proofs(user)

    def _forget_proofs(self, user: str) -> None:
        if not self.users[user].factors:
            for session in self.sessions.values():
                session.proof = None if session.user == user else session.proof

    def restore(self) -> int:
        """End all devices and sessions, without an event; return how many devices had not ended."""
        count = sum(not device.ended for device in self.devices.values())
        for device in self.devices.values():
            device.ended = True
        for session in self.sessions.values():
            session.ended = True
        return count

    def _of(self, user: str) -> Iterator[tuple[str, Device]]:
        return ((name, device) for name, device in self.devices.items() if device.user == user)
