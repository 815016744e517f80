"""The rows: which program stands for which SDK, and what it needs on the machine."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
CACHE: Final = HERE / ".cache"


@dataclass(frozen=True, slots=True)
class Row:
    """One program: its name, the programs it needs on PATH, its environment and its command line."""

    name: str
    needs: tuple[str, ...]
    environment: str
    command: tuple[str, ...]
    note: str = ""


def _python(environment: str, *program: str) -> tuple[str, ...]:
    return (str(CACHE / environment / "bin" / "python"), str(HERE / "python" / program[0]), *program[1:])


def _js(environment: str, program: str) -> tuple[str, ...]:
    # Beside its node_modules: an import of a package looks there only.
    return ("node", str(CACHE / environment / program))


def _java(environment: str) -> tuple[str, ...]:
    # Started for a second or two: the quick compiler and the plain collector save a third of it.
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
    folder = CACHE / environment
    return ("java", *quick, "-cp", f"{folder / 'classes'}:{folder / 'jars' / '*'}", "Life")


SDKS: Final = (
    Row("python 5.46.0", (), "python-5", _python("python-5", "life_5.py")),
    Row(
        "python 5.46.0 async",
        (),
        "python-5",
        _python("python-5", "life_5.py", "async"),
        "Its asynchronous client has no factor and challenge calls; those go through the synchronous one.",
    ),
    Row("python 10.8.0", (), "python-newest", _python("python-newest", "life_newest.py")),
    Row("js 7.82.0", ("node", "npm"), "js-7", _js("js-7", "life_7.mjs")),
    Row(
        "js 11.0.0",
        ("node", "npm"),
        "js-newest",
        _js("js-newest", "life_newest.mjs"),
        "Names Node 22.11 as the oldest it supports; works with 20 too.",
    ),
    Row(
        "go 6.5.0",
        ("go",),
        "go-6",
        (str(CACHE / "go-6" / "life"),),
        "Its list of factors has no page size.",
    ),
    Row(
        "java 7.2.0",
        ("java", "javac", "mvn"),
        "java-7",
        _java("java-7"),
        "Its list of events cannot decode the event types it knows, from any server; webhooks are decoded. "
        "The step-up has no exception class: the pending token is read from the exception's raw body.",
    ),
    Row(
        "curl",
        ("bash", "curl"),
        "",
        ("bash", str(HERE / "curl" / "life.sh")),
        "No SDK: what a shell script sees.",
    ),
)
SPOKEN: Final = ("php", "ruby")
RECORDED: Final = tuple(
    Row(
        f"{path.stem.rpartition('-')[0]} {path.stem.rpartition('-')[2]} (recorded)",
        tuple(language for language in SPOKEN if path.stem.startswith(language)),
        "",
        (sys.executable, "-m", "conformance.recorded.replay", str(path)),
        "Recorded; sent, received and decoded by that language's own HTTP client."
        if path.stem.startswith(SPOKEN)
        else "Recorded: no toolchain of that language is needed.",
    )
    for path in sorted((HERE / "recorded").glob("*.json"))
)
ROWS: Final[Sequence[Row]] = (*SDKS, *RECORDED)

# Every program prints `ok STEP` or `not ok STEP` for these; a step no program of a row has stays empty.
STEPS: Final = (
    "create user",
    "enroll",
    "enroll own",
    "qr code",
    "wrong code",
    "verify",
    "challenge",
    "replay",
    "list",
    "get",
    "unknown ids",
    "bad secret",
    "wrong key",
    "password",
    "sign in",
    "jwks",
    "refresh",
    "sessions",
    "events",
    "webhook",
    "recovery code",
    "delete",
    "delete user",
)
