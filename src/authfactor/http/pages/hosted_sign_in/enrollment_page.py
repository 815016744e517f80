"""The page on which a sign-in enrolls its user in an authenticator app."""

from authfactor import errors
from authfactor.http.pages import code_problems, setup_secret
from authfactor.http.pages.dates import day
from authfactor.http.pages.hosted_sign_in.flow_responses import advance, home, in_flow, render, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS
from authfactor.rules.hosted_sign_in.app_enrollment import TOTP


@in_flow
async def show(request: PageRequest) -> Response:
    """Say what is asked for, or show the app's secret and ask for its first code."""
    return await _render(request)


@in_flow
async def start(request: PageRequest) -> Response:
    """Enroll in an app."""
    unit = request.af.flow_steps.app_enrollment.start(visit_of(request))
    return advance(request, await request.af.run(unit))


@in_flow
async def submit(request: PageRequest) -> Response:
    """Check the app's first code."""
    code = request.form().get("code", "")
    unit = request.af.flow_steps.app_enrollment.confirm(visit_of(request), code)
    try:
        result = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        return await _render(
            request, code_problems.locked(request, error), verdict=LOCKED, error_code=error.code
        )
    outcome = result.verification
    if outcome is not None and not outcome.valid:
        reason = outcome.reason or "code_mismatch"
        problem = code_problems.rejected(request, outcome, counts_down=False)
        return await _render(
            request, problem, verdict=VERDICT_BY_REASON[reason], error_code=CODE_REFUSALS[reason][0]
        )
    return advance(request, result, code_problems.verdict_of(outcome))


async def _render(
    request: PageRequest,
    problem: str | None = None,
    *,
    verdict: str | None = None,
    error_code: str | None = None,
) -> Response:
    page = await request.af.run(request.af.flow_steps.app_enrollment.view(visit_of(request)))
    shown = {} if page.secret is None else setup_secret.names_of(page.secret)
    return render(
        request,
        "enroll_start" if page.secret is None else "enroll",
        page.opened,
        status=200 if problem is None else 422,
        verdict=verdict,
        error_code=error_code,
        factor=page.factor,
        offers_passkey=request.af.flow_steps.passkey_enrollment.is_offered(
            page.opened.environment, page.methods
        ),
        offers_app=page.methods is None or TOTP in page.methods,
        later=None if page.grace is None else day(request.texts, page.grace.deadline),
        problem=problem,
        back=None,
        passkey_page=f"{home(request)}/enroll/passkey",
        passkeys=True,
        **shown,
    )
