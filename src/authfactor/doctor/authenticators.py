"""Checks of passkeys: they are for the site that is served, and metadata that they depend on is not old."""

from typing import Final

from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.errors import InvalidRequest
from authfactor.models import Clock, Environment
from authfactor.models.passkeys import MetadataHead
from authfactor.rules.factors.passkey_settings import relying_party_of
from authfactor.rules.tenants.environments import options_of
from authfactor.settings import Settings, server_url
from authfactor.store import Store, Tx
from authfactor.wire import timestamps

_CHECK: Final = "passkeys"
_LOAD: Final = "Run: authfactor webauthn metadata load BLOB --root ROOT"
_SITE: Final = "Set rp_id and origins: authfactor environments update NAME --webauthn-file FILE"
_DAY_MS: Final = 86_400_000
# A BLOB appears about once a month, and names the day of the next one.
_LATE_MS: Final = 7 * _DAY_MS


async def examine(settings: Settings, store: Store, clock: Clock) -> list[DoctorFinding]:
    """Run both checks."""
    return [*await _metadata(store, clock), *await _sites(settings, store)]


async def _metadata(store: Store, clock: Clock) -> list[DoctorFinding]:
    """Check loaded metadata where an environment's passkeys depend on it."""

    async def read(tx: Tx) -> tuple[list[Environment], MetadataHead | None]:
        return await tx.environments.all(), await tx.authenticator_models.head()

    environments, head = await store.read(read)
    modes = {str((options_of(each).webauthn or {}).get("metadata", "off")) for each in environments}
    if modes == {"off"} and head is None:
        return []
    if head is None:
        if "attested" in modes:
            text = "no metadata is loaded, so an environment that asks for attested passkeys accepts none"
            return [problem(_CHECK, text, _LOAD)]
        return [warning(_CHECK, "no metadata is loaded, so broken authenticators are not refused", _LOAD)]
    late = clock() - head.next_update
    if late > _LATE_MS:
        text = (
            f"the metadata of authenticators is {late // _DAY_MS} days late:"
            " models that were broken since are not refused"
        )
        return [warning(_CHECK, text, _LOAD)]
    loaded = timestamps.format_ms(head.loaded_at)
    return [ok(_CHECK, f"metadata of {head.models} models of authenticators, loaded {loaded}")]


async def _sites(settings: Settings, store: Store) -> list[DoctorFinding]:
    """Find passkeys that no page can ask for, since the site has another name now."""

    async def read(tx: Tx) -> list[tuple[Environment, dict[str, int]]]:
        return [(each, await tx.passkeys.count_by_rp_id(each.number)) for each in await tx.environments.all()]

    findings: list[DoctorFinding] = []
    for environment, counts in await store.read(read):
        try:
            served = relying_party_of(environment, server_url.resolved(settings)).rp_id
        except InvalidRequest:
            served = ""
        for rp_id, count in counts.items():
            if rp_id != served:
                text = f"{count} passkeys of the environment '{environment.name}' are for {rp_id}"
                now = f"its pages are at {served}" if served else "browsers take no passkeys at its address"
                findings.append(warning(_CHECK, f"{text}, but {now}", _SITE))
    return findings
