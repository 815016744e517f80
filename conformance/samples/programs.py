"""How the samples of each language are run, or checked where their SDK cannot be had here."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from authfactor import reference
from conformance.rows import CACHE, SDKS, Row
from conformance.toolchains import QUICK_JAVA, Missing, prepare
from tests.support.server_process import API_KEY, CLIENT_ID

HERE: Final = Path(__file__).resolve().parent
SAMPLES: Final = HERE.parents[1] / "samples"
EXTENSIONS: Final = {
    "curl": ".sh",
    "js": ".mjs",
    "python": ".py",
    "go": ".go",
    "php": ".php",
    "ruby": ".rb",
    "java": ".java",
}
# Which of the conformance runner's environments runs a language's samples, by the SDK's major version.
ROWS: Final = {
    ("js", "7"): "js 7.82.0",
    ("js", "11"): "js 11.0.0",
    ("python", "5"): "python 5.46.0",
    ("python", "10"): "python 10.8.0",
    ("python", ""): "python 5.46.0",  # httpx, which that SDK brings along
    ("go", "6"): "go 6.5.0",
    ("java", "7"): "java 7.2.0",
}
# The newest SDKs whose packages can be had, by the name of their samples: samples/LANGUAGE/newest.
NEWEST: Final = {"js-newest": "11", "python-newest": "10", "java-newest": "7"}
# Pages that no sample of the newest SDK can exist for. java 7 does not decode the events that it lists.
WITHOUT: Final = {"java-newest": {"list_events"}, "js-newest": {"send_magic_auth_code"}}
SECONDS: Final = 120
Scenes: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Told:
    """What a program said about one sample."""

    ok: bool
    said: str
    result: str
    printed: str = ""


def row(language: str, major: str) -> Row:
    """Find the row of the conformance runner that stands for this SDK."""
    return next(one for one in SDKS if one.name == ROWS[language, major])


def folder_of(edition: str) -> Path:
    """Where the samples of a language are, or of its newest SDK (`js-newest`)."""
    return SAMPLES.joinpath(*edition.split("-"))


def generated(language: str) -> dict[str, str]:
    """Return the samples that send requests without an SDK, by page."""
    return {name: sample.code for name, sample in reference.samples().get(f"{language}-http", {}).items()}


def names(edition: str) -> set[str]:
    """Name the samples of a language or of its newest SDK, as its reference names the pages."""
    language = edition.partition("-")[0]
    found = {path.stem for path in folder_of(edition).glob(f"*{EXTENSIONS[language]}")}
    if language == "java":
        found = {_snake(name) for name in found}
    return {name for name in found if name != "main" and not name.startswith("connect")}


def path_of(edition: str, name: str) -> Path:
    """Where a sample is."""
    language = edition.partition("-")[0]
    stem = "".join(part.capitalize() for part in name.split("_")) if language == "java" else name
    return folder_of(edition) / f"{stem}{EXTENSIONS[language]}"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def run(edition: str, major: str, base_url: str, scenes: Scenes, folder: Path) -> dict[str, Told]:
    """Run samples of one SDK in one program. Raises Missing when it cannot be had here."""
    made = row(edition.partition("-")[0], major)
    prepare(made)
    environment = environment_of(base_url) | {
        "SCENES": str(folder / "scenes.json"),
        "RESULTS": str(folder / "results.json"),
    }
    (folder / "scenes.json").write_text(json.dumps(scenes), encoding="utf-8")
    (folder / "results.json").write_text("{}", encoding="utf-8")
    ended = _run(_command(edition, made, folder), environment)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if set(results) != set(scenes):
        raise AssertionError(f"the {edition} program broke off: {ended.stdout[-2000:]}")
    return {name: Told(**told) for name, told in results.items()}


def run_curl(base_url: str, name: str, scene: Mapping[str, str]) -> Told:
    """Run one sample in a shell."""
    environment = environment_of(base_url) | {key.upper(): value for key, value in scene.items()}
    connect, sample = SAMPLES / "curl" / "connect.sh", path_of("curl", name)
    ended = _run(("bash", "-euc", f'source "{connect}"; source "{sample}"'), environment)
    return Told(ended.returncode == 0, ended.stdout[-500:], "", ended.stdout)


def _command(edition: str, made: Row, folder: Path) -> tuple[str, ...]:
    cache, samples = CACHE / made.environment, folder_of(edition)
    language = edition.partition("-")[0]
    if language == "js":
        for program in (HERE / "run.mjs", samples / "connect.mjs"):
            shutil.copy(program, cache)
        return ("node", str(cache / "run.mjs"), str(samples))
    if language == "python":
        connect_httpx = SAMPLES / "python" / "connect_httpx.py"
        return (
            str(cache / "bin" / "python"),
            str(HERE / "run_python.py"),
            str(samples),
            str(connect_httpx),
        )
    if language == "java":
        return _java(made, samples, folder)
    return (_built_go(SAMPLES / "go", cache / "samples"),)


def _java(made: Row, samples: Path, folder: Path) -> tuple[str, ...]:
    """Compile the samples against the SDK's jars; the names of parameters say what each takes."""
    jars = CACHE / made.environment / "jars" / "*"
    classes = folder / "classes"
    sources = [HERE / "Run.java", *sorted(samples.glob("*.java"))]
    options = ("-parameters", "-encoding", "UTF-8", "-cp", str(jars), "-d", str(classes))
    quick = tuple(f"-J{option}" for option in QUICK_JAVA)
    ended = _run(("javac", *quick, *options, *map(str, sources)), dict(os.environ))
    if ended.returncode:
        raise AssertionError(f"the java samples do not compile: {ended.stdout[-4000:]}")
    return ("java", *QUICK_JAVA, "-cp", f"{classes}{os.pathsep}{jars}", "Run")


