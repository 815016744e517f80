"""Bodies of an import of factors."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel


class ImportedEntry(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """A factor of another system, and whose it is."""

    user_id: Annotated[str | None, Meta(description="Id of the user.")] = None
    email: Annotated[
        str | None, Meta(description="Email of the user, if there is no `user_id`; also of one to create.")
    ] = None
    external_id: Annotated[
        str | None, Meta(description="Your application's own id of the user, if there is no `user_id`.")
    ] = None
    totp_secret: Annotated[str | None, Meta(description="Base32 shared secret.")] = None
    uri: Annotated[
        str | None, Meta(description="An `otpauth` URI instead of the secret and what follows.")
    ] = None
    totp_issuer: Annotated[str | None, Meta(description="Issuer that the user's app shows.")] = None
    totp_user: Annotated[str | None, Meta(description="Account name that the user's app shows.")] = None
    algorithm: Annotated[str | None, Meta(description="SHA1 (default), SHA256 or SHA512.")] = None
    digits: Annotated[int | None, Meta(description="6 (default) or 8.")] = None
    period: Annotated[int | None, Meta(description="Seconds of a time step: 30 (default) or 60.")] = None
    drift: Annotated[
        int | None, Meta(description="Steps that the token's clock is known to be ahead, -20 to 20.")
    ] = None

    def __repr__(self) -> str:
        """Omit the secret, for logs and tracebacks."""
        return "ImportedEntry(***)"


class ImportFactors(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """Import factors of other systems."""

    entries: Annotated[list[ImportedEntry] | None, Meta(description="1 to 1,000 factors.")] = None
    create_users: Annotated[
        bool | None, Meta(description="Create users that are unknown and have an `email`. Default: false.")
    ] = None

    def __repr__(self) -> str:
        """Omit the entries, for logs and tracebacks."""
        return f"ImportFactors({len(self.entries or ())} entries)"


class ImportResultObject(ResponseModel, frozen=True, gc=False):
    """What became of an entry."""

    index: int
    status: Literal["imported", "exists", "user_unknown", "refused"]
    code: str | None
    user_id: str | None
    factor_id: str | None


class ImportObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="import"):
    """What became of the entries of an import, in their order, and how many of each there are."""

    imported: int
    exists: int
    user_unknown: int
    refused: int
    results: list[ImportResultObject]


def imported(results: Sequence[ImportResultObject]) -> ImportObject:
    """Render an import."""
    statuses = [each.status for each in results]
    return ImportObject(
        statuses.count("imported"),
        statuses.count("exists"),
        statuses.count("user_unknown"),
        statuses.count("refused"),
        list(results),
    )
