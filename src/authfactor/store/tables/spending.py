"""Spending a code: the three writes that follow each other, told to the database at once."""

from enum import IntEnum
from typing import TYPE_CHECKING

from authfactor.models import FailureRecord
from authfactor.store.tables.challenges import CLOSE
from authfactor.store.tables.factors import ADVANCE_STEP
from authfactor.store.tables.failures import writing

if TYPE_CHECKING:
    from authfactor.store.base import Db


class Spent(IntEnum):
    """How far it came."""

    STEP_USED = 0
    CHALLENGE_CLOSED = 1
    ALL = 3


class Spending:
    """The call that spends a code."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def spend(
        self,
        environment: int,
        factor_id: str,
        step: int,
        challenge_id: str,
        failures: tuple[str, FailureRecord],
        now: int,
    ) -> Spent:
        """Advance the factor's step, close the challenge, write whose failures are now which.

        Of any number of callers with one step one gets further than `STEP_USED`, and changes something. After
        `CHALLENGE_CLOSED` the unit must be taken back: the step is advanced. The caller holds the record of
        failures by `charge`, so that its row is there.
        """
        return Spent(
            await self._db.chain(
                (ADVANCE_STEP, (environment, factor_id, step, now)),
                (CLOSE, (environment, challenge_id, now)),
                writing(environment, *failures),
            )
        )
