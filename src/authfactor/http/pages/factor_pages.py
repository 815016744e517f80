"""The page on which users manage their factors, and its steps: each change has a page that says what follows.

A change that needs a code redirects to `/factors/{link_id}/confirm/{then}` and returns from there (decision
0046). Messages after a redirect are named by the query parameter `done`.
"""

from urllib.parse import quote

import msgspec

from authfactor import errors, ids
from authfactor.http.pages import (
    code_problems,
    factor_passkey_pages,
    factor_rows,
    recovery_code_pages,
    setup_secret,
)
from authfactor.http.pages import factor_page_parts as parts
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.models import FactorDetails, Verification
from authfactor.rules.links.factor_page_refusals import ConfirmationRequired, LastFactor, RecoveryCodesMade
from authfactor.rules.links.factor_pages import FactorsPage
from authfactor.rules.links.page_sessions import PageSession


async def show_page(request: PageRequest) -> Response:
    """Show factors, recovery codes and sign-ins."""
    return await _render_page(request, await parts.view(request))


async def _render_page(
    request: PageRequest, page: FactorsPage, renamed: factor_rows.RefusedName | None = None
) -> Response:
    """Render the page; with a name that was refused, in its form."""
    done = request.query().get("done", "")
    current = page.page_session.link.session_id
    known = await factor_passkey_pages.view(request)
    rows = [
        factor_rows.passkey_row(request.texts, factor, known.passkeys.get(factor.id), renamed)
        for factor in page.factors
        if not factor.is_totp
    ]
    return parts.render(
        request,
        "factors",
        page.page_session,
        status=200 if renamed is None else 422,
        # Of the button that leaves the page.
        form_target=page.page_session.link.return_to,
        page=page,
        done=done if done in parts.DONE and renamed is None else None,
        done_kind=parts.DONE.get(done),
        apps=[factor_rows.app_row(request.texts, each, renamed) for each in page.factors if each.is_totp],
        passkey_rows=rows,
        adds_passkeys=known.site is not None,
        signals=factor_passkey_pages.signals(page, known),
        sign_ins=[factor_rows.sign_in_row(request.texts, each, current) for each in page.sign_ins],
        devices=[factor_rows.device_row(request.texts, device) for device in page.devices or ()],
    )


async def show_confirmation(request: PageRequest) -> Response:
    """Ask for a code of an existing factor, unless one was right moments ago."""
    page = await parts.view(request)
    if page.is_confirmed:
        return request.redirect(_path_after(request))
    return await _render_confirmation(request, page)


async def confirm(request: PageRequest) -> Response:
    """Check a code, or a passkey, and go on with what it was asked for."""
    form, (link_id, then) = request.form(), request.ids
    secret, code = request.page_secret(), form.get("code", "")
    is_over = False
    try:
        if factor_passkey_pages.is_by_passkey(request):
            verification, is_over = await factor_passkey_pages.check(request, code)
        else:
            unit = request.af.factor_pages.confirm(link_id, secret, form.get("factor_id", ""), code)
            _, verification = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        return await _render_confirmation(request, await parts.view(request), error=error)
    except errors.NotFound:
        return parts.done(request, "gone")
    if is_over or (verification is not None and not verification.valid):
        return await _render_confirmation(request, await parts.view(request), verification)
    verdict = code_problems.verdict_of(verification)
    name = ids.TRUSTED_DEVICE if then.startswith(ids.TRUSTED_DEVICE) else then
    steps = {
        "add": start_adding,
        "passkey": factor_passkey_pages.start_adding,
        ids.TRUSTED_DEVICE: forget_device,
    }
    if name in steps:
        return msgspec.structs.replace(await steps[name](request), verdict=verdict)
    return request.redirect(_path_after(request), verdict=verdict)


