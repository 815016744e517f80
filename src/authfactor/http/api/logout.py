"""Logging out in a browser, with a redirect to a URL on the environment's allowlist only."""

import contextlib
from typing import Final
from urllib.parse import quote

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http.response import Response
from authfactor.models import Environment, EnvironmentOptions

# All other characters, line breaks above all, are percent-encoded in the Location header.
URL_CHARACTERS: Final = "%/:?#[]@!$&'()*+,;=~-._"


async def log_out(af: Authfactor, session_id: str, return_to: str | None) -> Response:
    """End the session if it exists, and redirect either way, so that the response reveals nothing.

    Raises `InvalidRequest` if no logout redirect is configured.
    """
    environments = await af.read(lambda tx: tx.environments.all())
    for environment in environments:
        with contextlib.suppress(errors.NotFound):
            await af.run(af.sessions.revoke(environment, session_id))
            environments = [environment]
            break
    allowed = [url for environment in environments for url in _redirects(environment)]
    return Response(
        302, b"", ((b"location", quote(_redirect_target(allowed, return_to), safe=URL_CHARACTERS).encode()),)
    )


def _redirects(environment: Environment) -> tuple[str, ...]:
    return msgspec.json.decode(environment.options, type=EnvironmentOptions).logout_redirects


def _redirect_target(allowed: list[str], return_to: str | None) -> str:
    # Compared as a whole: a prefix matches `https://app.example.org.evil.example`.
    if return_to is not None and return_to in allowed:
        return return_to
    if allowed:
        return allowed[0]
    item = errors.Item("return_to", "return_to_not_allowed", "return_to: no logout redirect is configured.")
    raise errors.InvalidRequest(item)
