"""A passkey on the page of an enrollment link, where the browser has passkeys; others use an app.

Every step is a POST, because each opens something: reloading one opens it again.
"""

import msgspec

from authfactor import errors
from authfactor.http.pages import code_problems, factor_rows, passkey_parts
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.http.telemetry.shared_counters import LOCKED, VERDICT_BY_REASON, WRONG
from authfactor.models import Verification
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired
from authfactor.rules.links.page_proofs import UnknownPasskey
from authfactor.rules.links.passkey_enrollment import PasskeyStep
from authfactor.webauthn.assertion_text import import_parsers


async def go_back(request: PageRequest) -> Response:
    """Redirect a GET, such as that of another language, to the page of the link."""
    return request.redirect(_home(request))


async def add(request: PageRequest) -> Response:
    """Ask the browser for a passkey, and then store it."""
    form = request.form()
    if "credential" not in form:
        return await _show(request)
    await import_parsers()
    credential = form["credential"].encode("utf-8", "surrogatepass")
    ids = request.ids[0], request.page_secret(), form.get("registration_id", "")
    try:
        finish = request.af.passkey_enrollment.finish(*ids, form.get("name", ""), credential)
        page_session = await request.af.run(finish)
    except ConfirmationRequired:
        return await _show(request)
    except errors.InvalidRequest as error:
        return await _show(request, refused=passkey_parts.refusal_in(error))
    except (errors.NotFound, errors.ChallengeExpired, errors.ChallengeAlreadyVerified):
        return await _show(request, refused="expired")
    link = page_session.link
    here = _home(request)
    return request.redirect(here if page_session.offers_codes else link.return_to or here)


async def confirm(request: PageRequest) -> Response:
    """Check the proof of a factor that the user has, and go on to the passkey."""
    text = await passkey_parts.proof(request)
    factor_id = request.form().get("factor_id", "")
    unit = request.af.passkey_enrollment.confirm(request.ids[0], request.page_secret(), factor_id, text)
    try:
        page_session, verification = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        return await _show(request, locked=error)
    except errors.NotFound:
        return await _show(request)
    if verification is None or verification.valid:
        verdict = code_problems.verdict_of(verification)
        return msgspec.structs.replace(await _show(request), verdict=verdict)
    return await _show(request, verification, page_session.unknown_passkey)


async def _show(
    request: PageRequest,
    verification: Verification | None = None,
    unknown: UnknownPasskey | None = None,
    *,
    locked: errors.TooManyAttempts | None = None,
    refused: str | None = None,
) -> Response:
    """Show the next step; with why the last one was refused."""
    step = await request.af.run(request.af.passkey_enrollment.begin(request.ids[0], request.page_secret()))
    request.default_language(step.page_session.user.locale)
    if step.asks_for_proof:
        return _render_confirmation(request, step, verification, unknown, locked)
    if step.registration is None:
        return request.redirect(_home(request))
    problem = None if refused is None else code_problems.refused_passkey(request, refused)
    return request.render(
        "link/passkey.html",
        status=200 if problem is None else 422,
        error_code=None if problem is None else "invalid_request",
        form_target=step.page_session.link.return_to,
        passkeys=True,
        branding=page_branding(step.page_session.environment, step.page_session.branding),
        registration_id=step.registration.id,
        passkey=passkey_parts.as_json(step.registration.public_key),
        passkey_problem=problem,
        post_to=f"{_home(request)}/passkey",
        back=_home(request),
    )


def _render_confirmation(
    request: PageRequest,
    step: PasskeyStep,
    verification: Verification | None,
    unknown: UnknownPasskey | None,
    locked: errors.TooManyAttempts | None,
) -> Response:
    problem, error_code, verdict = None, None, None
    if locked is not None:
        problem, error_code, verdict = code_problems.locked(request, locked), locked.code, LOCKED
    elif verification is not None:
        problem = code_problems.rejected(request, verification, counts_down=False)
        verdict = VERDICT_BY_REASON.get(verification.reason, WRONG)
        error_code = code_problems.error_code_of(verification)
    page_session = step.page_session
    names = passkey_parts.names(step.passkey_options, unknown, problem, verification)
    return request.render(
        "link/enroll_confirm.html",
        status=200 if problem is None else 422,
        error_code=error_code,
        verdict=verdict,
        branding=page_branding(page_session.environment, page_session.branding),
        factor=step.factors[0],
        choices=[factor_rows.app_row(request.texts, each) for each in step.factors if each.is_totp],
        chosen=request.form().get("factor_id", ""),
        days_offered=None,
        post_to=f"{_home(request)}/passkey/confirm",
        back=_home(request),
        **names,
    )


def _home(request: PageRequest) -> str:
    return f"/enroll/{request.ids[0]}"
