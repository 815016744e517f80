"""A request for a page: its input, its language, and how to render a response."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import UnsealError
from authfactor.http import error_responses
from authfactor.http.pages import browser_security, templating, translations
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.wire.requests import without_nul

FORM_TYPE: Final = b"application/x-www-form-urlencoded"
MAX_FIELDS: Final = 100
LANGUAGE_COOKIE: Final = "language"
_YEAR_SECONDS: Final = 365 * 24 * 3600

log = logging.getLogger("authfactor.pages")


class PageRequest:
    """A request for a page."""

    def __init__(self, request: Request) -> None:
        """Choose the language: the one picked on a page, else by `Accept-Language`."""
        self.http_request = request
        self._picked_language = request.query().get(LANGUAGE_COOKIE) if request.query_string else None
        self.set_language(self._picked_language, self.cookie(LANGUAGE_COOKIE))

    @property
    def af(self) -> Authfactor:
        """The installation."""
        return self.http_request.af

    @property
    def ids(self) -> tuple[str, ...]:
        """The path parameters, decoded."""
        return self.http_request.ids

    @property
    def base_url(self) -> str:
        """The URL at which browsers reach this server, without a trailing slash."""
        return self.af.settings.base_url.rstrip("/")

    def set_language(self, *preferred: str | None) -> None:
        """Set the language to the first supported preference, else by `Accept-Language`."""
        accepted = self.http_request.headers.get(b"accept-language", b"").decode("latin-1")
        self.texts = translations.catalog(translations.choose_language(accepted, *preferred))

    def default_language(self, *preferred: str | None) -> None:
        """Like `set_language`, but a language picked on a page takes precedence."""
        self.set_language(self._picked_language, self.cookie(LANGUAGE_COOKIE), *preferred)

    def query(self) -> dict[str, str]:
        """Parse the query string."""
        return self.http_request.query()

    def form(self) -> dict[str, str]:
        """Parse a submitted form; the last duplicate wins. Raises `InvalidRequest`."""
        content_type = self.http_request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if self.http_request.body and content_type != FORM_TYPE:
            raise errors.InvalidRequest(message="Send the form as application/x-www-form-urlencoded.")
        try:
            pairs = parse_qsl(
                self.http_request.body.decode(),
                keep_blank_values=True,
                max_num_fields=MAX_FIELDS,
                errors="replace",
            )
        except ValueError as error:
            raise errors.InvalidRequest(message="The form is malformed.") from error
        return {name: without_nul(value) for name, value in pairs}

    def cookie(self, name: str) -> str | None:
        """Return a cookie's value by the name it was set with, or None."""
        return browser_security.read_cookie(self.http_request.headers, name, self.base_url)

    def page_secret(self) -> str:
        """Return the secret of the page session of the link in the path. Raises `LinkUnknown` without it."""
        secret = self.cookie(self.ids[0])
        if not secret:
            raise errors.LinkUnknown
        return secret

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        cookies: Sequence[Cookie] = (),
        form_target: str | None = None,
        error_code: str | None = None,
        verdict: str | None = None,
        passkeys: bool = False,
        **names: object,
    ) -> Response:
        """Render a template.

        `form_target`: a URL of another origin that the page's form may redirect to. `error_code` and
        `verdict` are for the log and the metrics. `passkeys`: whether the page may ask for passkeys.
        """
        body = templating.render(
            template, t=self.texts, language=self.texts.language, path=self.http_request.path, **names
        )
        headers = (
            *browser_security.page_headers(form_target, passkeys=passkeys),
            *self.set_cookie_headers(cookies),
        )
        return Response(status, body, headers, error_code, verdict)

    def redirect(self, url: str, *, cookies: Sequence[Cookie] = (), verdict: str | None = None) -> Response:
        """Redirect with 303 (See Other), so that the browser continues with a GET. `url` must be ASCII."""
        headers = [(b"location", url.encode("ascii"))]
        return Response(303, b"", (*headers, *self.set_cookie_headers(cookies)), verdict=verdict)

    def render_error(self, error: errors.AuthfactorError) -> Response:
        """Render an error page, with the catalog's title and text for the error code if it has them."""
        forbidden = isinstance(error, browser_security.CrossOrigin | browser_security.ConnectionNotEncrypted)
        status = 403 if forbidden else error_responses.status_of(error)
        code, text = error.code, error.message
        if isinstance(error, errors.InvalidRequest) and error.items:
            code, text = error.items[0].code, error.items[0].message
        key = f"errors.{code}"
        title = self.texts(f"{key}.title" if f"{key}.title" in self.texts else "errors.other.title")
        text = self.texts(f"{key}.text") if f"{key}.text" in self.texts else text
        response = self.render(
            "error.html", status=status, error_code=error.code, title=title, text=text, reference=None
        )
        headers = (*response.headers, *error_responses.headers(error))
        return msgspec.structs.replace(response, headers=headers)

    def render_failure(self, reference: str, *, status: int = 500) -> Response:
        """Render the page for an unexpected failure; the log has the details under `reference`."""
        title, text = self.texts("errors.internal_error.title"), self.texts("errors.internal_error.text")
        code = errors.Unavailable.code if status == 503 else errors.AuthfactorError.code  # noqa: PLR2004 - HTTP's
        return self.render(
            "error.html", status=status, error_code=code, title=title, text=text, reference=reference
        )

    def set_cookie_headers(self, cookies: Sequence[Cookie]) -> list[tuple[bytes, bytes]]:
        """Return the headers that set these cookies, and that of a language picked on a page."""
        all_cookies = list(cookies)
        if self._picked_language in translations.LANGUAGES:
            all_cookies.append(Cookie(LANGUAGE_COOKIE, self._picked_language, _YEAR_SECONDS))
        return [browser_security.cookie(item, self.base_url) for item in all_cookies]


PageHandler = Callable[[PageRequest], Awaitable[Response]]


def respond_with(handler: PageHandler) -> Callable[[Request], Awaitable[Response]]:
    """Make the handler of a page. A POST must come from our own pages; every error becomes an error page."""

    async def respond(request: Request) -> Response:
        await templating.load()
        page_request = PageRequest(request)
        try:
            browser_security.check_origin(request.method, request.headers, page_request.base_url)
            return await handler(page_request)
        except errors.AuthfactorError as error:
            return page_request.render_error(error)
        except UnsealError as error:
            # As in the dispatcher: an operator must repair it.
            reference = request.af.entropy(6).hex()
            message = "a stored secret cannot be unsealed on page %s, reference %s: %s"
            log.error(message, respond.__name__, reference, error)  # noqa: TRY400 - no traceback needed
            return page_request.render_failure(reference, status=503)
        except Exception:
            reference = request.af.entropy(6).hex()
            # Never the path, which may contain a link's token.
            log.exception("unexpected failure on page %s, reference %s", respond.__name__, reference)
            return page_request.render_failure(reference)

    respond.__name__ = handler.__name__
    return respond
