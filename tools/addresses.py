"""Fail when a file contains a package registry's host name or an absolute path of one machine.

Usage: python tools/addresses.py [FILE ...]   (default: everything git tracks or would track)

The patterns hold one-letter character classes so that this file does not report itself.
"""

import re
import subprocess
import sys
from pathlib import Path

REGISTRY = re.compile(
    rb"p[y]thonhosted\.org|//p[y]pi\.|//test\.p[y]pi\.|registry\.n[p]mjs|registry\.y[a]rnpkg|deb\.d[e]bian\.org"
    rb"|security\.d[e]bian\.org|p[r]oxy\.golang|sum\.g[o]lang|m[a]ven\.apache\.org/maven2|repo1\.m[a]ven"
    rb"|st[a]tic\.crates\.io|index\.cr[a]tes\.io"
)
MACHINE_PATH = re.compile(rb"(?<![\w./-])/(?:[r]oot|[w]ork|home/[a-z][\w-]*|Us[e]rs/[A-Za-z][\w-]*)/")


def candidates() -> list[Path]:
    """Return the files that are or would be committed, as listed by git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    )
    return [Path(name.decode()) for name in listed.stdout.split(b"\0") if name]


def findings(path: Path) -> list[str]:
    """Return a message for each offending line of a text file; binary files have none."""
    content = path.read_bytes()
    if b"\0" in content[:8192]:
        return []
    return [
        f"{path}:{number}: {what}: {found.group().decode()}"
        for number, line in enumerate(content.splitlines(), 1)
        for what, pattern in (("registry host", REGISTRY), ("path of one machine", MACHINE_PATH))
        if (found := pattern.search(line))
    ]


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments] or candidates()
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    found = [line for path in files for line in findings(path)]
    for line in found:
        print(line)
    print(f"addresses: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
