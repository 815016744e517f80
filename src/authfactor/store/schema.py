"""The schema revision this release needs, kept here so that a start does not import Alembic."""

from typing import Final

NEEDED: Final = "0011"
