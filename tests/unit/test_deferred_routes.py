"""Deferred routes promise what their modules have."""

from authfactor.http.api.routes import ROUTES, documented


def test_deferred_routes_are_those_of_their_modules() -> None:
    def facts(routes: list[object]) -> list[tuple[object, ...]]:
        return [
            tuple(getattr(route, name) for name in ("method", "path", "status", "needs_key", "shows_page"))
            for route in routes
        ]

    assert facts([*ROUTES]) == facts([*documented()])
