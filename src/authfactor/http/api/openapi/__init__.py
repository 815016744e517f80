"""The OpenAPI 3.1 document.

Its schemas come from the types that the server decodes and encodes with, its texts from the reference, and
its examples from the responses that the reference's samples got from a real server.
"""

from typing import Any

import msgspec

from authfactor import reference
from authfactor.http.api.openapi.operations import Operations
from authfactor.http.api.openapi.schemas import Schemas
from authfactor.http.api.openapi.webhooks import EVENT_DATA, webhooks
from authfactor.http.routing import Route
from authfactor.version import __version__


def document(routes: list[Route]) -> bytes:
    """Return the document for a list of routes, as JSON."""
    texts = reference.openapi_texts()
    schemas = Schemas(routes, EVENT_DATA)
    operations = Operations(schemas, texts)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operations.of(route)
    tags = {route.tag for route in routes}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "authfactor",
                "version": __version__,
                "summary": "Self-hosted multi-factor authentication",
                "description": texts.description.strip(),
                "license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"},
            },
            "servers": [{"url": "/", "description": "The server that this document comes from"}],
            "security": [{"bearer": []}],
            "tags": [
                {"name": tag, "description": text} for tag, text in sorted(texts.tags.items()) if tag in tags
            ],
            "paths": paths,
            "webhooks": webhooks(texts),
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "description": texts.key},
                },
                "schemas": schemas.components,
                "responses": operations.shared_responses(),
            },
        }
    )
