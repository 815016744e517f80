"""Storage: one protocol, two databases, every statement in `tables`."""

from authfactor.store.base import Db, Store, Tx, Unit

__all__ = ["Db", "Store", "Tx", "Unit"]
