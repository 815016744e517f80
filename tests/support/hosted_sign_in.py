"""A browser and an application that sign a user in through the hosted pages, without the pages."""

import base64
import hashlib
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec

from authfactor.models import Environment
from authfactor.models.hosted_sign_in import AuthenticationProof, RedirectUriRecord
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.hosted_sign_in.sign_in_flows import CompletedFlow
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from tests.support.application import CLIENT, OTHER_CLIENT, Application, Json

AUTHORIZE: Final = "/user_management/authorize"
CALLBACK: Final = "https://app.example.org/callback"
STATE: Final = "s~t*a.xY"
VERIFIER: Final = "correct-horse-battery-staple-correct-horse-battery"


def challenge_of(verifier: str = VERIFIER) -> str:
    """Return the code challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def request_of(**changes: str | None) -> dict[str, str]:
    """Return the parameters of an authorization request; None leaves one out."""
    parameters: dict[str, str | None] = {
        "client_id": CLIENT,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "provider": "authkit",
        "state": STATE,
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def answer_of(response: httpx.Response) -> dict[str, str]:
    """Return what a redirect to the application adds to its URI."""
    assert response.status_code == 302, response.text
    return answer_in(response.headers["location"])


def answer_in(location: str) -> dict[str, str]:
    """Return the parameters of a redirect to the application."""
    query = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values()), location
    return {name: values[0] for name, values in query.items()}


class Browser:
    """A browser whose cookies are one jar, as are those of a person's browser."""

    def __init__(self, application: Application) -> None:
        self.application = application
        transport = application.api._transport
        self.http = httpx.AsyncClient(transport=transport, base_url=application.api.base_url)

    async def authorize(self, **changes: str | None) -> httpx.Response:
        """Follow the application's link."""
        url = f"{AUTHORIZE}?{urlencode(request_of(**changes))}"
        return await self.http.get(url, headers={"accept": "text/html"})

    async def flow(self, **changes: str | None) -> tuple[str, str]:
        """Follow the link to a sign-in page; return the flow's id and the secret of its cookie."""
        response = await self.authorize(**changes)
        assert response.status_code == 302, response.text
        location = response.headers["location"]
        assert location.startswith("/sign-in/"), location
        cookie = response.headers["set-cookie"].partition(";")[0]
        return location.rpartition("/")[2], cookie.partition("=")[2]

    async def sign_in(self, user: Json, **changes: str | None) -> str:
        """Sign a user in by password on the pages; return where they redirect."""
        flow_id, secret = await self.flow(**changes)
        completed = await complete(self.application, flow_id, secret, user)
        client_id = changes.get("client_id") or CLIENT
        environment = await self.application.environment(client_id)
        assert completed.browser_secret is not None
        self.http.cookies.set(f"signed-in-{environment.number}", completed.browser_secret)
        return completed.location


async def proof_of(
    application: Application,
    user: Json,
    environment: Environment,
    **more: Any,  # noqa: ANN401 - any field
) -> AuthenticationProof:
    """Return what the page for a password proves."""
    record = await application.af.read(lambda tx: tx.users.by_id(environment.number, user["id"]))
    assert record is not None
    now = application.clock.now
    proof = AuthenticationProof(record.id, password_mark(record.password_hash), "password", "pwd", now)
    return msgspec.structs.replace(proof, **more)


async def complete(
    application: Application,
    flow_id: str,
    secret: str,
    user: Json,
    **more: Any,  # noqa: ANN401 - any field
) -> CompletedFlow:
    """Do what the page does once all is proven, in one unit. Raises what that raises."""
    flows = application.af.sign_in_flows
    opened = await application.af.read(flows.load(flow_id, secret))
    proof = await proof_of(application, user, opened.environment, **more)

    async def unit(tx: Tx) -> CompletedFlow:
        return await flows.complete(Scope(tx, opened.environment, application.clock.now), opened.flow, proof)

    return await application.af.run(unit)


async def list_redirect_uri(
    application: Application, uri: str = CALLBACK, client_id: str = CLIENT
) -> RedirectUriRecord:
    """Put a URI on an environment's list, whatever its rules say."""
    environment = await application.environment(client_id)
    now = application.clock.now
    record = RedirectUriRecord(application.af.new_id("redir_"), uri, False, now, now)
    await application.af.run(lambda tx: tx.redirect_uris.insert(environment.number, record))
    return record


async def list_callbacks(application: Application) -> None:
    """Put the callback on the lists of both environments."""
    await list_redirect_uri(application)
    await list_redirect_uri(application, client_id=OTHER_CLIENT)
