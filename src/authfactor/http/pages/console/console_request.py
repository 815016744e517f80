"""Requests for console pages: the operator's session, the environment, permissions, and confirmations."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.pages import browser_security
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.console import confirmation, shown_assertions
from authfactor.http.pages.console.confirmation import CODE_FIELD, VERSION_FIELD
from authfactor.http.pages.console.done_messages import DONE_MESSAGES
from authfactor.http.pages.console.shown_assertions import ASKED_FIELD
from authfactor.http.pages.page_request import PageHandler, PageRequest
from authfactor.http.response import Response
from authfactor.models import Environment, OperatorContext, PageQuery
from authfactor.rules.console import known_devices, roles
from authfactor.rules.console.reauthentication import (
    ConfirmationRefused,
    ReauthenticationRequired,
    require_recent_authentication,
)
from authfactor.rules.console.roles import Action
from authfactor.store import Unit
from authfactor.webauthn.assertion_text import is_assertion
from authfactor.wire.requests import without_nul

SESSION_COOKIE: Final = "operator"
DEVICE_COOKIE: Final = "operator_device"
SIGN_IN_PATH: Final = "/console/sign-in"
PAGE_SIZE: Final = 25
UNKNOWN_VERSION: Final = -1
_MAX_VERSION_DIGITS: Final = 18
T = TypeVar("T")


class ConsoleRequest:
    """A request by a signed-in operator. `problem` is the error of the form that was sent, if any."""

    def __init__(
        self,
        page_request: PageRequest,
        context: OperatorContext,
        environments: list[Environment],
        environment: Environment | None,
    ) -> None:
        """`environment` is the one in the path, if any; `environments` are all, for the navigation."""
        self.page_request = page_request
        self.af = page_request.af
        self.context = context
        self.environments = environments
        self._environment = environment
        self.problem: errors.AuthfactorError | None = None
        self._new_token: str | None = None

    @property
    def environment(self) -> Environment:
        """The environment in the path. Raises `RouteNotFound` on pages that have none."""
        if self._environment is None:
            raise errors.RouteNotFound("Not Found")
        return self._environment

    @property
    def ids(self) -> tuple[str, ...]:
        """The path parameters after the environment."""
        return self.page_request.ids if self._environment is None else self.page_request.ids[1:]

    @property
    def home(self) -> str:
        """The path prefix of this environment's pages."""
        return f"/console/e/{self.environment.client_id}"

    def may(self, action: Action) -> bool:
        """Return whether the operator's role permits an action."""
        return roles.may(self.context.operator, action)

    def field(self, name: str) -> str:
        """Return a field of the submitted form, stripped; empty if it was not sent."""
        return self.page_request.form().get(name, "").strip()

    def version(self) -> int:
        """Return the `updated_at` that the submitted form was rendered from; without one it is outdated."""
        text = self.field(VERSION_FIELD)
        known = text.isascii() and text.isdigit() and len(text) <= _MAX_VERSION_DIGITS
        return int(text) if known else UNKNOWN_VERSION

    async def reload_environment(self) -> None:
        """Read the environment in the path again: it has changed since this request began."""
        self._environment = await self.af.read(self.af.environments.by_client_id(self.environment.client_id))

    def page_query(self) -> PageQuery:
        """Return the cursors of a list from the query, with the console's page size."""
        query = self.page_request.query()
        return PageQuery(limit=PAGE_SIZE, before=query.get("before"), after=query.get("after"))

    async def act(
        self, action: Action, unit: Unit[T], target: str | Callable[[T], str], *, dangerous: bool = False
    ) -> T:
        """Run a unit if the role permits it, with an audit entry that has the form's reason.

        `target` is the id of the changed object, or computes it from the result. `dangerous` asks for a
        recent code where the action alone does not. A code in the form counts only if one is needed. Raises
        `Forbidden`, `ReauthenticationRequired` and `ConfirmationRefused`.
        """

        def prepare() -> Unit[T]:
            return self.af.console_actions.act(
                self.context,
                action,
                unit,
                environment=self._environment,
                target=target,
                reason=self.field("reason"),
                dangerous=dangerous,
                origin=self.page_request.http_request.origin,
            )

        try:
            return await self.af.run(prepare())
        except ReauthenticationRequired:
            if not self.field(CODE_FIELD):
                raise
        await self._confirm(self.field(CODE_FIELD))
        return await self.af.run(prepare())

    async def require_confirmation(self) -> None:
        """Ask for a recent second factor, before a page that leads to a dangerous action; raises as `act`."""
        try:
            require_recent_authentication(self.context.session, self.af.clock())
        except ReauthenticationRequired:
            if not self.field(CODE_FIELD):
                raise
            await self._confirm(self.field(CODE_FIELD))

    async def _confirm(self, code: str) -> None:
        """Check a code or an assertion, and continue in the session's new token."""
        af, origin = self.af, self.page_request.http_request.origin
        token = self.page_request.cookie(SESSION_COOKIE) or ""
        if is_assertion(code):
            prepare = af.reauthentication.prepare_by_passkey
            unit = await prepare(self.context, token, self.field(ASKED_FIELD), code, origin)
        else:
            unit = af.reauthentication.confirm(self.context, token, code, origin)
        self._new_token = await af.run(unit)
        context = await af.operator_sign_in.context_of(af.store, self._new_token)
        if context is None:
            raise errors.Unauthorized
        self.context = context

    async def ask_for_code(self, summary: str) -> Response:
        """Show what was submitted, with a field for a code; the page submits both to the same URL.

        An operator with passkeys may use one instead.
        """
        submitted = await confirmation.submitted(self.page_request, self._environment)
        return self.render(
            "confirm.html",
            here="",
            summary=summary,
            submitted=submitted,
            code_field=CODE_FIELD,
            asked_field=ASKED_FIELD,
            passkeys=True,
            passkey=await shown_assertions.for_confirmation(self.af, self.context),
            locked_until=getattr(self.problem, "locked_until", None),
            now=self.af.clock(),
        )

    def with_session(self, response: Response) -> Response:
        """Return a response that sets the cookie of the session's new token, if it has one."""
        if self._new_token is None:
            return response
        set_cookie = browser_security.cookie(session_cookie(self._new_token), self.page_request.base_url)
        return msgspec.structs.replace(response, headers=(*response.headers, set_cookie))

    def render(self, template: str, **names: Any) -> Response:  # noqa: ANN401 - template variables
        """Render a console template, with the status of `problem` if it is set."""
        form = self.page_request.form() if self.page_request.http_request.method == "POST" else {}
        return self.page_request.render(
            f"console/{template}",
            status=200 if self.problem is None else error_responses.status_of(self.problem),
            error_code=None if self.problem is None else self.problem.code,
            operator=self.context.operator,
            environments=self.environments,
            environment=self._environment,
            home=self.home if self._environment else "",
            may=self.may,
            format_time=format_time,
            done=DONE_MESSAGES.get(self.page_request.query().get("done", "")),
            problems=self._problems(),
            form=_Form(form if self.problem is not None else {}),
            is_htmx=self.page_request.http_request.headers.get(b"hx-request") == b"true",
            **names,
        )

    def _problems(self) -> list[str]:
        # A question is no problem.
        asked = self.problem is None or isinstance(self.problem, ReauthenticationRequired)
        return [] if asked or self.problem is None else error_messages(self.problem)

    def redirect(self, url: str, done: str = "") -> Response:
        """Redirect to a console page after a form; `done` is a key of `DONE_MESSAGES`."""
        return self.page_request.redirect(f"{url}?done={done}" if done else url)


