"""The dashboard of an environment."""

from authfactor.http.pages.console import charts
from authfactor.http.pages.console.console_request import ConsoleRequest
from authfactor.http.response import Response
from authfactor.rules.console.dashboard_counts import SPANS, Span

SPAN_TITLES = {"day": "24 hours", "week": "7 days", "month": "30 days"}


async def go_home(request: ConsoleRequest) -> Response:
    """Redirect to the first environment."""
    return request.page_request.redirect(f"/console/e/{request.environments[0].client_id}")


async def show_dashboard(request: ConsoleRequest) -> Response:
    """Show the counts of the last day, week or month; htmx refreshes only the counts."""
    requested = request.page_request.query().get("span", "day")
    span: Span = requested if requested in SPANS else "day"
    counts = await request.af.dashboard.counts(request.af.store, request.environment, span)
    drawn = [
        charts.chart(counts, "sign_ins", "Sign-ins", "ok"),
        charts.chart(counts, "failures", "Failed sign-ins", "warn"),
        charts.chart(counts, "replays", "Rejected replays", "error"),
        charts.chart(counts, "locks", "Locked users", "error"),
    ]
    return request.render(
        "dashboard.html",
        here="overview",
        span=span,
        spans=SPAN_TITLES,
        charts=drawn,
        funnel=charts.funnel(counts),
        users=charts.format_number(counts.users),
        new_users=charts.format_number(counts.total("users"), truncated=counts.is_cut("users")),
        as_of=counts.at,
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )
