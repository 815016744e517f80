"""Checks of the key ring: it can be read and has every key that a value in the database needs."""

from authfactor.crypto import keyring
from authfactor.crypto.vault import Key, Vault
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.rules.maintenance.key_rotation import KeyRotation
from authfactor.settings import Settings
from authfactor.store import SEALED_COLUMNS, Store

_SHOWN = 3
_PUT_BACK = "Restore the key ring from its backup."


def ring(settings: Settings, findings: list[DoctorFinding]) -> list[Key]:
    """Return the keys from the ring's file or command; on failure append a finding and return no keys."""
    source = keyring.source_of(settings)
    if not source.exists():
        text = f"{source.description} does not exist"
        findings.append(
            warning(
                "keys",
                text,
                "The first start creates it. If the database has data, restore the key ring from its backup.",
            )
        )
        return []
    try:
        keys = source.read()
    except keyring.KeyRingUnusable as error:
        findings.append(problem("keys", str(error), "Restore the key ring from its backup."))
        return []
    findings.append(ok("keys", f"{len(keys)} keys on the ring; '{keys[-1].id}' encrypts new secrets"))
    return keys


async def needed(store: Store, vault: Vault | None, clock: Clock) -> list[DoctorFinding]:
    """Find needed keys that are missing, and encrypted values that cannot be decrypted.

    `database.open_secrets` checks the secrets of factors.
    """
    sealing = KeyRotation(clock, "")
    missing = await sealing.missing_keys(store, () if vault is None else vault.key_ids)
    if missing:
        counts = await sealing.counts(store)
        return [_missing(key_id, counts.get(key_id, 0)) for key_id in missing]
    if vault is None:
        return []
    others = [place for place in SEALED_COLUMNS if place.table != "factors"]
    unopenable = await sealing.unopenable_rows(store, vault, others)
    if not unopenable:
        return []
    text = (
        f"{len(unopenable)} encrypted values cannot be decrypted: they were damaged or moved"
        f" ({', '.join(unopenable[:_SHOWN])})"
    )
    return [problem("keys", text, "Restore these rows from a backup, or create these objects again.")]


def _missing(key_id: str, count: int) -> DoctorFinding:
    text = f"the key '{key_id}' is needed, but not on the ring ({count} encrypted values): no server starts"
    advice = (
        _PUT_BACK
        if count
        else f"{_PUT_BACK} Or, since it encrypts nothing, run: authfactor vault retire {key_id}"
    )
    return problem("keys", text, advice)
