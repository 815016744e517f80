"""The page of the second step: a code of an app, or a recovery code."""

from typing import NamedTuple

from authfactor import errors
from authfactor.http.pages import code_problems, trusted_browser_cookie
from authfactor.http.pages.hosted_sign_in.flow_responses import advance, in_flow, render, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON
from authfactor.models import Verification
from authfactor.rules.authentication.code_refusals import CODE_REFUSALS


class FactorChoice(NamedTuple):
    """A factor to choose, as its app shows it."""

    id: str
    label: str


@in_flow
async def show(request: PageRequest) -> Response:
    """Ask for a code."""
    return await _render(request)


@in_flow
async def submit(request: PageRequest) -> Response:
    """Check a code."""
    form, visit = request.form(), visit_of(request)
    unit = request.af.flow_steps.codes.check(
        visit,
        form.get("factor_id", ""),
        form.get("code", ""),
        trusts=bool(form.get(trusted_browser_cookie.FIELD)),
    )
    try:
        result = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        return await _render(
            request, code_problems.locked(request, error), verdict=LOCKED, error_code=error.code
        )
    except errors.SignInRefused as refusal:
        return await _render(
            request, request.texts(f"code.{refusal.reason}"), verdict=None, error_code=refusal.code
        )
    outcome = result.verification
    if outcome is not None and not outcome.valid:
        return await _render_wrong(request, outcome)
    return advance(request, result, code_problems.verdict_of(outcome))


async def _render_wrong(request: PageRequest, outcome: Verification) -> Response:
    reason = outcome.reason or "code_mismatch"
    return await _render(
        request,
        code_problems.rejected(request, outcome, counts_down=False),
        verdict=VERDICT_BY_REASON[reason],
        error_code=CODE_REFUSALS[reason][0],
    )


async def _render(
    request: PageRequest,
    problem: str | None = None,
    *,
    verdict: str | None = None,
    error_code: str | None = None,
) -> Response:
    page = await request.af.run(request.af.flow_steps.codes.view(visit_of(request)))
    return render(
        request,
        "code",
        page.opened,
        status=200 if problem is None else 422,
        verdict=verdict,
        error_code=error_code,
        factor=page.factors[0],
        choices=[
            FactorChoice(each.id, f"{each.issuer} ({each.account})") for each in page.factors if each.is_totp
        ],
        chosen=request.form().get("factor_id", "") if request.http_request.body else "",
        days_offered=page.days_offered,
        has_recovery_codes=page.has_recovery_codes,
        problem=problem,
    )
