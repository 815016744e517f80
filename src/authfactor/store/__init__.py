"""Storage: one protocol, two databases, every statement in `tables`."""

from authfactor.store.db import Db
from authfactor.store.protocol import Single, Store, Unit
from authfactor.store.queries.attempts import Attempt, Spent
from authfactor.store.queries.sealed_values import PLACES, Place, SealedValue
from authfactor.store.transaction import Tx

__all__ = ["PLACES", "Attempt", "Db", "Place", "SealedValue", "Single", "Spent", "Store", "Tx", "Unit"]
