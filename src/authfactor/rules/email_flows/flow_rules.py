"""The rules that the flows are made of."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.ids import IdGenerator
    from authfactor.models import Clock, Entropy
    from authfactor.rules.authentication.password_hashing import PasswordHasher
    from authfactor.rules.authentication.password_throttling import PasswordThrottling
    from authfactor.rules.authentication.sessions import Sessions
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.tenants.users import Users
    from authfactor.settings import Settings


class FlowRules(Protocol):
    """The attributes of an installation that the flows use."""

    clock: "Clock"
    entropy: "Entropy"
    events: "EventLog"
    hasher: "PasswordHasher"
    new_id: "IdGenerator"
    sessions: "Sessions"
    settings: "Settings"
    step_up: "StepUp"
    throttling: "PasswordThrottling"
    users: "Users"
    vault: "Vault"
