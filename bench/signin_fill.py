"""Fill a new database with users that have an active factor and pending sign-ins, for signin_load.py.

Usage: .venv/bin/python bench/signin_fill.py FOLDER USERS

Runs in the server's environment and writes waiting.json into the folder: per user the secret and, for each
pending sign-in, its token and challenge.
"""

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Any

from authfactor import ids
from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.models import Environment, FactorRecord, PendingSignIn
from authfactor.otp import base32
from authfactor.rules.authentication.second_step import password_mark
from authfactor.rules.authentication.sessions import token_hash
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.wire.requests import CreateUser

CLIENT_ID, API_KEY = "client_bench", "sk_bench"
SIGN_INS = 3  # as many as a factor has valid codes at a time
BATCH = 500


async def fill(data: Path, users: int) -> None:
    settings = Settings(data=data, bootstrap_api_key=API_KEY, bootstrap_client_id=CLIENT_ID)
    af = await Authfactor.open(settings, profile=passwords.CHEAPEST)
    environment = await af.read(af.environments.by_client_id(CLIENT_ID))
    made: list[dict[str, Any]] = []
    for first in range(0, users, BATCH):
        numbers = range(first, min(first + BATCH, users))
        made += await asyncio.gather(*(add_user(af, environment, number) for number in numbers))
    await af.close()
    (data / "waiting.json").write_text(json.dumps(made))


async def add_user(af: Authfactor, environment: Environment, number: int) -> dict[str, Any]:
    """Write the rows that an enrollment and some sign-ins leave, without password hashes and pictures."""
    email = f"user{number}@example.org"
    create = await af.users.prepare_create(environment, CreateUser(email=email))
    new_id = af.challenges._new_id  # noqa: SLF001 - ids must come from the installation's own new_id
    secret, now = secrets.token_bytes(20), af.clock()

    async def run(tx: Tx) -> dict[str, Any]:
        user = await create(tx)
        factor_id = new_id(ids.FACTOR)
        sealed = af.vault.seal(secret, secret_row(environment.number, factor_id))
        factor = FactorRecord(factor_id, user.id, "Bench", email, sealed, now, 0, now, now)
        await tx.factors.insert(environment.number, factor)
        sign_ins = []
        for _ in range(SIGN_INS):
            token = secrets.token_urlsafe(32)
            pending = PendingSignIn(user.id, password_mark(None), now, now + 600_000, None)
            await tx.pending_sign_ins.insert(environment.number, token_hash(token), pending)
            challenge = await af.challenges.open(Scope(tx, environment, now), factor_id)
            sign_ins.append([token, challenge.id])
        return {"secret": base32.encode(secret), "sign_ins": sign_ins}

    return await af.run(run)


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2])))
