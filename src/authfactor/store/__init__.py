"""Storage: one protocol, two databases, every statement in `tables`."""

from authfactor.store.base import Db, Single, Store, Tx, Unit
from authfactor.store.tables.sealed import PLACES, Place, SealedValue
from authfactor.store.tables.spending import Attempt, Spent

__all__ = ["PLACES", "Attempt", "Db", "Place", "SealedValue", "Single", "Spent", "Store", "Tx", "Unit"]
