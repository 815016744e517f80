"""The hosted pages make recovery codes once, give them as a file, and take one in place of a phone."""

import json
import re
import uuid
from typing import Any, Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import Server, fields

CODE: Final = re.compile('<code class="code">([0-9a-z-]{19})</code>')


class Visit:
    """A browser on the page of a link."""

    def __init__(self, server: Server, browser: httpx.Client, link: dict[str, Any]) -> None:
        self._browser = browser
        token = link["url"].rpartition("/")[2]
        opened = browser.post(f"/link/{token}", headers={"origin": server.url})
        self.path = opened.headers["location"]
        cookie = opened.headers["set-cookie"].partition(";")[0]
        self._headers = {"cookie": cookie, "origin": server.url}

    def get(self) -> httpx.Response:
        return self._browser.get(self.path, headers=self._headers)

    def post(self, path: str = "", **form: str) -> httpx.Response:
        return self._browser.post(self.path + path, data=form, headers=self._headers)


@pytest.fixture
def user(api: httpx.Client) -> dict[str, Any]:
    return fields(api.post("/user_management/users", json={"email": f"{uuid.uuid4().hex}@example.org"}), 201)


@pytest.fixture
def enrolled(server: Server, api: httpx.Client, browser: httpx.Client, user: dict[str, Any]) -> Visit:
    link = fields(api.post("/authfactor/enrollment_links", json={"user_id": user["id"]}), 201)
    visit = Visit(server, browser, link)
    secret = visit.get().text.partition('data-copy-text="')[2].partition('"')[0]
    assert visit.post("/recovery-codes").status_code == 404
    assert visit.post(code=authenticator.code(secret)).status_code == 303
    return visit


def remaining(api: httpx.Client, user: dict[str, Any]) -> int:
    return int(fields(api.get(f"/authfactor/users/{user['id']}/recovery_codes"), 200)["remaining"])


def test_page_makes_codes_once(api: httpx.Client, enrolled: Visit, user: dict[str, Any]) -> None:
    assert "/recovery-codes" in enrolled.get().text
    assert remaining(api, user) == 0
    made = enrolled.post("/recovery-codes")
    assert made.status_code == 200
    assert len(set(CODE.findall(made.text))) == 10
    assert "no-store" in made.headers["cache-control"]
    assert "<script" not in made.text.partition("<main")[2].partition("</main>")[0]
    assert remaining(api, user) == 10
    again = enrolled.post("/recovery-codes")
    assert again.status_code in {409, 410}
    assert not CODE.findall(again.text)
    after = enrolled.get().text
    assert not CODE.findall(after)
    assert "/recovery-codes" not in after


def test_codes_are_offered_once_on_the_way_back_to_the_application(
    server: Server, browser: httpx.Client
) -> None:
    name, welcome = f"offers-{uuid.uuid4().hex[:8]}", "https://app.example.org/welcome"
    key = json.loads(server.run("--json", "environments", "create", name).stdout)["api_key"]
    assert server.run("environments", "update", name, "--page-redirect", welcome).returncode == 0
    with server.client(key) as api:
        person = fields(api.post("/user_management/users", json={"email": "pat@example.org"}), 201)
        for first in (True, False):
            body = {"user_id": person["id"], "return_to": welcome}
            visit = Visit(server, browser, fields(api.post("/authfactor/enrollment_links", json=body), 201))
            secret = visit.get().text.partition('data-copy-text="')[2].partition('"')[0]
            code = authenticator.code(secret)
            for _ in range(2):  # the second form finds the page done
                assert visit.post(code=code).headers["location"] == (visit.path if first else welcome)
            assert ("/recovery-codes" in visit.get().text) is first
            assert f'href="{welcome}"' in visit.get().text
            if first:
                assert f'href="{welcome}"' in visit.post("/recovery-codes").text


def test_codes_are_downloaded_by_a_form(enrolled: Visit) -> None:
    codes = CODE.findall(enrolled.post("/recovery-codes").text)
    file = enrolled.post("/recovery-codes.txt", codes=" ".join(codes))
    assert file.text.split() == codes
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("codes", ["", "<script>", "zzzz-zzzz-zzzz-zzzz x", "zzzz-zzzz-zzzz-zzzz " * 11])
def test_file_has_nothing_but_codes(enrolled: Visit, codes: str) -> None:
    assert enrolled.post("/recovery-codes.txt", codes=codes).status_code == 422


def test_other_browsers_neither_make_nor_download_codes(
    browser: httpx.Client, server: Server, enrolled: Visit, api: httpx.Client, user: dict[str, Any]
) -> None:
    for path in ("/recovery-codes", "/recovery-codes.txt"):
        for cookie in ("", f"{enrolled.path.rpartition('/')[2]}=guess"):
            headers = {"origin": server.url, "cookie": cookie}
            assert browser.post(enrolled.path + path, headers=headers).status_code == 404
    assert remaining(api, user) == 0


def test_lost_phone_is_replaced_by_a_code_on_the_challenge_page(
    server: Server, api: httpx.Client, browser: httpx.Client, enrolled: Visit, user: dict[str, Any]
) -> None:
    codes = CODE.findall(enrolled.post("/recovery-codes").text)
    link = fields(api.post("/authfactor/challenge_links", json={"user_id": user["id"]}), 201)
    visit = Visit(server, browser, link)
    assert "Lost your phone?" in visit.get().text
    assert visit.post("/recovery-codes").status_code in {404, 405}
    assert visit.post(code="zzzz-zzzz-zzzz-zzzz").status_code == 422
    assert visit.post(code=codes[0]).status_code == 303
    assert fields(api.get(f"/authfactor/challenge_links/{link['id']}"), 200)["status"] == "completed"
    assert remaining(api, user) == 9


@pytest.mark.parametrize("language", ["en", "de"])
def test_page_says_that_the_policy_takes_no_recovery_code(
    server: Server, browser: httpx.Client, language: str
) -> None:
    name = f"methods-{uuid.uuid4().hex[:8]}"
    key = json.loads(server.run("--json", "environments", "create", name).stdout)["api_key"]
    with server.client(key) as api:
        fields(api.put("/authfactor/mfa_policy", json={"policy": "if_enrolled", "methods": ["totp"]}), 200)
        body = {"email": "pat@example.org", "locale": language}
        person = fields(api.post("/user_management/users", json=body), 201)["id"]
        secret = {"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
        fields(api.post(f"/user_management/users/{person}/auth_factors", json=secret), 201)
        codes = fields(api.post(f"/authfactor/users/{person}/recovery_codes"), 201)["codes"]
        link = fields(api.post("/authfactor/challenge_links", json={"user_id": person}), 201)
        refused = Visit(server, browser, link).post(code=codes[0])
        expected = {"en": "Recovery codes are not accepted", "de": "gelten keine Wiederherstellungscodes"}
        assert expected[language] in refused.text
        assert remaining(api, {"id": person}) == 10
