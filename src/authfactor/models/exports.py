"""What an export reads of a user."""

from typing import NamedTuple

from authfactor.models.factors import FactorDetails
from authfactor.models.tenants import UserRecord


class StoredCode(NamedTuple):
    """A recovery code as it is stored: a digest under a key of the ring."""

    digest: str
    key_id: str
    used_at: int | None
    bits: int | None


class StoredUser(NamedTuple):
    """A user with factors of every type and state, and recovery codes."""

    user: UserRecord
    factors: list[FactorDetails]
    codes: list[StoredCode]
