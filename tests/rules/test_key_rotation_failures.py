"""A rotation that cannot finish: a server goes on sealing with an older key, or a key is not on the ring."""

import os

import pytest

from authfactor.crypto import keyring
from authfactor.crypto.vault import UnknownKey, Vault
from authfactor.rules.maintenance.key_rotation import PASSES, StillSealing
from tests.support.installation import Installation


class OvertakenVault(Vault):
    """A vault for which another server has sealed every value with an older key again."""

    def is_stale(self, sealed: str) -> bool:
        return bool(sealed)


async def test_rotation_gives_up_while_a_server_seals_with_an_older_key(installation: Installation) -> None:
    enrolled = await installation.enroll_alone()
    af, resealed = installation.af, []
    ring = keyring.source_of(af.settings).read()

    with pytest.raises(StillSealing) as refused:
        await af.key_rotation.reseal(
            af.store, OvertakenVault(ring, os.urandom), lambda table, _: resealed.append(table)
        )
    assert refused.value.code == "key_not_taken_up"
    assert resealed.count("factors") == PASSES
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_rotation_stops_at_a_value_whose_key_is_not_on_the_ring(installation: Installation) -> None:
    await installation.enroll_alone()
    installation.sql("UPDATE factors SET secret = 'v1:ffffff:AAAA'")

    with pytest.raises(UnknownKey):
        await installation.af.key_rotation.reseal(
            installation.af.store, installation.af.vault, lambda *_: None
        )
    assert installation.sql("SELECT secret FROM factors") == [("v1:ffffff:AAAA",)]
