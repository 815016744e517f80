"""Passkeys, user handles, and ceremonies (decision 0047)."""

from typing import TYPE_CHECKING

import msgspec

from authfactor.models.passkeys import PasskeyCeremony, PasskeyFactor, PasskeyRecord
from authfactor.webauthn.product_names import product_name

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = (
    "factor_id, user_id, rp_id, credential_id, sign_count, aaguid, transports, backup_eligible, backed_up,"
    " discoverable, attachment, format, trust, suspect_at"
)

# Of any number of concurrent registrations of a credential, one inserts it.
INSERT = f"""
INSERT INTO passkeys (environment, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING
"""

INSERT_FACTOR = """
INSERT INTO factors (environment, id, user_id, issuer, account, secret, name, activated_at, last_step,
  created_at, updated_at, type, secret_compared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $8, $8, 'webauthn', 1)
"""

# With the name that loaded metadata has for the model.
SELECT = f"""
SELECT {COLUMNS}, (SELECT description FROM authenticator_models WHERE aaguid = passkeys.aaguid) FROM passkeys
"""

OF_USER = f"{SELECT} WHERE environment = $1 AND user_id = $2 ORDER BY factor_id"

OF_FACTOR = f"{SELECT} WHERE environment = $1 AND factor_id = $2"

BY_CREDENTIAL = f"""
SELECT {COLUMNS}, NULL FROM passkeys WHERE environment = $1 AND rp_id = $2 AND credential_id = $3
"""

# Compared and swapped, so that of two assertions with the same count one is not judged by an old one.
COUNT = """
UPDATE passkeys SET sign_count = $4, backed_up = $5
WHERE environment = $1 AND factor_id = $2 AND sign_count = $3
"""

SUSPECT = """
UPDATE passkeys SET suspect_at = $3 WHERE environment = $1 AND factor_id = $2 AND suspect_at IS NULL
"""

COUNT_BY_RP_ID = """
SELECT rp_id, count(*) FROM passkeys WHERE environment = $1 GROUP BY rp_id ORDER BY rp_id
"""

COUNT_BY_USER = "SELECT user_id, count(*) FROM passkeys WHERE environment = $1 GROUP BY user_id"

DELETE = "DELETE FROM passkeys WHERE environment = $1 AND factor_id = $2"

DELETE_OF_USER = "DELETE FROM passkeys WHERE environment = $1 AND user_id = $2"

