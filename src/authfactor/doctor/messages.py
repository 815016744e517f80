"""Check of messages to users: those that keep failing, and senders whose settings do not open."""

from typing import Final

from authfactor.crypto.vault import UnsealError, Vault
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Environment
from authfactor.rules.messages.kinds import MAIL
from authfactor.rules.messages.senders import settings_row
from authfactor.store import Store, Tx

# Fewer attempts are a matter of a minute.
_MANY_ATTEMPTS: Final = 5


async def examine(store: Store, vault: Vault | None) -> list[DoctorFinding]:
    """Return a finding for each environment with a sender. Connects to nothing."""
    findings = []
    for environment in await store.read(lambda tx: tx.environments.all()):
        found = await store.read(lambda tx, each=environment: _examine(tx, each, vault))  # type: ignore[misc]  # bound now
        findings += [] if found is None else [found]
    return findings


async def _examine(tx: Tx, environment: Environment, vault: Vault | None) -> DoctorFinding | None:
    sender = await tx.senders.of_channel(environment.number, MAIL)
    if sender is None:
        return None
    command = f"authfactor --environment '{environment.name}'"
    try:
        if vault is not None:
            vault.unseal(sender.settings, settings_row(environment.number, MAIL))
    except UnsealError as error:
        text = f"the sender of mail of '{environment.name}' cannot be unsealed: {error}"
        return problem("messages", text, f"Restore the key ring, or run: {command} senders mail set FILE")
    waiting, last_error = await tx.messages.failing(environment.number, _MANY_ATTEMPTS)
    if waiting:
        text = f"{waiting} messages of '{environment.name}' keep failing: {last_error}"
        return warning("messages", text, f"Run: {command} senders mail test YOU@EXAMPLE.ORG")
    return ok("messages", f"'{environment.name}' sends mail ({sender.kind}), and no message keeps failing")
