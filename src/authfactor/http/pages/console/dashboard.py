"""The first page: numbers at a glance."""

from authfactor.http.pages.console import charts
from authfactor.http.pages.console.console_request import ConsoleRequest, operator_page
from authfactor.http.response import Response
from authfactor.rules.console.dashboard_counts import SPANS, Span

TITLES = {"day": "24 hours", "week": "7 days", "month": "30 days"}


async def go_home(request: ConsoleRequest) -> Response:
    """Go to the first environment."""
    return request.visit.redirect(f"/console/e/{request.environments[0].client_id}")


async def show_overview(request: ConsoleRequest) -> Response:
    """Show numbers of the last day, week or month; a request of the page itself gets the numbers alone."""
    asked = request.visit.query().get("span", "day")
    span: Span = asked if asked in SPANS else "day"
    glance = await request.af.dashboard.counts(request.af.store, request.environment, span)
    drawn = [
        charts.chart(glance, "sign_ins", "Sign-ins", "ok"),
        charts.chart(glance, "failures", "Wrong passwords and codes", "warn"),
        charts.chart(glance, "replays", "Replays refused", "error"),
        charts.chart(glance, "locks", "Users locked", "error"),
    ]
    return request.render(
        "glance.html",
        here="overview",
        span=span,
        spans=TITLES,
        charts=drawn,
        funnel=charts.funnel(glance),
        users=charts.shown(glance.users),
        new_users=charts.shown(glance.total("users"), cut=glance.is_cut("users")),
        at=glance.at,
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


ROUTES = [
    operator_page("GET", "/console", go_home, "The console"),
    operator_page("GET", "/console/e/{environment}", show_overview, "Numbers at a glance"),
]