async def _render_confirmation(
    request: PageRequest,
    page: FactorsPage,
    verification: Verification | None = None,
    error: errors.TooManyAttempts | None = None,
) -> Response:
    by_passkey = factor_passkey_pages.is_by_passkey(request)
    problem, ending = parts.problem(request, verification, error)
    if by_passkey and problem is None:
        problem, ending = request.texts("passkeys.refused.expired"), {"status": 422}
    rows = [factor_rows.app_row(request.texts, factor) for factor in page.active if factor.is_totp]
    options = await factor_passkey_pages.confirmation_options(request)
    return parts.render(
        request,
        "factors_confirm",
        page.page_session,
        rows=rows,
        chosen=request.form().get("factor_id", ""),
        has_codes=page.recovery_codes.remaining > 0,
        has_passkeys=len(rows) < len(page.active),
        passkeys=options is not None,
        options=options,
        passkey_problem=problem if by_passkey else None,
        problem=None if by_passkey else problem,
        **ending,
    )


@parts.asks_for_a_code()
async def rename(request: PageRequest) -> Response:
    """Rename a factor."""
    link_id, factor_id = request.ids
    name = request.form().get("name", "")
    try:
        await request.af.run(request.af.factor_pages.rename(link_id, request.page_secret(), factor_id, name))
    except errors.InvalidRequest:
        refused = factor_rows.RefusedName(factor_id, name, request.texts("factors.name_invalid"))
        return await _render_page(request, await parts.view(request), refused)
    return parts.done(request, "renamed")


@parts.asks_for_a_code("add")
async def start_adding(request: PageRequest) -> Response:
    """Enroll another factor and go on to its code."""
    try:
        await request.af.run(request.af.factor_pages.start_adding(request.ids[0], request.page_secret()))
    except errors.InvalidRequest as error:
        if any(item.code == "factor_limit_reached" for item in error.items):
            return parts.done(request, "full")
        raise
    return request.redirect(f"{parts.home(request)}/add/code")


@parts.asks_for_a_code("add")
async def show_adding(request: PageRequest) -> Response:
    """Show the secret of the factor that is being added, and ask for its first code."""
    page_session = await request.af.read(
        request.af.factor_pages.view_adding(request.ids[0], request.page_secret())
    )
    if page_session.factor is None:
        return request.redirect(parts.home(request))
    return _render_adding(request, parts.in_users_language(request, page_session))


@parts.asks_for_a_code("add")
async def finish_adding(request: PageRequest) -> Response:
    """Check the first code of the factor that is being added."""
    code, secret = request.form().get("code", ""), request.page_secret()
    try:
        unit = request.af.factor_pages.finish_adding(request.ids[0], secret, code)
        page_session, verification = await request.af.run(unit)
    except errors.TooManyAttempts as error:
        page_session = await request.af.read(request.af.factor_pages.view_adding(request.ids[0], secret))
        return _render_adding(request, parts.in_users_language(request, page_session), error=error)
    if verification is not None and not verification.valid:
        return _render_adding(request, parts.in_users_language(request, page_session), verification)
    return parts.done(request, "added", code_problems.verdict_of(verification))


def _render_adding(
    request: PageRequest,
    page_session: PageSession,
    verification: Verification | None = None,
    error: errors.TooManyAttempts | None = None,
) -> Response:
    problem, ending = parts.problem(request, verification, error)
    shown = setup_secret.names(request, page_session)
    return parts.render(
        request,
        "enroll",
        page_session,
        factor=page_session.factor,
        problem=problem,
        back=parts.home(request),
        **shown,
        **ending,
    )


@parts.asks_for_a_code()
async def show_removal(request: PageRequest) -> Response:
    """Say what follows when a factor is removed."""
    page = await parts.view(request)
    if not page.is_confirmed:
        raise ConfirmationRequired
    factor = next((each for each in page.factors if each.id == request.ids[1]), None)
    if factor is None:
        return parts.done(request, "gone")
    return parts.render(
        request,
        "factors_remove",
        page.page_session,
        row=await _removal_row(request, factor),
        is_last=[each.id for each in page.active] == [factor.id],
        codes=page.recovery_codes.remaining,
        back=parts.home(request),
    )


async def _removal_row(
    request: PageRequest, factor: FactorDetails
) -> factor_rows.AppRow | factor_rows.PasskeyRow:
    if factor.is_totp:
        return factor_rows.app_row(request.texts, factor)
    known = await factor_passkey_pages.view(request)
    return factor_rows.passkey_row(request.texts, factor, known.passkeys.get(factor.id))


