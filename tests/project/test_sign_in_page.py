"""The page docs/how-to/sign-in.md: a program per language, and a run of it that cannot pass by accident."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from conformance.sign_in import dialog, page
from conformance.sign_in.__main__ import LANGUAGES, check
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment, running
from tests.support.skip_or_fail import skip_or_fail

SECTIONS: Final = page.sections(page.PAGE.read_text(encoding="utf-8"))
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SIGNS_IN: Final = f"""
print("key: {SECRET}")
first, second = input("code: "), input("next code: ")
assert first != second and len(first) == len(second) == 6
print("signed in: user_1")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("sign-in")) as server:
        yield server


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_one_program_and_the_command_that_runs_it(language: str) -> None:
    program = page.program(SECTIONS[language])
    run = page.commands(SECTIONS[language])[-1]
    assert run.rstrip().endswith(f"robin@{run.rpartition('@')[2].strip()}")
    assert program.file in run or language == "Go"
    assert "mfa_challenge" in program.text or "MFAChallengeError" in program.text
    assert "pending" in program.text.lower()


def test_the_page_has_exactly_the_languages_of_the_reference() -> None:
    assert {name for name, blocks in SECTIONS.items() if any(block.file for block in blocks)} == set(
        LANGUAGES
    )


def test_the_program_for_curl_signs_a_user_in(server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        skip_or_fail("bash or curl is not on PATH")
    program = page.program(SECTIONS["curl"])
    (tmp_path / program.file).write_text(program.text, encoding="utf-8")
    email = "kim.curl@example.org"
    where = {"WORKOS_BASE_URL": server.url, "WORKOS_API_KEY": API_KEY, "WORKOS_CLIENT_ID": CLIENT_ID}
    user = dialog.sign_in(LANGUAGES["curl"](tmp_path, email), tmp_path, clean_environment(**where))
    with server.client() as client:
        check(client, user, email)
        with pytest.raises(AssertionError):
            check(client, user, "another@example.org")


def test_a_user_who_has_only_a_password_has_not_passed(server: Server) -> None:
    email, password = "no-factor@example.org", "a long and rare passphrase 7!"
    with server.client() as client:
        user = client.post("/user_management/users", json={"email": email, "password": password}).json()["id"]
        with pytest.raises(AssertionError, match="has not signed in"):
            check(client, user, email)
        body = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY}
        client.post("/user_management/authenticate", json={**body, "email": email, "password": password})
        with pytest.raises(AssertionError):
            check(client, user, email)


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ("", "", ""),
        (', input("next code: ")', ', "123456"', "after 1 codes"),
        ('print("signed in', 'print("welcome', "after 2 codes"),
        ("assert", "raise SystemExit(3)\nassert", "exit code 3"),
        (SECRET, "none", "timed out"),
    ],
)
def test_a_program_that_skips_a_step_fails(tmp_path: Path, was: str, becomes: str, reason: str) -> None:
    (tmp_path / "program.py").write_text(
        SIGNS_IN.replace(was, becomes) if was else SIGNS_IN, encoding="utf-8"
    )
    command = (sys.executable, "program.py")
    if not reason:
        assert dialog.sign_in(command, tmp_path, clean_environment()) == "user_1"
        return
    with pytest.raises(dialog.Failed, match=reason):
        dialog.sign_in(command, tmp_path, clean_environment(), seconds=3)
