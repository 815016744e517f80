"""Branding of the hosted pages: at most one row per environment."""

from typing import TYPE_CHECKING

from authfactor.models import BrandingRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "name, color, logo, updated_at"

OF_ENVIRONMENT = f"SELECT {COLUMNS} FROM brandings WHERE environment = $1"

PUT = f"""
INSERT INTO brandings (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment) DO UPDATE
SET name = excluded.name, color = excluded.color, logo = excluded.logo, updated_at = excluded.updated_at
"""


class BrandingsTable:
    """The table `brandings`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def of(self, environment: int) -> BrandingRecord | None:
        """Return an environment's branding; None when it was never set."""
        row = await self._db.one(OF_ENVIRONMENT, environment)
        return None if row is None else BrandingRecord(*row)

    async def put(self, environment: int, branding: BrandingRecord) -> None:
        """Insert or replace an environment's branding."""
        await self._db.run(
            PUT, environment, branding.name, branding.color, branding.logo, branding.updated_at
        )
