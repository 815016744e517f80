"""Attacks without any credentials: a flood of sign-ins, and wrong passwords that lock others out."""

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields, running

PASSWORD: Final = "seven green bottles"
OUR_PAGE: Final = {"sec-fetch-site": "same-origin"}
FLOOD: Final = 150
HONEST: Final = 17
# The page's message, whatever was wrong.
REFUSED: Final = "Email, password or code is wrong."
PACED: Final = "Too many failed sign-ins from here."


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server that believes this machine about the clients' addresses."""
    settings = {"AUTHFACTOR_TRUSTED_PROXIES": "127.0.0.1", "AUTHFACTOR_REFUSAL_TIME": "0"}
    with running(tmp_path_factory.mktemp("strangers") / "data", settings) as server:
        yield server


class Operator:
    """An operator who has been set up, with the browser that was used."""

    def __init__(self, email: str, secret: str, browser: httpx.Client) -> None:
        self.email = email
        self.secret = secret
        self.browser = browser

    def code(self, ahead: int = 0) -> str:
        return authenticator.code_at(self.secret, authenticator.current_step() + ahead)


@contextmanager
def operator_at(server: Server, email: str, address: str) -> Iterator[Operator]:
    """Set up an owner in a new browser, with the previous step's code."""
    printed = server.run("operators", "invite", email).stdout
    found = re.search(r"/console/set-up/\S+", printed)
    assert found, printed
    with server.client(key=None) as browser:
        form = {"password": PASSWORD, "again": PASSWORD}
        page = browser.post(found[0], data=form, headers=from_address(address))
        secret = re.search(r'id="secret">([A-Z2-7 ]+)<', page.text)
        assert secret, page.text
        operator = Operator(email, secret[1].replace(" ", ""), browser)
        code = {"code": operator.code(-1)}
        done = browser.post(f"{found[0]}/code", data=code, headers=from_address(address))
        assert done.status_code == 303, done.text
        yield operator


def from_address(address: str) -> dict[str, str]:
    return {**OUR_PAGE, "x-forwarded-for": address}


def sign_in(client: httpx.Client, email: str, password: str, code: str, address: str) -> httpx.Response:
    form = {"email": email, "password": password, "code": code}
    return client.post("/console/sign-in", data=form, headers=from_address(address))


def test_flood_of_console_sign_ins_refuses_no_sign_in_of_a_user(behind_proxy: Server) -> None:
    """Strangers from 150 addresses, each below its own limit, keep only the console busy."""
    with behind_proxy.client() as api:
        emails = [f"{uuid.uuid4().hex}@example.org" for _ in range(HONEST)]
        for email in emails:
            fields(api.post("/user_management/users", json={"email": email, "password": PASSWORD}), 201)

    def stranger(number: int) -> list[int]:
        with behind_proxy.client(key=None) as client:
            address = f"198.18.0.{number}"
            made_up = f"{uuid.uuid4().hex}@example.org"
            return [sign_in(client, made_up, "x", "000000", address).status_code for _ in range(5)]

    def honest(email: str) -> int:
        body = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY, "email": email}
        with behind_proxy.client(key=None) as client:
            response = client.post("/user_management/authenticate", json={**body, "password": PASSWORD})
            return response.status_code

    with ThreadPoolExecutor(FLOOD + HONEST) as threads:
        attack = [threads.submit(stranger, number) for number in range(FLOOD)]
        served = list(threads.map(honest, emails))
        statuses = {status for each in attack for status in each.result()}
    assert served == [200] * HONEST
    assert statuses <= {400, 503}


def test_wrong_passwords_do_not_lock_an_operator_out(behind_proxy: Server) -> None:
    """Neither from other networks nor, on a device that has signed in before, from the same one."""
    home, elsewhere = "203.0.113.1", "203.0.113.2"
    with (
        operator_at(behind_proxy, "kim@example.org", home) as operator,
        behind_proxy.client(key=None) as stranger,
        behind_proxy.client(key=None) as new_device,
    ):
        for number in range(60):
            answer = sign_in(stranger, operator.email, f"wrong {number}", "000000", f"198.18.1.{number}")
            assert REFUSED in answer.text
        for number in range(20):
            sign_in(stranger, operator.email, f"wrong {number}", "000000", home)
        assert PACED in sign_in(stranger, operator.email, PASSWORD, operator.code(), home).text
        known = sign_in(operator.browser, operator.email, PASSWORD, operator.code(), home)
        assert known.status_code == 303, known.text
        answer = sign_in(new_device, operator.email, PASSWORD, operator.code(1), elsewhere)
        assert answer.status_code == 303, answer.text


def test_no_answer_at_the_console_tells_who_is_an_operator(behind_proxy: Server) -> None:
    """After any number of guesses, from one network or from many, an operator's email is like any other."""
    with (
        operator_at(behind_proxy, "lee@example.org", "203.0.113.3") as operator,
        behind_proxy.client(key=None) as client,
    ):
        emails = (operator.email, "stranger@example.org", operator.email.upper())
        for number, email in enumerate(emails):
            answers = [
                sign_in(client, email, "wrong", "000000", f"198.18.2.{number * 30 + place}")
                for place in range(20)
            ]
            assert {(answer.status_code, REFUSED in answer.text) for answer in answers} == {(400, True)}
            paced = [
                sign_in(client, email, "wrong", "000000", f"203.0.113.{100 + number}") for _ in range(12)
            ]
            assert [PACED in answer.text for answer in paced] == [False] * 10 + [True] * 2


def test_locked_codes_do_not_reveal_that_a_password_is_right(behind_proxy: Server) -> None:
    with (
        operator_at(behind_proxy, "robin@example.org", "203.0.113.4") as operator,
        behind_proxy.client(key=None) as thief,
    ):
        for number in range(12):
            answer = sign_in(thief, operator.email, PASSWORD, "000000", f"198.18.3.{number}")
            assert REFUSED in answer.text
        right = sign_in(thief, operator.email, PASSWORD, operator.code(), "198.18.3.100")
        wrong = sign_in(thief, operator.email, "wrong", operator.code(), "198.18.3.101")
        assert right.text == wrong.text
        told = sign_in(operator.browser, operator.email, PASSWORD, operator.code(), "203.0.113.4")
    assert "You can try again in" in told.text
