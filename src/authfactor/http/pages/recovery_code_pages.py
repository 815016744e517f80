"""The recovery codes at the end of an enrollment: shown once, printed or downloaded without a script."""

from typing import Final

import msgspec

from authfactor import errors
from authfactor.http.pages import browser_security
from authfactor.http.pages.page_branding import page_branding
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.response import Response
from authfactor.otp import recovery_code

_DISPOSITION: Final = b'attachment; filename="recovery-codes.txt"'


async def make_codes(request: PageRequest) -> Response:
    """Make the codes and show them; only this response has them."""
    secret = request.page_secret()
    unit = request.af.page_sessions.make_recovery_codes(request.ids[0], secret)
    page_session, made = await request.af.run(unit)
    request.default_language(page_session.user.locale)
    return request.render(
        "link/recovery_codes.html",
        link=page_session.link,
        branding=page_branding(page_session.environment, page_session.branding),
        codes=made.codes,
        download=f"/enroll/{request.ids[0]}/recovery-codes.txt",
        back=None,
    )


async def download_codes(request: PageRequest) -> Response:
    """Return the codes of the submitted form as a file: nothing else has them."""
    await request.af.read(request.af.page_sessions.view(request.ids[0], request.page_secret()))
    return codes_as_file(request)


def codes_as_file(request: PageRequest) -> Response:
    """Return the codes of the submitted form as a file. Raises `InvalidRequest` if it has anything else."""
    typed = request.form().get("codes", "").split()
    codes = [code for code in map(recovery_code.clean_code, typed) if code is not None]
    if not codes or len(codes) != len(typed) or len(codes) > recovery_code.COUNT:
        raise errors.InvalidRequest(message="The form has no recovery codes.")
    text = "".join(f"{recovery_code.grouped(code)}\r\n" for code in codes)
    headers = [pair for pair in browser_security.page_headers(None) if pair[0] != b"content-type"]
    headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"content-disposition", _DISPOSITION)]
    return msgspec.structs.replace(Response(200, text.encode()), headers=tuple(headers))
