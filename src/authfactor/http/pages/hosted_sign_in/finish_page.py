"""The page before the redirect, for users who have just enrolled: recovery codes, shown once."""

from authfactor.http.pages import recovery_code_pages
from authfactor.http.pages.hosted_sign_in.flow_responses import advance, home, in_flow, render, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response


@in_flow
async def show(request: PageRequest) -> Response:
    """Offer recovery codes to a user who has none, and lead on to the application."""
    page = await request.af.run(request.af.flow_steps.app_enrollment.view_finish(visit_of(request)))
    return render(request, "finish", page.opened, offers_codes=page.offers_codes)


@in_flow
async def submit(request: PageRequest) -> Response:
    """Complete the sign-in; what can wait until a deadline waits."""
    return advance(request, await request.af.run(request.af.flow_steps.choices.finish(visit_of(request))))


@in_flow
async def make_codes(request: PageRequest) -> Response:
    """Make the codes and show them; only this response has them."""
    unit = request.af.flow_steps.app_enrollment.make_recovery_codes(visit_of(request))
    opened, made = await request.af.run(unit)
    download = f"{home(request)}/recovery-codes.txt"
    return render(
        # A language link would have to make the codes again.
        request,
        "recovery_codes",
        opened,
        codes=made.codes,
        download=download,
        languages={},
    )


@in_flow
async def download_codes(request: PageRequest) -> Response:
    """Return the codes of the submitted form as a file: nothing else has them."""
    await request.af.run(request.af.flow_steps.app_enrollment.view_finish(visit_of(request)))
    return recovery_code_pages.codes_as_file(request)
