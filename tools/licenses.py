"""Check the license of every package a server may have, with extras: `python -m tools.licenses [--list]`.

The names come from the locks, the licenses from each package's metadata. A license that is not on the list
below, or a package that names none, ends the run with status 1 and needs a decision.
"""

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from tools import locks

ALLOWED = (
    "MIT",
    "MIT-0",
    "MIT-CMU",
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


def license_of(name: str) -> str:
    """Return a package's license, as an SPDX expression where we know it; empty when it names none."""
    fields = metadata.metadata(name)
    expressions, free = fields.get_all("License-Expression") or [], fields.get_all("License") or []
    for text in (*expressions, *classified(fields), *free):
        if text.strip() and "\n" not in text.strip():
            return SPELLINGS.get(str(text).strip().lower(), str(text).strip())
    return ""


def classified(fields: metadata.PackageMetadata) -> Iterator[str]:
    """Yield the licenses among the classifiers."""
    for classifier in fields.get_all("Classifier") or []:
        if classifier.startswith("License :: OSI Approved :: "):
            yield str(classifier).rpartition(" :: ")[2]


def allowed(expression: str) -> bool:
    """Return whether a license, or one of its alternatives, is on the list."""
    parts = [part.strip(" ()") for part in re.split(r"\bOR\b", expression)]
    return any(all(word.strip(" ()") in ALLOWED for word in re.split(r"\bAND\b", part)) for part in parts)


def main() -> int:
    """Check all packages; print those with a problem (with --list: all)."""
    wrong = 0
    packages, _ = locks.of_a_server()
    for name in sorted(packages):
        try:
            expression = license_of(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        good = allowed(expression)
        wrong += not good
        if not good or "--list" in sys.argv[1:]:
            verdict = f"{expression or '(none named)'}{'' if good else '   NOT ON THE LIST'}"
            print(f"{name:<40} {packages[name].version:<12} {verdict}")
    print(f"licenses: {len(packages)} packages, {wrong} not allowed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
