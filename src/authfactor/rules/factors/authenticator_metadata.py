"""Metadata of authenticators: loaded by operators from a file, for all environments (decision 0050)."""

import hashlib
from collections.abc import Sequence

from authfactor import errors
from authfactor.models import Clock
from authfactor.models.passkeys import AuthenticatorModel, MetadataHead
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Unit
from authfactor.webauthn import metadata_blob
from authfactor.webauthn.metadata_blob import BlobRefused, MetadataBlob


class AuthenticatorMetadata:
    """Loads and shows metadata. Nothing is fetched: the file comes from the operator."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock."""
        self._clock = clock

    def load(self, blob: bytes, roots: Sequence[bytes], *, older: bool = False) -> Unit[MetadataHead]:
        """Verify a BLOB against roots (DER) and replace what is loaded. Raises `InvalidRequest`.

        The unit raises `Conflict` for a BLOB that is older than the loaded one, unless `older`: it may lack
        what became known since.
        """
        try:
            read = metadata_blob.read_blob(blob, roots, self._clock())
        except BlobRefused as refusal:
            raise errors.InvalidRequest(message=str(refusal)) from refusal
        return self._load(read, hashlib.sha256(blob).hexdigest(), older=older)

    @installation_unit
    async def _load(
        self, scope: InstallationScope, read: MetadataBlob, sha256: str, *, older: bool
    ) -> MetadataHead:
        head = MetadataHead(read.number, read.next_update, scope.now, sha256, len(read.models))
        if not await scope.tx.authenticator_models.replace(head, read.models, older=older):
            text = f"Metadata with a serial number above {read.number} is loaded already."
            raise errors.Conflict("metadata_outdated", text)
        return head

    @installation_unit
    async def head(self, scope: InstallationScope) -> MetadataHead | None:
        """Return which metadata is loaded; None before the first load."""
        return await scope.tx.authenticator_models.head()

    @installation_unit
    async def refused(self, scope: InstallationScope) -> list[AuthenticatorModel]:
        """Return the models that are not to be trusted."""
        return await scope.tx.authenticator_models.refused(scope.now)
