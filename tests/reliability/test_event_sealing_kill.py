"""A process that seals and removes events is killed repeatedly; its successors leave no gap."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from authfactor.core import Authfactor
from authfactor.rules.audit.event_verification import VerifiedEvents
from authfactor.rules.audit.hash_chain import ChainVerifier
from authfactor.settings import Settings
from tests.support import server_process

ROUNDS: Final = 5
# Simulated days pass in a second while events are created, sealed and removed. Prints a dot per sealing.
PROCESS: Final = """
import asyncio, sys
from pathlib import Path
from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.rules.audit import event_sealing
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser

now = [int(sys.argv[2])]
event_sealing.MAX_PER_ENVIRONMENT, event_sealing.BATCH, event_sealing.PAUSE_SECONDS = 7, 3, 0

async def main():
    settings = Settings(data=Path(sys.argv[1]), event_life=86400)
    af = await Authfactor.open(settings, clock=lambda: now[0], profile=passwords.CHEAPEST)
    environment = (await af.read(lambda tx: tx.environments.all()))[0]
    for number in range(10**6):
        for name in "abcdefgh":
            request = CreateUser(email=f"{name}{now[0]}@example.org")
            await af.run(await af.users.prepare_create(environment, request))
            now[0] += 60_000
        now[0] += 2 * 3600_000
        await af.event_sealing.run(af.store)
        await af.retention.run(af.store)
        print(".", end="", flush=True)

asyncio.run(main())
"""


@pytest.mark.timeout(120)
def test_a_killed_sealer_skips_no_event_and_seals_none_twice(tmp_path: Path) -> None:
    data, chance = tmp_path / "data", random.Random(23)
    previous_end = cleaned_upto = ""
    for number in range(ROUNDS):
        start = 1_700_000_000_000 + number * 30 * 86_400_000
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(data), str(start)],
            stdout=subprocess.PIPE,
            env=server_process.clean_environment(),
        )
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        checked = asyncio.run(check(data))
        assert [str(finding) for finding in checked.findings] == []
        assert checked.sealed_upto > previous_end
        previous_end, cleaned_upto = checked.sealed_upto, checked.cleaned_upto
    assert cleaned_upto


async def check(data: Path) -> VerifiedEvents:
    af = await Authfactor.open(Settings(data=data))
    try:
        walk = ChainVerifier(await af.audit.keys(af.store))
        assert await af.audit.follow(af.store, walk) is None
        checked, broken = await af.event_verification.check(af.store, walk, frozenset(), lambda *_: None)
        assert broken is None
        return checked
    finally:
        await af.close()