def _built_go(sources: Path, built: Path) -> str:
    ended = subprocess.run(
        ("go", "build", "-mod=readonly", "-o", str(built), "."),
        cwd=sources,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode:
        raise AssertionError(f"the go samples do not compile: {ended.stderr}")
    return str(built)


PARSE_PHP: Final = """
foreach (array_slice($argv, 1) as $path) {
    try { token_get_all(file_get_contents($path), TOKEN_PARSE); }
    catch (ParseError $error) { echo "$path: {$error->getMessage()}\\n"; }
}
"""
PARSE_RUBY: Final = """
ARGV.each do |path|
  RubyVM::InstructionSequence.compile_file(path)
rescue SyntaxError => error
  puts "#{path}: #{error.message}"
end
"""
# What checks the syntax of every sample of a language in one program; it names those that are wrong.
CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    "php": ("php", "-r", PARSE_PHP),
    "ruby": ("ruby", "-e", PARSE_RUBY),
    "java": ("java", str(HERE / "Parse.java")),
}


def check(language: str) -> dict[str, str]:
    """Check the syntax of every sample; return what is wrong by name. Raises Missing without the program."""
    tool = CHECKS[language]
    if shutil.which(tool[0]) is None:
        raise Missing(f"{tool[0]} is not on PATH")
    paths = {str(path_of(language, name)): name for name in names(language) | {"connect"}}
    ended = _run((*tool, *paths), dict(os.environ))
    wrong = {name: ended.stdout for path, name in paths.items() if path in ended.stdout}
    if ended.returncode and not wrong:
        raise AssertionError(f"the check of {language} broke off: {ended.stdout[-2000:]}")
    return wrong


def environment_of(base_url: str) -> dict[str, str]:
    """Return the environment of a sample's program: the server's address and its key."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**kept, "BASE_URL": base_url, "API_KEY": API_KEY, "CLIENT_ID": CLIENT_ID}


def _run(command: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
