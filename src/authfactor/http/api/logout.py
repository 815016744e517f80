"""Where a browser is sent after logging out: to a place on the environment's list, and nowhere else."""

import contextlib
from typing import Final
from urllib.parse import quote

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http.response import Response
from authfactor.models import Environment, EnvironmentOptions

# What may stand in a header as it is; everything else (line breaks above all) is percent-encoded.
URL_CHARACTERS: Final = "%/:?#[]@!$&'()*+,;=~-._"


async def log_out(af: Authfactor, session_id: str, return_to: str | None) -> Response:
    """End the session if there is one; answer a redirect either way, so that nothing is learnt from it.

    Raises `InvalidRequest` when the environment has no place to go to.
    """
    environments = await af.read(lambda tx: tx.environments.all())
    for environment in environments:
        with contextlib.suppress(errors.NotFound):
            await af.run(af.sessions.revoke(environment, session_id))
            environments = [environment]
            break
    allowed = [place for environment in environments for place in _places(environment)]
    return Response(
        302, b"", ((b"location", quote(_target(allowed, return_to), safe=URL_CHARACTERS).encode()),)
    )


def _places(environment: Environment) -> tuple[str, ...]:
    return msgspec.json.decode(environment.options, type=EnvironmentOptions).logout_redirects


def _target(allowed: list[str], return_to: str | None) -> str:
    # Compared whole: a prefix or a parsed host could be tricked (`https://app.example.org.evil.example`).
    if return_to is not None and return_to in allowed:
        return return_to
    if allowed:
        return allowed[0]
    item = errors.Item("return_to", "return_to_not_allowed", "return_to: no logout redirect is configured.")
    raise errors.InvalidRequest(item)
