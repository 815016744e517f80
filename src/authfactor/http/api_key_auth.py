"""Authentication by API key."""

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.models import ApiCaller


async def authenticate(af: Authfactor, headers: dict[bytes, bytes]) -> ApiCaller:
    """Return the caller that the request's Bearer API key belongs to. Raises `Unauthorized`."""
    value = headers.get(b"authorization", b"")
    scheme, _, key = value.partition(b" ")
    if scheme.lower() != b"bearer" or not key:
        raise errors.Unauthorized
    return await af.environments.authenticate(af.store, key.strip().decode("latin-1"))
