"""What operators and tools ask for, without a key: alive? ready? what can be asked?"""

import msgspec

from authfactor.http import openapi
from authfactor.http.call import Call
from authfactor.http.routing import Route
from authfactor.models import Answer

TAG = "operations"


async def healthz(_call: Call) -> Answer:
    """Tell that the process answers."""
    return Answer(200, b'{"status":"ok"}')


async def readyz(call: Call) -> Answer:
    """Tell that the database answers and its schema is the right one. Raises `Unavailable`."""
    version = await call.af.store.schema_version()
    return Answer(200, msgspec.json.encode({"status": "ready", "schema": version}))


def routes(described: list[Route]) -> list[Route]:
    """Make these routes; the description covers the routes given and these."""
    own = [
        Route("GET", "/healthz", healthz, 200, "Alive?", needs_key=False, tag=TAG),
        Route("GET", "/readyz", readyz, 200, "Ready?", needs_key=False, tag=TAG),
    ]
    document = openapi.document([*described, *own])

    async def describe(_call: Call) -> Answer:
        return Answer(200, document)

    return [*own, Route("GET", "/openapi.json", describe, 200, "This document", needs_key=False, tag=TAG)]
