"""The page of the second step: a code of an app, a passkey, or a recovery code."""

from typing import NamedTuple

from authfactor import errors
from authfactor.http.pages import code_problems, passkey_parts, trusted_browser_cookie
from authfactor.http.pages.hosted_sign_in.flow_responses import advance, in_flow, render, visit_of
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON, WRONG
from authfactor.rules.hosted_sign_in.flow_progress import FlowAdvance


class FactorChoice(NamedTuple):
    """A factor to choose, as its app shows it."""

    id: str
    label: str


class RefusedProof(NamedTuple):
    """Why a proof was refused: for the page, the log and the metrics."""

    problem: str
    error_code: str
    verdict: str | None


@in_flow
async def show(request: PageRequest) -> Response:
    """Ask for a code."""
    return await _render(request)


@in_flow
async def submit(request: PageRequest) -> Response:
    """Check a code, a recovery code, or a passkey."""
    form, visit, text = request.form(), visit_of(request), await passkey_parts.proof(request)
    trusts = bool(form.get(trusted_browser_cookie.FIELD))
    unit = request.af.flow_steps.codes.check(visit, form.get("factor_id", ""), text, trusts=trusts)
    try:
        result = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        refused = RefusedProof(code_problems.locked(request, error), error.code, LOCKED)
        return await _render(request, refused)
    except errors.SignInRefused as refusal:
        return await _render(
            request, RefusedProof(request.texts("passkeys.refused.other"), refusal.code, None)
        )
    outcome = result.verification
    if outcome is None or outcome.valid:
        return advance(request, result, code_problems.verdict_of(outcome))
    refused = RefusedProof(
        code_problems.rejected(request, outcome, counts_down=False),
        code_problems.error_code_of(outcome),
        VERDICT_BY_REASON.get(outcome.reason, WRONG),
    )
    return await _render(request, refused, result)


async def _render(
    request: PageRequest, refused: RefusedProof | None = None, result: FlowAdvance | None = None
) -> Response:
    page = await request.af.run(request.af.flow_steps.codes.view(visit_of(request)))
    outcome, unknown = (None, None) if result is None else (result.verification, result.unknown_passkey)
    problem = None if refused is None else refused.problem
    names = passkey_parts.names(page.passkey_options, unknown, problem, outcome)
    return render(
        request,
        "code",
        page.opened,
        status=200 if refused is None else 422,
        verdict=None if refused is None else refused.verdict,
        error_code=None if refused is None else refused.error_code,
        factor=page.factors[0],
        choices=[
            FactorChoice(each.id, f"{each.issuer} ({each.account})") for each in page.factors if each.is_totp
        ],
        chosen=request.form().get("factor_id", "") if request.http_request.body else "",
        days_offered=page.days_offered,
        has_recovery_codes=page.has_recovery_codes,
        **names,
    )
