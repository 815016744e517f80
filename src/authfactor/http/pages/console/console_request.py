"""A page of the console and who looks at it: finds the session, the environment, and what the role allows."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.pages.browser_security import Cookie
from authfactor.http.pages.page_request import PageRequest, page
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import Environment, OperatorContext, PageQuery
from authfactor.rules.console import roles
from authfactor.rules.console.roles import Action
from authfactor.store import Unit
from authfactor.wire.requests import without_nul

COOKIE: Final = "operator"
SIGN_IN: Final = "/console/sign-in"
PAGE_SIZE: Final = 25
T = TypeVar("T")
# Shown after a change; the query names one of these and can say nothing else.
DONE: Final = {
    "created": "Created.",
    "saved": "Saved.",
    "revoked": "Revoked.",
    "deleted": "Deleted.",
    "unlocked": "Unlocked: the user can try codes again.",
    "nothing": "There was nothing to unlock.",
    "disabled": "Disabled.",
    "enabled": "Enabled.",
    "resent": "Due now; it will be sent in a moment.",
    "ended": "The session has ended.",
    "role": "The role was changed. It counts from the next click.",
}


class ConsoleRequest:
    """A visit by an operator who is signed in. `problem` is why the form just sent was refused."""

    def __init__(
        self,
        request: PageRequest,
        seat: OperatorContext,
        environments: list[Environment],
        environment: Environment | None,
    ) -> None:
        """Keep what every page shows."""
        self.visit = request
        self.af = request.af
        self.seat = seat
        self.environments = environments
        self._environment = environment
        self.problem: errors.AuthfactorError | None = None

    @property
    def environment(self) -> Environment:
        """The environment in the path. Raises `RouteNotFound` on pages that have none."""
        if self._environment is None:
            raise errors.RouteNotFound("Not Found")
        return self._environment

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the path behind the environment."""
        return self.visit.ids if self._environment is None else self.visit.ids[1:]

    @property
    def home(self) -> str:
        """Where the pages of this environment begin."""
        return f"/console/e/{self.environment.client_id}"

    def may(self, action: Action) -> bool:
        """Tell whether the role allows this."""
        return roles.may(self.seat.operator, action)

    def field(self, name: str) -> str:
        """Read a field of the form that was sent."""
        return self.visit.form().get(name, "").strip()

    def page_query(self) -> PageQuery:
        """Read cursors of a list from the query."""
        query = self.visit.query()
        return PageQuery(limit=PAGE_SIZE, before=query.get("before"), after=query.get("after"))

    async def act(
        self,
        action: Action,
        unit: Unit[T],
        target: str | Callable[[T], str],
    ) -> T:
        """Do what the form asks, if the role allows it, with the reason it brings."""
        wrapped = self.af.console_actions.act(
            self.seat,
            action,
            unit,
            environment=self._environment,
            target=target,
            reason=self.field("reason"),
            origin=self.visit.call.origin,
        )
        return await self.af.run(wrapped)

    def render(self, template: str, **names: Any) -> Response:  # noqa: ANN401 - whatever the template names
        """Render a page of the console; with a problem, under the problem's status."""
        form = self.visit.form() if self.visit.call.method == "POST" else {}
        return self.visit.render(
            f"console/{template}",
            status=200 if self.problem is None else error_responses.status_of(self.problem),
            error_code=None if self.problem is None else self.problem.code,
            operator=self.seat.operator,
            environments=self.environments,
            environment=self._environment,
            home=self.home if self._environment else "",
            may=self.may,
            when=when,
            done=DONE.get(self.visit.query().get("done", "")),
            problems=[] if self.problem is None else error_messages(self.problem),
            form=_Form(form if self.problem is not None else {}),
            live=self.visit.call.headers.get(b"hx-request") == b"true",
            **names,
        )

    def redirect(self, where: str, done: str = "") -> Response:
        """Send the browser to a page of the console after a form."""
        return self.visit.redirect(f"{where}?done={done}" if done else where)


class _Form(dict[str, str]):
    """What was typed; a field that was not sent is empty."""

    def __missing__(self, name: str) -> str:
        return ""


Handler = Callable[[ConsoleRequest], Awaitable[Response]]


def error_messages(error: errors.AuthfactorError) -> list[str]:
    """Say what is wrong: every item, or the message."""
    items = error.items if isinstance(error, errors.InvalidRequest) else ()
    return [item.message for item in items] or [error.message]


def when(milliseconds: int | None) -> str:
    """Write a moment for people, in UTC, to the minute."""
    if milliseconds is None:
        return "never"
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def public_page(
    method: str, path: str, handler: Callable[[PageRequest], Awaitable[Response]], summary: str
) -> Route:
    """Make the route of a page of the console that nobody must be signed in for."""

    async def answer(request: PageRequest) -> Response:
        _prepare(request)
        return await handler(request)

    answer.__name__ = handler.__name__
    answer.__doc__ = handler.__doc__
    return page(method, path, answer, summary)


def operator_page(
    method: str, path: str, handler: Handler, summary: str, *, on_error: Handler | None = None
) -> Route:
    """Make the route of a page for operators.

    A refused form is shown `again`, with what was wrong and what was typed.
    """

    async def answer(request: PageRequest) -> Response:
        _prepare(request)
        room = await _enter(request, path)
        if isinstance(room, Response):
            return room
        try:
            return await handler(room)
        except errors.AuthfactorError as error:
            room.problem = error
            correctable = isinstance(error, errors.InvalidRequest | errors.Conflict)
            if on_error is not None and correctable:
                return await on_error(room)
            return room.render("problem.html", here="")

    answer.__name__ = handler.__name__
    answer.__doc__ = handler.__doc__
    return page(method, path, answer, summary)


def _prepare(request: PageRequest) -> None:
    if not request.af.settings.console:
        raise errors.RouteNotFound("Not Found")
    request.set_language("en")


async def _enter(request: PageRequest, path: str) -> ConsoleRequest | Response:
    """Find session and environment, or send the browser to sign in."""
    af = request.af
    by_itself = request.call.headers.get(b"hx-request") == b"true"
    token = request.cookie(COOKIE)
    seat = await af.operator_sign_in.context_of(af.store, token, active=not by_itself) if token else None
    if seat is None:
        if by_itself:
            return Response(401, b"", ((b"hx-redirect", SIGN_IN.encode()),), errors.Unauthorized.code)
        return request.redirect(SIGN_IN, cookies=[expired_cookie()] if token else [])
    known = await af.read(lambda tx: tx.environments.all())
    if not path.startswith("/console/e/"):
        return ConsoleRequest(request, seat, known, None)
    wanted = without_nul(request.ids[0])
    environment = next((item for item in known if item.client_id == wanted), None)
    room = ConsoleRequest(request, seat, known, environment)
    if environment is None:
        room.problem = errors.NotFound("Environment", wanted)
        return room.render("problem.html", here="")
    return room


def session_cookie(token: str) -> Cookie:
    """Make the cookie that holds a session; it is gone when the browser is closed."""
    return Cookie(COOKIE, token, None, "Strict")


def expired_cookie() -> Cookie:
    """Make the cookie that removes it."""
    return Cookie(COOKIE, "", 0, "Strict")


def page_links(
    path: str, query: dict[str, str], before: str | None, after: str | None
) -> Sequence[str | None]:
    """Make the addresses of the pages before and after this one, filters kept."""
    kept_query = {name: value for name, value in query.items() if name not in {"before", "after", "done"}}

    def address(name: str, cursor: str | None) -> str | None:
        return f"{path}?{urlencode({**kept_query, name: cursor})}" if cursor else None

    return address("before", before), address("after", after)