KEEP_HANDLE = """
INSERT INTO passkey_handles (environment, user_id, handle) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""

HANDLE_OF = "SELECT handle FROM passkey_handles WHERE environment = $1 AND user_id = $2"

DELETE_HANDLE = "DELETE FROM passkey_handles WHERE environment = $1 AND user_id = $2"

CEREMONY_COLUMNS = "id, purpose, user_id, name, challenge, expires_at, used_at"

OPEN = f"""
INSERT INTO passkey_ceremonies (environment, {CEREMONY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)
"""

CEREMONY = f"SELECT {CEREMONY_COLUMNS} FROM passkey_ceremonies WHERE environment = $1 AND id = $2"

# The only statement that uses a ceremony: of any number of concurrent responses, one finds it open.
CLOSE = """
UPDATE passkey_ceremonies SET used_at = $3
WHERE environment = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3
"""

# Of any number of concurrent answers to a sign-in, one inserts its id.
USE_AUTHENTICATION = """
INSERT INTO passkey_ceremonies (environment, id, purpose, user_id, challenge, expires_at, used_at)
VALUES ($1, $2, 'authentication', $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""

# Ids used since the backup are not in it.
RESTORED_SINCE = """
SELECT 1 FROM passkey_ceremonies WHERE environment = $1 AND id = 'restored' AND used_at >= $2
"""

DELETE_CEREMONIES = "DELETE FROM passkey_ceremonies WHERE environment = $1 AND user_id = $2"


class PasskeysTable:
    """The tables `passkeys`, `passkey_handles` and `passkey_ceremonies`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, factor: PasskeyFactor, passkey: PasskeyRecord) -> bool:
        """Insert a passkey with its factor; False if the environment has this credential already."""
        discoverable = None if passkey.discoverable is None else int(passkey.discoverable)
        inserted = await self._db.run(
            INSERT,
            environment,
            passkey.factor_id,
            passkey.user_id,
            passkey.rp_id,
            passkey.credential_id,
            passkey.sign_count,
            passkey.aaguid,
            passkey.transports,
            int(passkey.backup_eligible),
            int(passkey.backed_up),
            discoverable,
            passkey.attachment,
            passkey.format,
            passkey.trust,
            passkey.suspect_at,
        )
        if inserted:
            await self._db.run(
                INSERT_FACTOR,
                environment,
                factor.id,
                factor.user_id,
                factor.issuer,
                factor.account,
                factor.sealed,
                factor.name,
                factor.created_at,
            )
        return inserted == 1

    async def of_user(self, environment: int, user_id: str) -> list[PasskeyRecord]:
        """Return a user's passkeys, oldest first; their number is limited by `max_factors_per_user`."""
        return [_passkey(row) for row in await self._db.all(OF_USER, environment, user_id)]

    async def of_factor(self, environment: int, factor_id: str) -> PasskeyRecord | None:
        """Return a factor's passkey, or None."""
        row = await self._db.one(OF_FACTOR, environment, factor_id)
        return None if row is None else _passkey(row)

    async def by_credential(self, environment: int, rp_id: str, credential_id: bytes) -> PasskeyRecord | None:
        """Return the passkey with this credential id, whichever user's it is."""
        row = await self._db.one(BY_CREDENTIAL, environment, rp_id, credential_id)
        return None if row is None else _passkey(row)

    async def count(
        self, environment: int, factor_id: str, read: int, sign_count: int, *, backed_up: bool
    ) -> bool:
        """Set the count of a passkey; False if it is no longer the one that was read."""
        return await self._db.run(COUNT, environment, factor_id, read, sign_count, int(backed_up)) == 1

    async def count_by_rp_id(self, environment: int) -> dict[str, int]:
        """Count an environment's passkeys by RP ID; reads all of them."""
        return {row[0]: row[1] for row in await self._db.all(COUNT_BY_RP_ID, environment)}

    async def count_by_user(self, environment: int) -> dict[str, int]:
        """Return how many passkeys each user has who has any: for operators, who are few."""
        return {row[0]: row[1] for row in await self._db.all(COUNT_BY_USER, environment)}

    async def suspect(self, environment: int, factor_id: str, now: int) -> bool:
        """Note that a passkey's counter went back; False if that was noted before."""
        return await self._db.run(SUSPECT, environment, factor_id, now) == 1

    async def delete(self, environment: int, factor_id: str) -> bool:
        """Delete a factor's passkey; False if it has none."""
        return await self._db.run(DELETE, environment, factor_id) == 1

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete a user's passkeys, handle and open ceremonies; return how many passkeys there were."""
        await self._db.run(DELETE_HANDLE, environment, user_id)
        await self._db.run(DELETE_CEREMONIES, environment, user_id)
        return await self._db.run(DELETE_OF_USER, environment, user_id)

    async def handle_of(self, environment: int, user_id: str) -> bytes | None:
        """Return a user's handle, None before the first registration."""
        row = await self._db.one(HANDLE_OF, environment, user_id)
        return None if row is None else bytes(row[0])

    async def keep_handle(self, environment: int, user_id: str, handle: bytes) -> None:
        """Keep a handle for a user who has none."""
        await self._db.run(KEEP_HANDLE, environment, user_id, handle)

    async def open_ceremony(self, environment: int, ceremony: PasskeyCeremony) -> None:
        """Insert an open ceremony."""
        await self._db.run(
            OPEN,
            environment,
            ceremony.id,
            ceremony.purpose,
            ceremony.user_id,
            ceremony.name,
            ceremony.challenge,
            ceremony.expires_at,
        )

    async def ceremony(self, environment: int, ceremony_id: str) -> PasskeyCeremony | None:
        """Return a ceremony in any state."""
        row = await self._db.one(CEREMONY, environment, ceremony_id)
        return None if row is None else PasskeyCeremony(*row)

    async def use_authentication(
        self, environment: int, authentication_id: str, user_id: str, expires_at: int, now: int
    ) -> bool:
        """Use the id of a sign-in, kept until `expires_at`; False if it was used before."""
        values = authentication_id, user_id, b"", expires_at, now
        return await self._db.run(USE_AUTHENTICATION, environment, *values) == 1

    async def is_restored_since(self, environment: int, at: int) -> bool:
        """Return whether the database was restored from a backup at this time or later."""
        return await self._db.one(RESTORED_SINCE, environment, at) is not None

    async def close_ceremony(self, environment: int, ceremony_id: str, now: int) -> bool:
        """Use a ceremony; False if it was used or has expired."""
        return await self._db.run(CLOSE, environment, ceremony_id, now) == 1


def _passkey(row: "Row") -> PasskeyRecord:
    found = PasskeyRecord(*row)
    return msgspec.structs.replace(
        found,
        product=product_name(found.aaguid, found.product),
        backup_eligible=bool(found.backup_eligible),
        backed_up=bool(found.backed_up),
        discoverable=None if found.discoverable is None else bool(found.discoverable),
    )
