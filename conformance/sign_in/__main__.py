# ruff: noqa: T201 - it reports by printing
"""Run the programs of docs/how-to/sign-in.md: `python -m conformance.sign_in [LANGUAGE ...]`.

Each is written to a file as the page shows it and run with the SDK's real package; php and ruby, whose
packages are not available here, with a stand-in that has the SDK's methods, parameters and exceptions.
Afterwards the server must know the user, its active factor and the session.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import httpx

from conformance.rows import CACHE, SDKS
from conformance.sign_in import dialog, page
from conformance.toolchains import QUICK_JAVA, Missing, prepare
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment, fields, running

STAND_INS: Final = Path(__file__).parent / "stand_ins"
EMAIL: Final = "kim.{}@example.org"


def _python(folder: Path, email: str) -> tuple[str, ...]:
    return (str(_cache("python 10.8.0") / "bin" / "python"), "sign_in.py", email)


def _js(folder: Path, email: str) -> tuple[str, ...]:
    (folder / "node_modules").symlink_to(_cache("js 11.0.0") / "node_modules")
    return ("node", "sign_in.mjs", email)


def _go(folder: Path, email: str) -> tuple[str, ...]:
    _needs("go")
    for name in ("go.mod", "go.sum"):
        shutil.copy(STAND_INS.parents[1] / "go" / "6" / name, folder)
    ended = subprocess.run(
        ("go", "build", "-mod=readonly", "-o", "program", "."),
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if ended.returncode:
        raise dialog.Failed(ended.stderr)
    return ("./program", email)


def _php(folder: Path, email: str) -> tuple[str, ...]:
    _needs("php")
    (folder / "vendor").mkdir()
    shutil.copy(STAND_INS / "autoload.php", folder / "vendor")
    return ("php", "sign_in.php", email)


def _ruby(folder: Path, email: str) -> tuple[str, ...]:
    _needs("ruby")
    return ("ruby", "-I", str(STAND_INS), "sign_in.rb", email)


def _java(folder: Path, email: str) -> tuple[str, ...]:
    return ("java", *QUICK_JAVA, "-cp", str(_cache("java 7.2.0") / "jars" / "*"), "SignIn.java", email)


def _curl(folder: Path, email: str) -> tuple[str, ...]:
    _needs("curl")
    return ("bash", "-eu", "-o", "pipefail", "sign_in.sh", email)


# By the page's headings.
LANGUAGES: Final[dict[str, Callable[[Path, str], tuple[str, ...]]]] = {
    "curl": _curl,
    "JavaScript": _js,
    "Python": _python,
    "Go": _go,
    "PHP": _php,
    "Ruby": _ruby,
    "Java": _java,
}


def _cache(name: str) -> Path:
    row = next(row for row in SDKS if row.name == name)
    prepare(row)
    return CACHE / row.environment


def _needs(program: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"{program} is not on PATH")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    named = [name.lower() for name in parser.parse_args(arguments).languages]
    chosen = [name for name in LANGUAGES if name.lower() in named]
    blocks = page.sections(page.PAGE.read_text(encoding="utf-8"))
    failed, missing, passed = 0, 0, 0
    with (
        tempfile.TemporaryDirectory(prefix="sign-in-") as place,
        running(Path(place) / "data") as server,
        server.client() as client,
    ):
        for language in chosen or LANGUAGES:
            began = time.monotonic()
            folder = Path(place) / language
            folder.mkdir()
            try:
                _run(language, page.program(blocks[language]), folder, server, client)
            except Missing as reason:
                missing += 1
                print(f"NOT RUN {language}: {reason}")
            except (dialog.Failed, AssertionError) as reason:
                failed += 1
                print(f"FAILED {language}: {reason}")
            else:
                passed += 1
                print(f"{language}: signed in, {time.monotonic() - began:.1f} s", flush=True)
        failed += _traps(server, client, chosen or LANGUAGES)
    failed += missing if os.environ.get("CI") else 0
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


def _run(language: str, program: page.Block, folder: Path, server: Server, client: httpx.Client) -> None:
    (folder / program.file).write_text(program.text, encoding="utf-8")
    email = EMAIL.format(language.lower())
    command = LANGUAGES[language](folder, email)
    where = {"WORKOS_BASE_URL": server.url, "WORKOS_API_KEY": API_KEY, "WORKOS_CLIENT_ID": CLIENT_ID}
    check(client, dialog.sign_in(command, folder, clean_environment(**where)), email)


# What the page warns of: a user that is created without its password, by the code that looks right.
TRAPS: Final = {
    "Python": """
from workos import WorkOSClient
WorkOSClient().user_management.create_user(email={email!r}, password="a long and rare passphrase 7!")
""",
    "Java": """
public class SignIn {{
  public static void main(String[] arguments) {{
    com.workos.WorkOS.builder().apiKey(System.getenv("WORKOS_API_KEY"))
        .apiBaseUrl(System.getenv("WORKOS_BASE_URL")).build().getUserManagement().create({email!r});
    System.exit(0);
  }}
}}
""",
}


def _traps(server: Server, client: httpx.Client, languages: Iterable[str]) -> int:
    """Check that the page's warnings still hold; return how many do not."""
    wrong = 0
    for language in TRAPS.keys() & set(languages):
        email = f"trap.{language.lower()}@example.org"
        with tempfile.TemporaryDirectory(prefix="trap-") as place:
            folder = Path(place)
            program = {"Python": "sign_in.py", "Java": "SignIn.java"}[language]
            code = TRAPS[language].format(email=email).replace("'", '"')
            (folder / program).write_text(code, encoding="utf-8")
            command = LANGUAGES[language](folder, email)
            where = {"WORKOS_BASE_URL": server.url, "WORKOS_API_KEY": API_KEY, "WORKOS_CLIENT_ID": CLIENT_ID}
            ended = subprocess.run(
                command,
                cwd=folder,
                env=clean_environment(**where),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        body = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY}
        body |= {"email": email, "password": "a long and rare passphrase 7!"}
        refused = client.post("/user_management/authenticate", json=body)
        if ended.returncode or refused.json().get("code") != "invalid_credentials":
            wrong += 1
            print(f"FAILED {language}: its warning no longer holds: {ended.stderr} {refused.text}")
    return wrong


def check(client: httpx.Client, user_id: str, email: str) -> None:
    """Check that the user has signed in with password and code. Raises `AssertionError`."""
    path = f"/user_management/users/{user_id}"
    user = fields(client.get(path), 200)
    assert user["email"] == email, user
    assert user["last_sign_in_at"], "the user has not signed in"
    assert len(fields(client.get(f"{path}/auth_factors"), 200)["data"]) == 1
    sessions = fields(client.get(f"{path}/sessions"), 200)["data"]
    assert [(one["status"], one["auth_method"]) for one in sessions] == [("active", "password")], sessions
    names = "authentication.mfa_succeeded"
    events = fields(client.get("/events", params={"events": names, "limit": 100}), 200)["data"]
    assert user_id in {event["data"]["user_id"] for event in events}, "no code was accepted at the sign-in"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
