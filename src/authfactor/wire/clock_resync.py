"""The request body of a resync: two codes of a phone whose clock is off (decision 0044)."""

from typing import Annotated

from msgspec import Meta

from authfactor.wire.requests import RequestModel


class ResyncFactor(RequestModel, frozen=True, gc=False):
    """Resync a factor with a phone whose clock is off."""

    codes: Annotated[
        list[str] | None,
        Meta(description="Two codes in a row, each of six digits, the older one first."),
    ] = None
