"""The environment of each SDK under `.cache`: made once, made again when its lock has changed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from conformance.rows import CACHE, HERE, Row

SECONDS: Final = 300
NPM_OPTIONS: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")

# -C: a wrong checksum ends the run instead of being told.
MAVEN_OPTIONS: Final = ("--batch-mode", "--quiet", "--strict-checksums")
# Programs that run for seconds are done before a better compiler pays.
QUICK_JAVA: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class Missing(Exception):
    """The machine lacks a program, or an environment could not be made."""


def prepare(row: Row) -> None:
    """Make the environment of a row; raises Missing with one line that says why it cannot run."""
    for tool in row.needs:
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not on PATH")
    if not row.environment:
        return
    kind, _, version = row.environment.partition("-")
    CACHE.mkdir(exist_ok=True)
    try:
        with (CACHE / f"{row.environment}.lock").open("w") as turn:
            # Tests prepare at the same time in several processes.
            fcntl.flock(turn, fcntl.LOCK_EX)
            _MAKERS[kind](CACHE / row.environment, version)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise Missing(f"{row.environment} could not be made: {' '.join(said.split())[-300:]}") from error


def _python(folder: Path, version: str) -> None:
    lock = HERE / "python" / f"{version}.lock"
    if _is_fresh(folder, [lock]):
        return
    _run(sys.executable, "-m", "venv", str(folder), inside=HERE)
    python = str(folder / "bin" / "python")
    options = ("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")
    _run(python, "-m", "pip", "install", "--quiet", *options, "-r", str(lock), inside=HERE)
    _mark(folder, [lock])


def _js(folder: Path, version: str) -> None:
    sources = HERE / "js" / version
    locks = [sources / "package.json", sources / "package-lock.json"]
    folder.mkdir(parents=True, exist_ok=True)
    # Copied on every run: an import of a package looks only beside the importing file.
    for program in (HERE / "js").glob("*.mjs"):
        _put(program, folder / program.name)
    if _is_fresh(folder, locks):
        return
    for lock in locks:
        shutil.copy(lock, folder)
    _run("npm", "ci", *NPM_OPTIONS, inside=folder)
    _mark(folder, locks)


def _put(source: Path, place: Path) -> None:
    """Copy in one step, and only what has changed: another process may be running the file there."""
    content = source.read_bytes()
    if place.is_file() and place.read_bytes() == content:
        return
    draft = place.with_suffix(".new")
    draft.write_bytes(content)
    draft.replace(place)


def _go(folder: Path, version: str) -> None:
    # Built on every run: the compiler knows best what is fresh, and go.sum holds the hashes.
    _run("go", "build", "-mod=readonly", "-o", str(folder / "life"), ".", inside=HERE / "go" / version)


def _java(folder: Path, version: str) -> None:
    sources = HERE / "java" / version
    programs = sorted(sources.glob("*.java"))
    locks = [sources / "pom.xml", sources / "jars.sha256"]
    if _is_fresh(folder, [*locks, *programs]):
        return
    draft, old = folder.with_suffix(".new"), folder.with_suffix(".old")
    for left_over in (draft, old):
        shutil.rmtree(left_over, ignore_errors=True)
    jars = folder / "jars"
    if _is_fresh(jars, locks):
        shutil.copytree(jars, draft / "jars")
    else:
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={draft / 'jars'}")
        _run("mvn", *MAVEN_OPTIONS, "-f", str(sources / "pom.xml"), *copy, inside=HERE)
        check_jars(draft / "jars", sources / "jars.sha256")
        _mark(draft / "jars", locks)
    options = ("-Xlint:all", "-encoding", "UTF-8", "-cp", str(draft / "jars" / "*"))
    _run(
        "javac",
        *(f"-J{option}" for option in QUICK_JAVA),
        *options,
        "-d",
        str(draft / "classes"),
        *map(str, programs),
        inside=HERE,
    )
    _mark(draft, [*locks, *programs])
    if folder.exists():
        folder.replace(old)
    draft.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def check_jars(folder: Path, lock: Path) -> None:
    """Compare the jars in a folder with a list of SHA-256, both ways. Raises OSError naming a difference.

    Maven compares what it downloads with a checksum from the same place; only this list is ours.
    """
    lines = (line.split() for line in lock.read_text(encoding="utf-8").splitlines())
    wanted = {name: digest for digest, name in lines}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise OSError(
                f"{name} is not what {lock.name} names: {found.get(name)} instead of {wanted.get(name)}"
            )


_MAKERS: Final = {"python": _python, "js": _js, "go": _go, "java": _java}


def _is_fresh(folder: Path, locks: list[Path]) -> bool:
    mark = folder / ".made-from"
    return mark.is_file() and mark.read_text(encoding="utf-8") == _digest(locks)


def _mark(folder: Path, locks: list[Path]) -> None:
    (folder / ".made-from").write_text(_digest(locks), encoding="utf-8")


def _digest(locks: list[Path]) -> str:
    return hashlib.sha256(b"\0".join(lock.read_bytes() for lock in locks)).hexdigest()


def _run(*command: str, inside: Path) -> None:
    environment = {
        **os.environ,
        "npm_config_update_notifier": "false",
        "GOTOOLCHAIN": "local",
        "MAVEN_OPTS": " ".join((*QUICK_JAVA, os.environ.get("MAVEN_OPTS", ""))),
    }
    subprocess.run(
        command,
        cwd=inside,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
