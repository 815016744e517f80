"""Check the licence of all that a server may have, extras included: `python -m tools.licences [--list]`.

The names come from the locks, the licences from what each package says of itself. A licence
that is not on the list below, or a package that names none, ends the run with status 1: somebody must look.
"""

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from tools import locks

ALLOWED = (
    "MIT",
    "MIT-0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "PSF-2.0",
    "ISC",
    "0BSD",
    "MPL-2.0",
)
SPELLINGS = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache-2.0 or bsd-3-clause": "Apache-2.0 OR BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}


def licence_of(name: str) -> str:
    """Return the licence in SPDX words where it says so, or its own; empty when it names none."""
    told = metadata.metadata(name)
    expressions, free = told.get_all("License-Expression") or [], told.get_all("License") or []
    for text in (*expressions, *classified(told), *free):
        if text.strip() and "\n" not in text.strip():
            return SPELLINGS.get(str(text).strip().lower(), str(text).strip())
    return ""


def classified(told: metadata.PackageMetadata) -> Iterator[str]:
    """Yield the licences among the classifiers."""
    for classifier in told.get_all("Classifier") or []:
        if classifier.startswith("License :: OSI Approved :: "):
            yield str(classifier).rpartition(" :: ")[2]


def allowed(licence: str) -> bool:
    """Say whether a licence, or one of those to choose from, is on the list."""
    parts = [part.strip(" ()") for part in re.split(r"\bOR\b", licence)]
    return any(all(word.strip(" ()") in ALLOWED for word in re.split(r"\bAND\b", part)) for part in parts)


def main() -> int:
    """Check all, print what is wrong (with --list: everything)."""
    wrong = 0
    packages, _ = locks.of_a_server()
    for name in sorted(packages):
        try:
            licence = licence_of(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        good = allowed(licence)
        wrong += not good
        if not good or "--list" in sys.argv[1:]:
            told = f"{licence or '(none named)'}{'' if good else '   NOT ON THE LIST'}"
            print(f"{name:<40} {packages[name].version:<12} {told}")
    print(f"licences: {len(packages)} packages, {wrong} to look at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
