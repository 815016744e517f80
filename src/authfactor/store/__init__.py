"""Storage: one protocol, two databases; all SQL is in `tables` and `queries`."""

from authfactor.store.db import Db
from authfactor.store.protocol import Shared, Single, Store, Unit
from authfactor.store.queries.attempts import CodeAttempt, SpendResult, subject_of
from authfactor.store.queries.sealed_values import SEALED_COLUMNS, SealedColumn, SealedValue
from authfactor.store.transaction import Tx

__all__ = [
    "SEALED_COLUMNS",
    "CodeAttempt",
    "Db",
    "SealedColumn",
    "SealedValue",
    "Shared",
    "Single",
    "SpendResult",
    "Store",
    "Tx",
    "Unit",
    "subject_of",
]
