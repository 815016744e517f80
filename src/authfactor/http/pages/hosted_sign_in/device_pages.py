"""The pages on which a person connects a device that has no browser (RFC 8628 section 3.3).

A code that a stranger sent would connect the stranger's device, so the person is asked whether the device is
theirs before the sign-in, also one who has signed in already (section 5.4).
"""

from typing import Final

from authfactor import errors
from authfactor.http.pages.hosted_sign_in import sign_in_cookies
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.models.hosted_sign_in import FlowRequest
from authfactor.rules.hosted_sign_in.device_authorizations import FoundDevice
from authfactor.rules.hosted_sign_in.sign_in_flows import DEVICE_APPROVED, StartedFlow
from authfactor.rules.unit import Scope
from authfactor.store import Tx

MAX_CODE: Final = 32
MAX_STORED: Final = 500
MAX_SHOWN: Final = 80
OUTCOMES: Final = ("approved", "denied")


async def show_form(request: PageRequest) -> Response:
    """Ask for the code; a link from the device has it."""
    given = request.query().get("user_code", "")[:MAX_CODE]
    return request.render("device/code.html", user_code=given, wrong=False)


async def submit_code(request: PageRequest) -> Response:
    """Ask whether the device is theirs, then begin the sign-in that approves it."""
    form = request.form()
    typed = form.get("user_code", "")[:MAX_CODE]
    devices, address = request.af.device_authorizations, request.http_request.origin.address
    found = await request.af.run(devices.find(typed, address))
    if found is None:
        return request.render("device/code.html", status=422, user_code=typed, wrong=True)
    if not form.get("confirmed"):
        return await _confirm(request, found)
    flow, secret = await _start(request, found)
    header = sign_in_cookies.set_flow(request.http_request, flow.id, secret)
    return Response(303, b"", ((b"location", sign_in_cookies.flow_path(flow.id).encode()), header))


async def show_end(request: PageRequest) -> Response:
    """Say what was decided. Raises `RouteNotFound`."""
    if request.ids[0] not in OUTCOMES:
        raise errors.RouteNotFound("Not Found")
    return request.render("device/done.html", outcome=request.ids[0])


async def _confirm(request: PageRequest, found: FoundDevice) -> Response:
    device, environment = found
    branding = await request.af.read(lambda tx: tx.brandings.of(environment.number))
    half = len(device.user_code) // 2
    return request.render(
        "device/confirm.html",
        branding=page_branding(environment, branding),
        user_code=f"{device.user_code[:half]}-{device.user_code[half:]}",
        # Written by the device, so only for people who know what it should say.
        program=(device.user_agent or "?")[:MAX_SHOWN],
        address=device.ip_address or "?",
    )


async def _start(request: PageRequest, found: FoundDevice) -> StartedFlow:
    http, af, now = request.http_request, request.af, request.af.clock()
    device, environment = found
    agent = http.headers.get(b"user-agent", b"").decode("latin-1").replace("\0", "")[:MAX_STORED]
    target = f"{request.base_url}{DEVICE_APPROVED}"
    asked = FlowRequest(target, ip_address=http.origin.address, user_agent=agent or None)
    cookie = sign_in_cookies.read_browser_session(http, environment.number)

    async def unit(tx: Tx) -> StartedFlow:
        scope = Scope(tx, environment, now)
        usable = await af.authorizations.usable_session(scope, cookie)
        browser = None if usable is None else usable.session
        proof = None if browser is None else browser.proof
        return await af.sign_in_flows.start(scope, asked, browser=browser, proof=proof, device_id=device.id)

    return await af.run(unit)
