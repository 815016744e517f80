"""The HTTP layer: the ASGI application, the API, the pages, telemetry."""
