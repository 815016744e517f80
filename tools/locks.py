"""Read requirements/*.lock: the pinned packages, the hashes of their files, and what requires them."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))?(?: \\)?$")
HASHED = re.compile(r"^ +--hash=sha256:([0-9a-f]{64})")
ASKED = re.compile(r"^ +# (?:via|  ) *(\S.*)$")
OURSELVES = "authfactor"


class Pinned(NamedTuple):
    """A locked package; `asked_by` names what requires it, `OURSELVES` standing for pyproject.toml."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    asked_by: tuple[str, ...]


def read(lock: str) -> dict[str, Pinned]:
    """Return the packages of `requirements/LOCK` by name."""
    found: dict[str, Pinned] = {}
    name = ""
    for line in (FOLDER / lock).read_text(encoding="utf-8").splitlines():
        if pinned := PINNED.match(line):
            name = pinned[1]
            found[name] = Pinned(name, pinned[2], pinned[3] or "", (), ())
        elif hashed := HASHED.match(line):
            found[name] = found[name]._replace(hashes=(*found[name].hashes, hashed[1]))
        elif asked := ASKED.match(line):
            found[name] = found[name]._replace(asked_by=(*found[name].asked_by, asked[1].split()[0]))
    return found


def needed_by(names: set[str], packages: dict[str, Pinned]) -> set[str]:
    """Return the names and all their direct and indirect dependencies."""
    needed = names & set(packages)
    while more := {each.name for each in packages.values() if needed & set(each.asked_by)} - needed:
        needed |= more
    return needed


def extras() -> set[str]:
    """Return the names that the extras of pyproject.toml require."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [each for extra in project["optional-dependencies"].values() for each in extra]
    return {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0].lower() for each in asked}


def of_a_server() -> tuple[dict[str, Pinned], set[str]]:
    """Return the packages of a server with all extras, and the names of those that every server has."""
    runtime, everything = read("runtime.lock"), read("dev.lock")
    optional = needed_by(extras(), everything) - set(runtime)
    return runtime | {name: everything[name] for name in optional}, set(runtime)
