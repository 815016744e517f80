"""One request for a page: what the browser sent, and how to answer it."""

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
from authfactor.http.routing import Route
from authfactor.wire.requests import without_nul

FORM: Final = b"application/x-www-form-urlencoded"
MAX_FIELDS: Final = 100
TAG: Final = "pages"
_LANGUAGE: Final = "language"
_YEAR: Final = 365 * 24 * 3600

log = logging.getLogger("authfactor.pages")


class PageRequest:
    """A request that a page answers."""

    def __init__(self, request: Request) -> None:
        """Choose the language: the one picked on a page, then the browser's."""
        self.call = request
        self._picked = request.query().get(_LANGUAGE) if request.query_string else None
        self.set_language(self._picked, self.cookie(_LANGUAGE))

    @property
    def af(self) -> Authfactor:
        """The installation."""
        return self.call.af

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the path, decoded."""
        return self.call.ids

    @property
    def base_url(self) -> str:
        """Where browsers reach this server."""
        return self.af.settings.base_url.rstrip("/")

    def set_language(self, *preferred: str | None) -> None:
        """Choose the language anew: the first preference that there is a catalogue of."""
        accepted = self.call.headers.get(b"accept-language", b"").decode("latin-1")
        self.words = translations.of(translations.choose(accepted, *preferred))

    def default_language(self, *preferred: str | None) -> None:
        """Choose the language by what is known of the person, unless one was picked on a page."""
        self.set_language(self._picked, self.cookie(_LANGUAGE), *preferred)

    def query(self) -> dict[str, str]:
        """Read the query."""
        return self.call.query()

    def form(self) -> dict[str, str]:
        """Read a submitted form; of a repeated field the last counts. Raises `InvalidRequest`."""
        sent_as = self.call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if self.call.body and sent_as != FORM:
            raise errors.InvalidRequest(message="Send the form as application/x-www-form-urlencoded.")
        try:
            pairs = parse_qsl(
                self.call.body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace"
            )
        except ValueError as error:
            raise errors.InvalidRequest(message="The form cannot be read.") from error
        return {name: without_nul(value) for name, value in pairs}

    def cookie(self, name: str) -> str | None:
        """Read a cookie by the name it was set with."""
        return browser_security.read_cookie(self.call.headers, name, self.base_url)

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        cookies: Sequence[Cookie] = (),
        form_target: str | None = None,
        error_code: str | None = None,
        verdict: str | None = None,
        **names: object,
    ) -> Response:
        """Render a page.

        `form_target` is another origin to which its form may redirect. `error_code` and `verdict` are for the
        log and the metrics.
        """
        body = templating.render(
            template, t=self.words, language=self.words.language, path=self.call.path, **names
        )
        headers = (*browser_security.page_headers(form_target), *self._set(cookies))
        return Response(status, body, headers, error_code, verdict)

    def redirect(self, where: str, *, cookies: Sequence[Cookie] = (), verdict: str | None = None) -> Response:
        """Send the browser elsewhere after a form (303: with GET). `where` must be a URL as is."""
        headers = [(b"location", where.encode("ascii"))]
        return Response(303, b"", (*headers, *self._set(cookies)), verdict=verdict)

    def refuse(self, error: errors.AuthfactorError) -> Response:
        """Show an error as a page of its own, in the words of the catalogue where it has any."""
        status = 403 if isinstance(error, browser_security.CrossOrigin) else error_responses.status_of(error)
        code, text = error.code, error.message
        if isinstance(error, errors.InvalidRequest) and error.items:
            code, text = error.items[0].code, error.items[0].message
        known = f"errors.{code}"
        title = self.words(f"{known}.title" if f"{known}.title" in self.words else "errors.other.title")
        text = self.words(f"{known}.text") if f"{known}.text" in self.words else text
        response = self.render(
            "error.html", status=status, error_code=error.code, title=title, text=text, reference=None
        )
        headers = (*response.headers, *error_responses.headers(error))
        return msgspec.structs.replace(response, headers=headers)

    def render_failure(self, reference: str, *, status: int = 500) -> Response:
        """Show that something went wrong on our side; the log has the rest under this reference."""
        title, text = self.words("errors.internal_error.title"), self.words("errors.internal_error.text")
        code = errors.Unavailable.code if status == 503 else errors.AuthfactorError.code  # noqa: PLR2004 - HTTP's
        return self.render(
            "error.html", status=status, error_code=code, title=title, text=text, reference=reference
        )

    def _set(self, cookies: Sequence[Cookie]) -> list[tuple[bytes, bytes]]:
        wanted = list(cookies)
        if self._picked in translations.LANGUAGES:
            wanted.append(Cookie(_LANGUAGE, self._picked, _YEAR))
        return [browser_security.cookie(item, self.base_url) for item in wanted]


def page(
    method: str,
    path: str,
    handler: Callable[[PageRequest], Awaitable[Response]],
    summary: str,
    *,
    status: int = 200,
) -> Route:
    """Make the route of a page: a POST must come from our own pages, and whatever fails is a page too."""

    async def answer(request: Request) -> Response:
        await templating.load()
        visit = PageRequest(request)
        try:
            browser_security.check_origin(request.method, request.headers, visit.base_url)
            return await handler(visit)
        except errors.AuthfactorError as error:
            return visit.refuse(error)
        except UnsealError as error:
            # As at the API: damaged, put into another row, or its key is missing; somebody must mend it.
            reference = request.af.entropy(6).hex()
            told = "a stored secret does not open on page %s, reference %s: %s"
            log.error(told, answer.__name__, reference, error)  # noqa: TRY400 - known, no traceback
            return visit.render_failure(reference, status=503)
        except Exception:
            reference = request.af.entropy(6).hex()
            # Never the path: it may hold the token of a link.
            log.exception("unexpected failure on page %s, reference %s", answer.__name__, reference)
            return visit.render_failure(reference)

    answer.__name__ = handler.__name__
    answer.__doc__ = handler.__doc__
    return Route(method, path, answer, status, summary, needs_key=False, tag=TAG)
