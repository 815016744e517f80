"""Who may come in, and what a request is called."""

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models import ApiCaller


async def caller_of(af: Authfactor, headers: dict[bytes, bytes]) -> ApiCaller:
    """Tell whose API key the request holds. Raises `Unauthorized`."""
    value = headers.get(b"authorization", b"")
    scheme, _, key = value.partition(b" ")
    if scheme.lower() != b"bearer" or not key:
        raise errors.Unauthorized
    return await af.environments.authenticate(af.store, key.strip().decode("latin-1"))
