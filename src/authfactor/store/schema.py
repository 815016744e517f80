"""Facts about the schema that a start needs, kept here so that it imports neither Alembic nor the copying."""

from typing import Final

NEEDED: Final = "0018"
"""The schema revision this release needs."""

COPY_MARK: Final = "copy"
"""Name of the lease that marks a target of `authfactor copy` until the copy is complete."""
