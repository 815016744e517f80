"""A browser without scripts on the sign-in pages, as a person drives it."""

import html
import re
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tests.support.application import PASSWORD, Application, Json
from tests.support.hosted_sign_in import CALLBACK, Browser, answer_in

OWN_FORM: Final = {"sec-fetch-site": "same-origin"}


class PageBrowser(Browser):
    """A browser that sends forms. Redirects are followed one by one, so that tests see each."""

    flow_path: str = ""
    page: httpx.Response

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        own = application.af.settings.base_url
        if own.startswith("https:"):
            # Else cookies with `Secure` would stay at home.
            self.http.base_url = httpx.URL(own)

    async def start(self, **changes: Any) -> httpx.Response:  # noqa: ANN401 - parameters of the request
        """Follow the application's link to the page."""
        response = await self.authorize(**changes)
        assert response.status_code == 302, response.text
        self.flow_path = urlsplit(response.headers["location"]).path
        assert self.flow_path.startswith("/sign-in/"), response.headers["location"]
        return await self.get()

    async def get(self, step: str = "") -> httpx.Response:
        """Open a page of the flow, following redirects between its pages."""
        self.page = await self.http.get(self.flow_path + step, follow_redirects=True)
        return self.page

    async def post(self, step: str = "", **form: str) -> httpx.Response:
        """Send a form as the page does; the response is not followed."""
        self.page = await self.http.post(self.flow_path + step, data=form, headers=OWN_FORM)
        return self.page

    async def password(self, user: Json, password: str = PASSWORD) -> httpx.Response:
        """Send email and password."""
        return await self.post(email=user["email"], password=password)

    async def code(self, code: str, **more: str) -> httpx.Response:
        """Send a code to the page of the second step."""
        return await self.post("/code", code=code, **more)

    async def follow(self) -> httpx.Response:
        """Follow the last redirect, which must stay within the flow."""
        assert self.page.status_code == 303, self.page.text
        location = self.page.headers["location"]
        assert location.startswith(self.flow_path), location
        self.page = await self.http.get(location)
        return self.page


def next_page(response: httpx.Response) -> str:
    """Return the step that a response redirects to: `code`, `enroll`, `finish`, or `` for the first page."""
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["location"]).path
    return location.partition("/sign-in/")[2].partition("/")[2]


def sent_to_application(response: httpx.Response) -> dict[str, str]:
    """Return what a response hands to the application."""
    assert response.status_code == 303, shown(response)
    location = response.headers["location"]
    assert location.startswith(CALLBACK), location
    return answer_in(location)


def shown(response: httpx.Response) -> str:
    """Return the text of a page."""
    text = re.sub(r"<[^>]*>", " ", response.text.partition("<body>")[2])
    return html.unescape(re.sub(r"\s+", " ", text)).strip()


def problem(response: httpx.Response) -> str:
    """Return what a page says went wrong."""
    assert response.status_code == 422, shown(response)
    found = re.search(r'role="alert"[^>]*>([^<]+)<', response.text)
    assert found is not None, shown(response)
    return html.unescape(found.group(1))


def value_of(response: httpx.Response, name: str) -> str:
    """Return the value of a field of a form."""
    found = re.search(rf'name="{name}"[^>]*? value="([^"]*)"', response.text)
    assert found is not None, name
    return html.unescape(found.group(1))


def attribute_of(response: httpx.Response, name: str) -> str:
    """Return the value of an attribute of a page."""
    found = re.search(rf'{name}="([^"]*)"', response.text)
    assert found is not None, shown(response)
    return html.unescape(found.group(1))
