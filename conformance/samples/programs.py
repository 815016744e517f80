"""How the samples of each language are run, or checked where their SDK cannot be had here."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from conformance.rows import CACHE, SDKS, Row
from conformance.toolchains import Missing, prepare
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
}
SECONDS: Final = 120
Scenes: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Told:
    """What a program said about one sample."""

    ok: bool
    said: str
    result: str


def row(language: str, major: str) -> Row:
    """Find the row of the conformance runner that stands for this SDK."""
    return next(one for one in SDKS if one.name == ROWS[language, major])


def names(language: str) -> set[str]:
    """Name the samples of a language, as its reference names the pages."""
    found = {path.stem for path in (SAMPLES / language).glob(f"*{EXTENSIONS[language]}")}
    if language == "java":
        found = {_snake(name) for name in found}
    return {name for name in found if name != "main" and not name.startswith("connect")}


def path_of(language: str, name: str) -> Path:
    """Where a sample is."""
    stem = "".join(part.capitalize() for part in name.split("_")) if language == "java" else name
    return SAMPLES / language / f"{stem}{EXTENSIONS[language]}"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def run(language: str, major: str, base_url: str, scenes: Scenes, folder: Path) -> dict[str, Told]:
    """Run samples of one SDK in one program. Raises Missing when it cannot be had here."""
    made = row(language, major)
    prepare(made)
    environment = _environment(base_url) | {
        "SCENES": str(folder / "scenes.json"),
        "RESULTS": str(folder / "results.json"),
    }
    (folder / "scenes.json").write_text(json.dumps(scenes), encoding="utf-8")
    (folder / "results.json").write_text("{}", encoding="utf-8")
    ended = _run(_command(language, made), environment)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if set(results) != set(scenes):
        raise AssertionError(f"the {language} program broke off: {ended.stdout[-2000:]}")
    return {name: Told(**told) for name, told in results.items()}


def run_curl(base_url: str, name: str, scene: Mapping[str, str]) -> Told:
    """Run one sample in a shell."""
    environment = _environment(base_url) | {key.upper(): value for key, value in scene.items()}
    connect, sample = SAMPLES / "curl" / "connect.sh", path_of("curl", name)
    ended = _run(("bash", "-euc", f'source "{connect}"; source "{sample}"'), environment)
    return Told(ended.returncode == 0, ended.stdout[-500:], "")


def _command(language: str, made: Row) -> tuple[str, ...]:
    cache = CACHE / made.environment
    if language == "js":
        for program in (HERE / "run.mjs", SAMPLES / "js" / "connect.mjs"):
            shutil.copy(program, cache)
        return ("node", str(cache / "run.mjs"), str(SAMPLES / "js"))
    if language == "python":
        return (str(cache / "bin" / "python"), str(HERE / "run_python.py"), str(SAMPLES / "python"))
    built = cache / "samples"
    ended = subprocess.run(
        ("go", "build", "-mod=readonly", "-o", str(built), "."),
        cwd=SAMPLES / "go",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode:
        raise AssertionError(f"the go samples do not compile: {ended.stderr}")
    return (str(built),)


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


def _environment(base_url: str) -> dict[str, str]:
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
