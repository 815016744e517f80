"""Buttons of the sign-in pages that prove nothing: go on as a user, choose another account, leave."""

from authfactor.http.pages.hosted_sign_in.flow_responses import advance, in_flow, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response


@in_flow
async def continue_as(request: PageRequest) -> Response:
    """Go on as the user of the browser's hosted session."""
    unit = request.af.flow_steps.choices.continue_as(visit_of(request))
    return advance(request, await request.af.run(unit))


@in_flow
async def start_over(request: PageRequest) -> Response:
    """Forget what was proven."""
    unit = request.af.flow_steps.choices.start_over(visit_of(request))
    return advance(request, await request.af.run(unit))


@in_flow
async def cancel(request: PageRequest) -> Response:
    """Return to the application without a sign-in."""
    return advance(request, await request.af.run(request.af.flow_steps.choices.cancel(visit_of(request))))
