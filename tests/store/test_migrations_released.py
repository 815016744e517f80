"""Released revisions never change, because deployed databases have run them."""

import hashlib
import json
from pathlib import Path

from alembic.script import ScriptDirectory

from authfactor.store import migrations

PINNED = Path(__file__).with_name("released.json")
VERSIONS = migrations.LOCATION / "versions"


def test_released_revisions_are_unchanged() -> None:
    pinned = json.loads(PINNED.read_text())
    present = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VERSIONS.glob("*.py")}
    changed = sorted(name for name in pinned if present.get(name) != pinned[name])
    assert not changed, (
        f"{changed} changed or were removed after release. Revert that and write a new revision; only a"
        f" revision that no release contains may change: then put its new sha256 into {PINNED}."
    )
    new = {name: digest for name, digest in present.items() if name not in pinned}
    assert not new, (
        f"new revisions are not pinned yet. Once final, add to {PINNED}:\n{json.dumps(new, indent=2)}"
    )


def test_revisions_are_one_chain_numbered_without_gaps() -> None:
    scripts = ScriptDirectory.from_config(migrations.configuration())
    chain = [(script.revision, script.down_revision) for script in scripts.walk_revisions()][::-1]
    numbers = [f"{number:04}" for number in range(1, len(chain) + 1)]
    assert chain == list(zip(numbers, [None, *numbers], strict=False))
    assert [path.name[:4] for path in sorted(VERSIONS.glob("*.py"))] == numbers
