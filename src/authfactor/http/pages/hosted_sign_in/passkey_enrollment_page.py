"""The page on which a sign-in registers a passkey of its user."""

from authfactor import errors
from authfactor.http.pages import code_problems, passkey_parts
from authfactor.http.pages.hosted_sign_in.flow_responses import (
    advance,
    home,
    in_flow,
    path_of,
    render,
    visit_of,
)
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.webauthn.assertion_text import import_parsers


@in_flow
async def go_back(request: PageRequest) -> Response:
    """Redirect a GET, such as that of another language, to the page that offers a passkey."""
    visit_of(request)
    return request.redirect(path_of(request, "enroll"))


@in_flow
async def submit(request: PageRequest) -> Response:
    """Ask the browser for a passkey, and then store it."""
    form, visit = request.form(), visit_of(request)
    if "credential" not in form:
        return await _render(request)
    await import_parsers()
    unit = request.af.flow_steps.passkey_enrollment.finish(
        visit,
        form.get("registration_id", ""),
        form.get("name", ""),
        form["credential"].encode("utf-8", "surrogatepass"),
    )
    try:
        return advance(request, await request.af.run(unit))
    except errors.InvalidRequest as error:
        return await _render(request, passkey_parts.refusal_in(error))
    except (errors.NotFound, errors.ChallengeExpired, errors.ChallengeAlreadyVerified):
        return await _render(request, "expired")


async def _render(request: PageRequest, refused: str | None = None) -> Response:
    unit = request.af.flow_steps.passkey_enrollment.begin(visit_of(request))
    opened, registration = await request.af.run(unit)
    problem = None if refused is None else code_problems.refused_passkey(request, refused)
    return render(
        request,
        "passkey",
        opened,
        status=200 if problem is None else 422,
        error_code=None if problem is None else errors.InvalidRequest.code,
        passkeys=True,
        registration_id=registration.id,
        passkey=passkey_parts.as_json(registration.public_key),
        passkey_problem=problem,
        post_to=f"{home(request)}/enroll/passkey",
        back=path_of(request, "enroll"),
    )
