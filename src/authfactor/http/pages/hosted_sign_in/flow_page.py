"""The first page of a flow."""

from authfactor.http.pages.hosted_sign_in import sign_in_cookies
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.rules.hosted_sign_in.flow_refusals import FlowUnknown


async def show(request: PageRequest) -> Response:
    """Say that there are no sign-in pages yet."""
    secret = sign_in_cookies.read_flow(request.http_request)
    if not secret:
        raise FlowUnknown
    await request.af.read(request.af.sign_in_flows.load(request.ids[0], secret))
    text = "The pages of the hosted sign-in are not part of this server yet."
    return request.render("error.html", title="Sign in", text=text, reference=None)
