"""Record an example of every event, from real calls in an empty installation, for the reference.

Usage: python tools/event_examples.py [--check]   (make reference)

`--check` writes nothing and exits with 1 if an event is no longer as recorded.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support import event_scenario  # noqa: E402 - the path comes first

EXAMPLES: Final = ROOT / "src" / "authfactor" / "reference" / "event_examples.json"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        recorded = asyncio.run(event_scenario.recorded(Path(folder)))
    text = json.dumps(recorded, indent=2, ensure_ascii=False) + "\n"
    if EXAMPLES.is_file() and EXAMPLES.read_text(encoding="utf-8") == text:
        return 0
    if not chosen.check:
        EXAMPLES.write_text(text, encoding="utf-8")
    print(f"{'stale (run: make reference)' if chosen.check else 'written'}: {EXAMPLES}")
    return 1 if chosen.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