class _Form(dict[str, str]):
    """The submitted fields; a missing one is empty."""

    def __missing__(self, name: str) -> str:
        return ""


Handler = Callable[[ConsoleRequest], Awaitable[Response]]


def error_messages(error: errors.AuthfactorError) -> list[str]:
    """Return the messages of the error's items, or its own."""
    items = error.items if isinstance(error, errors.InvalidRequest) else ()
    return [item.message for item in items] or [error.message]


def format_time(milliseconds: int | None) -> str:
    """Format a time in UTC, to the minute; None is "never"."""
    if milliseconds is None:
        return "never"
    time = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return time.strftime("%Y-%m-%d %H:%M UTC")


def public_handler(handler: PageHandler) -> PageHandler:
    """Make the handler of a console page that needs no session."""

    async def respond(request: PageRequest) -> Response:
        _check_access(request)
        return await handler(request)

    respond.__name__ = handler.__name__
    return respond


def operator_handler(
    handler: Handler, path: str, summary: str, *, on_error: Handler | None = None
) -> PageHandler:
    """Make the handler of a console page for a signed-in operator; `path` is that of its route.

    An invalid form is rendered again by `on_error`, with the error messages and the submitted values.
    """

    async def respond(request: PageRequest) -> Response:
        _check_access(request)
        console_request = await _authenticate(request, path)
        if isinstance(console_request, Response):
            return console_request
        try:
            response = await handler(console_request)
        except errors.Unauthorized:
            # The session has ended since this request began.
            return request.redirect(SIGN_IN_PATH)
        except errors.AuthfactorError as error:
            console_request.problem = error
            response = await _render_problem(console_request, error, summary, on_error)
        return console_request.with_session(response)

    respond.__name__ = handler.__name__
    return respond


