"""Which schema this release needs, known without importing the migration library."""

from typing import Final

NEEDED: Final = "0007"
