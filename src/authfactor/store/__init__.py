"""Storage: one protocol, two databases, every statement in `tables`."""

from authfactor.store.queries.attempts import Attempt, Spent
from authfactor.store.queries.sealed_values import PLACES, Place, SealedValue
from authfactor.store.transaction import Db, Single, Store, Tx, Unit

__all__ = ["PLACES", "Attempt", "Db", "Place", "SealedValue", "Single", "Spent", "Store", "Tx", "Unit"]