@parts.asks_for_a_code()
async def remove(request: PageRequest) -> Response:
    """Remove a factor."""
    link_id, factor_id = request.ids
    knows_last = request.form().get("last") == "yes"
    unit = request.af.factor_pages.remove(link_id, request.page_secret(), factor_id, knows_last=knows_last)
    try:
        was_last = await request.af.run(unit)
    except LastFactor:
        # The other one was removed since the page was shown.
        return request.redirect(f"{parts.home(request)}/remove/{factor_id}")
    kind = "passkey_removed" if request.form().get("passkey") else "removed"
    return parts.done(request, f"{kind}_last" if was_last else kind)


@parts.asks_for_a_code("recovery-codes")
async def show_new_codes(request: PageRequest) -> Response:
    """Say that new recovery codes replace the old ones."""
    page = await parts.view(request)
    if not page.is_confirmed:
        raise ConfirmationRequired
    if not page.active:
        return request.redirect(parts.home(request))
    codes = page.recovery_codes
    return parts.render(request, "factors_codes", page.page_session, codes=codes, back=parts.home(request))


@parts.asks_for_a_code("recovery-codes")
async def make_codes(request: PageRequest) -> Response:
    """Make recovery codes and show them; only this response has them."""
    given = request.form().get("replaces", "")
    replaces = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else -1  # noqa: PLR2004 - 64 bits
    unit = request.af.factor_pages.make_recovery_codes(request.ids[0], request.page_secret(), replaces)
    try:
        page_session, made = await request.af.run(unit)
    except RecoveryCodesMade:
        return parts.done(request, "codes_already_made")
    except errors.Conflict:
        return request.redirect(parts.home(request))
    return parts.render(
        request,
        "recovery_codes",
        parts.in_users_language(request, page_session),
        codes=made.codes,
        download=f"{parts.home(request)}/recovery-codes.txt",
        back=parts.home(request),
    )


async def download_codes(request: PageRequest) -> Response:
    """Return the codes of the submitted form as a file."""
    await parts.view(request)
    return recovery_code_pages.codes_as_file(request)


@parts.asks_for_a_code()
async def forget_device(request: PageRequest) -> Response:
    """End a trusted device; its next sign-in asks for a code."""
    link_id, device_id = request.ids
    try:
        await request.af.run(request.af.factor_pages.forget_device(link_id, request.page_secret(), device_id))
    except errors.NotFound:
        return parts.done(request, "device_gone")
    return parts.done(request, "forgotten")


@parts.asks_for_a_code("sessions")
async def show_sessions_end(request: PageRequest) -> Response:
    """Say what follows when the other sessions end."""
    page = await parts.view(request)
    if not page.is_confirmed:
        raise ConfirmationRequired
    return parts.render(request, "factors_sessions", page.page_session, page=page, back=parts.home(request))


@parts.asks_for_a_code("sessions")
async def end_sessions(request: PageRequest) -> Response:
    """End all sessions but that of this browser."""
    await request.af.run(request.af.factor_pages.end_other_sessions(request.ids[0], request.page_secret()))
    return parts.done(request, "sessions_ended")


async def leave(request: PageRequest) -> Response:
    """End the page session, and return to the application if it said where to."""
    page_session = await request.af.run(request.af.factor_pages.leave(request.ids[0], request.page_secret()))
    cookies = [Cookie(request.ids[0], "", 0)]
    if page_session.link.return_to:
        return request.redirect(page_session.link.return_to, cookies=cookies)
    return parts.render(
        request, "done", parts.in_users_language(request, page_session), cookies=cookies, offers_codes=False
    )


def _path_after(request: PageRequest) -> str:
    """Return the page that a confirmation was for."""
    then = request.ids[1]
    if then in {"recovery-codes", "sessions"}:
        return f"{parts.home(request)}/{then}"
    if then.startswith(ids.FACTOR):
        return f"{parts.home(request)}/remove/{quote(then, safe='')}"
    return parts.home(request)
