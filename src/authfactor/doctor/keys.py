"""The key ring: whether it can be read, and holds every key that something in the database is sealed with."""

from authfactor.crypto import keyring
from authfactor.crypto.vault import Key, Vault
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.rules.maintenance.key_rotation import KeyRotation
from authfactor.settings import Settings
from authfactor.store import PLACES, Store

_SHOWN = 3
_PUT_BACK = "Put it back from the backup of the key ring."


def ring(settings: Settings, findings: list[DoctorFinding]) -> list[Key]:
    """Read the ring, from its file or its command; empty when it cannot be, with a finding that says why."""
    source = keyring.source_of(settings)
    if not source.exists():
        text = f"{source.shown} is not there"
        findings.append(warning("keys", text, "The first start makes it; or restore it."))
        return []
    try:
        keys = source.read()
    except keyring.KeyRingUnusable as error:
        findings.append(problem("keys", str(error), "Restore the key ring from its backup."))
        return []
    findings.append(ok("keys", f"{len(keys)} on the ring, '{keys[-1].id}' seals"))
    return keys


async def needed(store: Store, vault: Vault | None, clock: Clock) -> list[DoctorFinding]:
    """Find keys that the database needs and the ring lacks, and sealed values of any table that do not open.

    Factors' secrets are opened elsewhere.
    """
    sealing = KeyRotation(clock, "")
    missing = await sealing.missing_keys(store, () if vault is None else vault.key_ids)
    if missing:
        counts = await sealing.counts(store)
        return [_missing(key_id, counts.get(key_id, 0)) for key_id in missing]
    if vault is None:
        return []
    others = [place for place in PLACES if place.table != "factors"]
    shut = await sealing.unopenable_rows(store, vault, others)
    if not shut:
        return []
    text = f"{len(shut)} sealed values do not open: they were damaged or moved ({', '.join(shut[:_SHOWN])})"
    return [problem("keys", text, "Restore these rows from a backup, or make them anew.")]


def _missing(key_id: str, count: int) -> DoctorFinding:
    text = f"the key '{key_id}' is needed and not on the ring ({count} sealed values): no server starts"
    advice = _PUT_BACK if count else f"{_PUT_BACK} Or, as nothing needs it: authfactor vault retire {key_id}"
    return problem("keys", text, advice)
