"""Recompute the keys under which emails are stored: an earlier release had another rule (decision 0037)."""

import logging
from typing import Final

from authfactor.email_identity import email_key
from authfactor.store.protocol import Store
from authfactor.store.queries.email_keys import StoredEmail
from authfactor.store.tables.leases import OUTDATED_EMAIL_KEYS
from authfactor.store.transaction import Tx

_PAGE: Final = 500
_FIRST: Final = (-(2**31), "")

log = logging.getLogger("authfactor.store")


async def outdated(store: Store) -> list[StoredEmail]:
    """Return the users and operators that are not stored under the key of their email; reads all of them."""
    found = [row for row in await store.read(_operators) if _is_outdated(row)]
    after = _FIRST
    while page := await store.read(lambda tx, at=after: tx.email_keys.users(*at, _PAGE)):  # type: ignore[misc]  # bound per page
        found += [row for row in page if _is_outdated(row)]
        after = (page[-1].environment, page[-1].id)
    return found


async def recompute(store: Store) -> list[StoredEmail]:
    """Store every email under its key; return those that keep another one, because their key is taken.

    Of several users with the same email, the one that already has its key keeps it, else the oldest gets it.
    Running it again, or in several processes at once, is safe.
    """
    left, changed = await outdated(store), True
    # Again after every change: a key that was taken may be free now.
    while left and changed:
        changed = any([await store.write(lambda tx, row=row: _replace(tx, row)) for row in left])  # type: ignore[misc]  # bound per row
        left = await outdated(store)
    await store.write(lambda tx: tx.leases.remove(OUTDATED_EMAIL_KEYS))
    if left:
        log.warning(
            "%d users or operators have the same email as another one, spelled differently."
            " Run: authfactor doctor",
            len(left),
        )
    return left


def _is_outdated(row: StoredEmail) -> bool:
    return row.key != email_key(row.email)


async def _operators(tx: Tx) -> list[StoredEmail]:
    return await tx.email_keys.operators()


async def _replace(tx: Tx, row: StoredEmail) -> bool:
    return await tx.email_keys.replace(row, email_key(row.email))
