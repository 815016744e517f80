"""Fail on words that the project does not use, and name the word to use instead.

Usage: python -m tools.words [FILE ...]   (default: everything git tracks or would track)

Identifiers count as text: underscores and capitals inside a name separate words, and file names are read too.
"""

import fnmatch
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools import addresses


class Word(NamedTuple):
    """A pattern, matched in any case between word boundaries, and what to write instead."""

    pattern: str
    instead: str


ACTOR = "name the actor: the caller, the client, the operator, another process"
WORDS = (
    Word("whoever", ACTOR),
    Word("(?:no|some|every|any)body", ACTOR),
    Word("of before", "earlier, previous"),
    Word("of late", "recent"),
    Word("anew", "again"),
    Word("(?:is|are) told", "is notified, receives; or name what notifies it"),
    Word("under way", "in progress"),
    Word("lets? (?:us |them |it |him |her )?in", "authenticates, accepts"),
    # metaphors
    Word("desks?", "the thing's own name: state, application, installation"),
    Word("couriers?", "dispatcher"),
    Word("seats?", "operator context"),
    Word("head ?start", "eager task"),
    # American spelling: words
    Word("enrol(?P<end>s|ment|ments)?", "enroll{end}"),
    Word("(?P<un>un)?colour(?P<end>s|ed|ing|ful|less)?", "{un}color{end}"),
    Word("neighbour(?P<end>s|ed|ing|hood)?", "neighbor{end}"),
    Word("behaviour(?P<end>s|al)?", "behavior{end}"),
    Word("(?P<stem>(?:dis)?(?:fav|hon))our(?P<end>s|ed|ing|able|ite)?", "{stem}or{end}"),
    Word("(?P<stem>cancel|label|model|signal|travel)l(?P<end>ed|ing|er)", "{stem}{end}"),
    Word("licence(?P<end>s|d)?", "license{end}"),
    Word("grey(?P<end>s|ed|scale|ish)?", "gray{end}"),
    Word("centre(?P<end>s|d)?", "center{end}"),
    Word("catalogue(?P<end>s|d)?", "catalog{end}"),
    Word("artefact(?P<end>s)?", "artifact{end}"),
    # American spelling: -ize
    Word(
        "(?P<stem>(?:un|re|de)?(?:author|canonical|capital|categor|character|custom|emphas|general|initial|item|local"
        "|maxim|minim|modular|normal|optim|organ|parallel|parametr|priorit|random|raster|real|recogn|sanit"
        "|serial|special|standard|summar|synchron|token|util|visual))is(?P<end>e|ed|er|ers|es|ing|ation|ations|able)",
        "{stem}iz{end}",
    ),
)
# As a name only: `set aside` is English.
NAMES = (Word(r"\bAside\b|\w*_aside\b|\baside_\w+|\baside\.py", "commit thread"),)

# Not ours to choose.
ALLOWED = (
    ("CancelledError", "Python's name"),
    (".cancelled()", "asyncio's name"),
    ("nobody:nogroup", "Debian's account"),
    ("--reuid nobody", "the same"),
    ('getpwnam("nobody")', "the same"),
    ("kept_aside", "a field in the output of `authfactor restore --json`"),
)
# Written by others, in another language, or recorded from other programs; and this list.
EXCLUDED = (
    "*.lock",
    "*.svg",
    "*/go.sum",
    "*/jars.sha256",
    "*/package-lock.json",
    "*/locales/de/*",
    "*/messages/locales/[!e]*",
    "*/messages/locales/es.toml",
    "*/static/vendor/*.js",
    "conformance/recorded/*.json",
    "src/authfactor/reference/recorded.json",
    "src/authfactor/reference/samples.json",
    "tests/*.json",
    "tools/words.py",
    "tests/project/test_words.py",
)

INSIDE_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
PATTERNS = [(re.compile(rf"\b{word.pattern}\b", re.IGNORECASE), word.instead) for word in WORDS]
NAME_PATTERNS = [(re.compile(word.pattern), word.instead) for word in NAMES]


def suggestions(text: str) -> Iterator[str]:
    """Yield `word -> what to use instead` for each word of a line that the project does not use."""
    for allowed, _ in ALLOWED:
        text = text.replace(allowed, "")
    separated = INSIDE_NAME.sub(" ", text)
    for patterns, searched in ((PATTERNS, separated), (NAME_PATTERNS, text)):
        for pattern, instead in patterns:
            for found in pattern.finditer(searched):
                groups = {name: part or "" for name, part in found.groupdict().items()}
                yield f"{found.group()} -> {instead.format(**groups)}"


def findings(path: Path) -> Iterator[str]:
    """Yield one line for each finding in a file's name and, unless the file is binary, in its text."""
    yield from (f"{path}: in its name: {found}" for found in suggestions(str(path)))
    content = path.read_bytes()
    if b"\0" in content[:8192]:
        return
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        yield from (f"{path}:{number}: {found}" for found in suggestions(line))


def excluded(path: Path) -> bool:
    """Return whether a file's words are not ours."""
    return any(fnmatch.fnmatch(str(path), pattern) for pattern in EXCLUDED)


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments] or addresses.candidates()
    files = [path for path in paths if path.is_file() and not path.is_symlink() and not excluded(path)]
    found = [line for path in files for line in findings(path)]
    for line in found:
        print(line)
    print(f"words: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
