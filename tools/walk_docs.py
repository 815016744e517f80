"""A newcomer's walk through the documentation: from nothing to the first sign-in with password and code.

Usage: python -m tools.walk_docs [LANGUAGE ...]   (default: Python JavaScript)

In a copy of the tracked files, with an empty home folder, it runs the commands of docs/quick-start.md and of
docs/how-to/sign-in.md as they are written, pastes the program of the page into the file that the page names,
and answers the program's questions. Nothing else is done, and no command may fail. It counts what has to be
typed: every command and code. Programs are copied from the page, whose code blocks have a button for that;
their size is printed. Needs what the two pages ask for, and a package index.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from conformance.sign_in import dialog, page
from conformance.sign_in.__main__ import check
from tests.support.server_process import clean_environment, free_port
from tools import addresses

ROOT: Final = Path(__file__).parents[1]
QUICK_START: Final = Path("docs/quick-start.md")
SIGN_IN: Final = Path("docs/how-to/sign-in.md")
LANGUAGES: Final = ("Python", "JavaScript")
BEFORE: Final = "Before you start"
WRITTEN_PORT: Final = "8080"
FILES_WITH_PORT: Final = ("Makefile", str(QUICK_START), str(SIGN_IN))
START_SECONDS: Final = 300
CODES: Final = "123456\n123456\n"

WORDS_A_MINUTE: Final = 40
CHARACTERS_A_WORD: Final = 5
MINUTES: Final = 5


def commands(root: Path, language: str) -> tuple[str, list[str]]:
    """Return the command that serves, and then the shell blocks of a language, in their order."""
    first = page.sections((root / QUICK_START).read_text(encoding="utf-8"))[""]
    serve = page.commands(first)[0]
    sections = page.sections((root / SIGN_IN).read_text(encoding="utf-8"))
    return serve, page.commands(sections[BEFORE]) + page.commands(sections[language])


def minutes(root: Path, language: str) -> float:
    """Return how long a newcomer types: every command as it is written, and two codes."""
    serve, blocks = commands(root, language)
    return len(serve + "".join(blocks) + CODES) / CHARACTERS_A_WORD / WORDS_A_MINUTE


def script(root: Path, language: str) -> str:
    """Join a language's commands; the program goes into the current folder before the last of them."""
    _, blocks = commands(root, language)
    program = page.program(page.sections((root / SIGN_IN).read_text(encoding="utf-8"))[language])
    paste = f"cat > {program.file} <<'END OF PROGRAM'\n{program.text}END OF PROGRAM\n"
    return "set -eo pipefail\n" + "".join([*blocks[:-1], paste, blocks[-1]])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", default=LANGUAGES)
    languages = parser.parse_args(arguments).languages
    with tempfile.TemporaryDirectory(prefix="newcomer-") as place:
        folder, home = Path(place) / "authfactor", Path(place) / "home"
        home.mkdir()
        port = copy(folder)
        environment = newcomer(home)
        with serving(folder, environment, port, languages[0]):
            for language in languages:
                began = time.monotonic()
                user = dialog.sign_in(("bash", "-c", script(folder, language)), folder, environment, 300)
                key = (folder / ".authfactor" / "demo-api-key").read_text(encoding="utf-8")
                headers = {"authorization": f"Bearer {key}"}
                url = f"http://127.0.0.1:{port}"
                with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
                    check(client, user, email_of(folder, language))
                report(folder, language, time.monotonic() - began)
    return 1 if any(minutes(ROOT, language) >= MINUTES for language in languages) else 0


def copy(folder: Path) -> int:
    """Copy what a clone would have; return the free port that replaces the written one."""
    port = free_port()
    for path in addresses.candidates():
        if path.is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path)
    for name in FILES_WITH_PORT:
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(WRITTEN_PORT, str(port)), encoding="utf-8")
    return port


def newcomer(home: Path) -> dict[str, str]:
    """Return an environment without this project's and this shell's settings."""
    dropped = re.compile(r"AUTHFACTOR_|WORKOS_|MAKE|VIRTUAL_ENV|PYTHON|CI$|MFLAGS")
    kept = {name: value for name, value in clean_environment().items() if not dropped.match(name)}
    return {**kept, "HOME": str(home)}


@contextmanager
def serving(folder: Path, environment: dict[str, str], port: int, language: str) -> Iterator[None]:
    """Run the quick start's command as in a terminal of its own, until its server answers."""
    serve, _ = commands(folder, language)
    log = folder.parent / "server.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("bash", "-c", serve),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl+C reaches what the command has started, too
        )
    try:
        _wait_until_ready(process, port, log)
        print(f"{shlex.quote(serve.strip())}: ready after {time.monotonic() - began:.0f} s", flush=True)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                return
        time.sleep(0.2)
    raise AssertionError(f"the quick start does not serve: {log.read_text(encoding='utf-8')}")


def email_of(root: Path, language: str) -> str:
    return commands(root, language)[1][-1].split()[-1]


def report(root: Path, language: str, seconds: float) -> None:
    program = page.program(page.sections((root / SIGN_IN).read_text(encoding="utf-8"))[language])
    by_hand = len(program.text) / CHARACTERS_A_WORD / WORDS_A_MINUTE
    print(
        f"{language}: signed in with password and code after {seconds:.0f} s, {minutes(root, language):.1f} "
        f"minutes of typing at {WORDS_A_MINUTE} words a minute, and one program of {len(program.text)} "
        f"characters pasted, which would be {by_hand:.1f} minutes by hand",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
