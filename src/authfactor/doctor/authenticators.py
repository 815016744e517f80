"""Check of the metadata of authenticators: environments that use it have some, and it is not old."""

from typing import Final

from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock, Environment
from authfactor.models.passkeys import MetadataHead
from authfactor.rules.tenants.environments import options_of
from authfactor.store import Store, Tx
from authfactor.wire import timestamps

_CHECK: Final = "passkeys"
_LOAD: Final = "Run: authfactor webauthn metadata load BLOB --root ROOT"
_DAY_MS: Final = 86_400_000
# A BLOB appears about once a month, and names the day of the next one.
_LATE_MS: Final = 7 * _DAY_MS


async def metadata(store: Store, clock: Clock) -> list[DoctorFinding]:
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
