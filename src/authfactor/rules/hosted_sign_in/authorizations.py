"""What an authorization request leads to: a code at once, the sign-in pages, or an error."""

from typing import NamedTuple

import msgspec

from authfactor.models import Clock, Environment
from authfactor.models.hosted_sign_in import BrowserSession
from authfactor.rules.authentication.step_up import StepUp, password_mark
from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes, refusal_location
from authfactor.rules.hosted_sign_in.authorization_requests import (
    AuthorizationQuery,
    AuthorizationRefusal,
    SilentFlowRequest,
    read_request,
)
from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions
from authfactor.rules.hosted_sign_in.redirect_uri_rules import is_loopback_uri, matches
from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows, StartedFlow
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings, is_loopback
from authfactor.store import Unit

LOGIN_REQUIRED = AuthorizationRefusal("login_required", "The user must sign in on a page.")


class BeganAuthorization(NamedTuple):
    """Where to redirect; or, if that is None, the flow whose page comes next."""

    location: str | None
    started: StartedFlow | None = None


class UsableSession(NamedTuple):
    """A hosted session, the email of its user, and whether nothing more must be proven."""

    session: BrowserSession
    email: str
    is_complete: bool


class Authorizations:
    """Answers authorization requests."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        step_up: StepUp,
        browsers: BrowserSessions,
        codes: AuthorizationCodes,
        flows: SignInFlows,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings
        self._step_up = step_up
        self._browsers = browsers
        self._codes = codes
        self._flows = flows

    @unit
    async def accepts(self, scope: Scope, uri: str) -> bool:
        """Return whether sign-ins of an environment may redirect to a URI."""
        table = scope.tx.redirect_uris
        if await table.by_uri(scope.number, uri) is not None:
            return True
        if any(matches(item.uri, uri) for item in await table.patterns(scope.number)):
            return True
        return not is_production(scope.environment, self._settings) and is_loopback_uri(uri)

    def begin(
        self,
        environment: Environment,
        query: AuthorizationQuery,
        *,
        cookie: str | None,
        ip_address: str | None,
        user_agent: str | None,
    ) -> Unit[BeganAuthorization]:
        """Answer a request whose client and redirect URI are accepted; `cookie` is the hosted session's.

        The unit raises `TooManyRequests`.
        """
        read = read_request(query)
        if isinstance(read, AuthorizationRefusal):
            return self._refuse(
                environment, refusal_location(query.values["redirect_uri"], query.state, read)
            )
        request = msgspec.structs.replace(read.request, ip_address=ip_address, user_agent=user_agent)
        return self._begin(environment, SilentFlowRequest(request, read.silent), cookie)

    @unit
    async def _refuse(self, _: Scope, location: str) -> BeganAuthorization:
        return BeganAuthorization(location)

    @unit
    async def _begin(self, scope: Scope, asked: SilentFlowRequest, cookie: str | None) -> BeganAuthorization:
        request, usable = asked.request, await self.usable_session(scope, cookie)
        stale = usable is not None and _is_too_old(usable.session, request.max_age, scope.now)
        again = usable is not None and (stale or request.prompt == "login")
        ready = usable is not None and usable.is_complete and not again
        if usable is not None and ready and request.prompt != "select_account":
            await scope.tx.browser_sessions.touch(scope.number, usable.session.id, scope.now)
            proof = usable.session.proof
            return BeganAuthorization(await self._codes.issue(scope, request, proof, usable.session))
        if asked.silent:
            location = refusal_location(request.redirect_uri, request.state, LOGIN_REQUIRED)
            return BeganAuthorization(location)
        browser = None if usable is None else usable.session
        # A step that is still missing is all that the page asks for.
        goes_on = browser is not None and not again and request.prompt is None
        started = await self._flows.start(
            scope,
            request,
            browser=browser,
            proof=browser.proof if browser is not None and goes_on else None,
            asks_again=again,
            email=usable.email if usable is not None and again else None,
        )
        return BeganAuthorization(None, started)

    async def usable_session(self, scope: Scope, cookie: str | None) -> UsableSession | None:
        """Return the hosted session of a cookie if it is alive and its proof still counts."""
        session = await self._browsers.find(scope, cookie)
        if session is None:
            return None
        user = await scope.tx.users.by_id(scope.number, session.proof.user_id)
        # A new password voids what the old one proved, even where sessions go on.
        if user is None or session.proof.password_mark != password_mark(user.password_hash):
            return None
        step = await self._step_up.next_step(scope, user, proven=session.proof)
        return UsableSession(session, user.email, step.name == "complete")


def is_production(environment: Environment, settings: Settings) -> bool:
    """Return whether the rules of production apply: if nothing is set, unless the server is on loopback."""
    chosen = options_of(environment).production
    return not is_loopback(settings.base_url) if chosen is None else chosen


def _is_too_old(session: BrowserSession, max_age: int | None, now: int) -> bool:
    if max_age is None:
        return False
    # A proof later than now was made before the clock was set back: as far as can be known it is new.
    age = max(0, now - session.proof.authenticated_at)
    return max_age == 0 or age > max_age * 1000