async def _render_problem(
    request: ConsoleRequest, error: errors.AuthfactorError, summary: str, on_error: Handler | None
) -> Response:
    """Ask for a code, show the form again, or say what went wrong."""
    if isinstance(error, ReauthenticationRequired | ConfirmationRefused | errors.TooManyAttempts):
        ended = isinstance(error, ConfirmationRefused) and error.session_ended
        return request.render("problem.html", here="") if ended else await request.ask_for_code(summary)
    if on_error is not None and isinstance(error, errors.InvalidRequest | errors.Conflict):
        try:
            return await on_error(request)
        except errors.AuthfactorError as second:
            # What the form was about is gone.
            request.problem = second
    return request.render("problem.html", here="")


def _check_access(request: PageRequest) -> None:
    """Raise `RouteNotFound` if the console is disabled, `ConnectionNotEncrypted` over plain HTTP."""
    if not request.af.settings.console:
        raise errors.RouteNotFound("Not Found")
    request.set_language("en")
    browser_security.check_encrypted(request.http_request.headers, request.af.settings)


async def _authenticate(request: PageRequest, path: str) -> ConsoleRequest | Response:
    """Find the session and the environment, or redirect to the sign-in page."""
    af = request.af
    is_htmx = request.http_request.headers.get(b"hx-request") == b"true"
    token = request.cookie(SESSION_COOKIE)
    # The page's own refreshes must not extend the session.
    context = await af.operator_sign_in.context_of(af.store, token, active=not is_htmx) if token else None
    if context is None:
        if is_htmx:
            return Response(401, b"", ((b"hx-redirect", SIGN_IN_PATH.encode()),), errors.Unauthorized.code)
        # The cookie stays: a late response to an old token must not delete the cookie of a new one.
        return request.redirect(SIGN_IN_PATH)
    environments = await af.read(lambda tx: tx.environments.all())
    if not path.startswith("/console/e/"):
        return ConsoleRequest(request, context, environments, None)
    client_id = without_nul(request.ids[0])
    environment = next((item for item in environments if item.client_id == client_id), None)
    console_request = ConsoleRequest(request, context, environments, environment)
    if environment is None:
        console_request.problem = errors.NotFound("Environment", client_id)
        return console_request.render("problem.html", here="")
    return console_request


def session_cookie(token: str) -> Cookie:
    """Return the cookie with a session's token; it lasts for the browser session."""
    return Cookie(SESSION_COOKIE, token, None, "Strict")


def device_cookie(token: str) -> Cookie:
    """Return the cookie by which a later sign-in recognizes this device."""
    return Cookie(DEVICE_COOKIE, token, known_devices.LIFE_SECONDS, "Strict")


def expired_cookie() -> Cookie:
    """Return the cookie that deletes the session cookie."""
    return Cookie(SESSION_COOKIE, "", 0, "Strict")


def page_links(
    path: str, query: dict[str, str], before: str | None, after: str | None
) -> Sequence[str | None]:
    """Return the URLs of the newer and the older page, with the current filters."""
    filters = {name: value for name, value in query.items() if name not in {"before", "after", "done"}}

    def url(name: str, cursor: str | None) -> str | None:
        return f"{path}?{urlencode({**filters, name: cursor})}" if cursor else None

    return url("before", before), url("after", after)
