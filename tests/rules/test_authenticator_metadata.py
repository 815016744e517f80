"""Loaded metadata: the newest stays, and each use of a passkey looks at it."""

import asyncio
import random
from typing import Any, Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authfactor import errors
from authfactor.models import Verification
from authfactor.models.passkeys import MetadataHead
from authfactor.rules.factors.passkeys import RegisteredPasskey
from authfactor.rules.tenants.environments import options_of
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.support.installation import Installation, Opener
from tests.support.metadata_service import (
    AAGUID,
    AAGUID_BYTES,
    BATCH,
    MAKER,
    ROOT,
    SOFT_AAGUID,
    blob,
    entry,
    payload,
)
from tests.support.passkey_users import ORIGIN, answer, challenge, register

RACERS: Final = 50
REVOKED: Final = [("REVOKED", "2023-11-01")]


@pytest.fixture
async def site(open_installation: Opener) -> Installation:
    opened: Installation = await open_installation(base_url=ORIGIN)
    return opened


async def configure(site: Installation, **settings: Any) -> None:  # noqa: ANN401 - any setting
    options = msgspec.structs.replace(options_of(site.environment), webauthn=settings)
    site.environment = await site.af.run(site.af.environments.update(site.environment, options=options))


async def load(
    site: Installation, *entries: dict[str, Any], number: int = 7, older: bool = False
) -> MetadataHead:
    made = blob(payload(*entries, number=number))
    return await site.af.run(site.af.authenticator_metadata.load(made, [ROOT.der], older=older))


def device(seed: int = 1, *, attests: bool = True, **flags: Any) -> SoftwareAuthenticator:  # noqa: ANN401 - any flag
    assert isinstance(BATCH.key, ec.EllipticCurvePrivateKey)
    return SoftwareAuthenticator(
        random.Random(seed).randbytes,
        aaguid=AAGUID_BYTES,
        attestation_key=BATCH.key if attests else None,
        attestation_chain=[BATCH.der],
        **flags,
    )


async def use(site: Installation, made: RegisteredPasskey, with_: SoftwareAuthenticator) -> Verification:
    opened = await challenge(site, made)
    return await site.verify(opened, answer(with_, opened))


async def test_what_is_loaded_is_shown_and_replaced(site: Installation) -> None:
    rules = site.af.authenticator_metadata
    assert await site.af.read(rules.head()) is None
    await load(site, entry(), entry(SOFT_AAGUID, statuses=REVOKED))
    head = await site.af.read(rules.head())
    assert head is not None
    assert (head.number, head.models, head.loaded_at) == (7, 2, site.clock.now)
    (refused,) = await site.af.read(rules.refused())
    assert (refused.aaguid, refused.status) == (SOFT_AAGUID, "REVOKED")
    changed = await load(site, entry(), number=8)
    assert await site.af.read(rules.head()) == changed
    assert await site.af.read(rules.refused()) == []
    assert await site.af.read(lambda tx: tx.authenticator_models.of(SOFT_AAGUID)) is None


async def test_older_metadata_replaces_nothing_unless_asked(site: Installation) -> None:
    await load(site, entry(statuses=REVOKED), number=8)
    with pytest.raises(errors.Conflict, match="above 7 is loaded"):
        await load(site, entry(), number=7)
    assert len(await site.af.read(site.af.authenticator_metadata.refused())) == 1
    await load(site, entry(), number=8)
    assert await site.af.read(site.af.authenticator_metadata.refused()) == []
    assert (await load(site, entry(), number=7, older=True)).number == 7


async def test_of_fifty_loads_at_once_the_newest_stays(site: Installation) -> None:
    numbers = random.Random(5).sample(range(1, 1000), RACERS)
    done = await asyncio.gather(
        *(load(site, entry(), number=each) for each in numbers), return_exceptions=True
    )
    head = await site.af.read(site.af.authenticator_metadata.head())
    assert head is not None
    assert head.number == max(numbers)
    assert head.models == 1
    assert all(isinstance(each, MetadataHead | errors.Conflict) for each in done)


async def test_a_file_that_is_not_the_services_changes_nothing(site: Installation) -> None:
    await load(site, entry())
    with pytest.raises(errors.InvalidRequest, match="none of the given roots"):
        site.af.authenticator_metadata.load(blob(), [MAKER.der])
    assert await site.af.read(lambda tx: tx.authenticator_models.of(AAGUID)) is not None


async def test_hardware_is_claimed_of_attested_keys_alone(site: Installation) -> None:
    await configure(site, attestation="direct", metadata="status")
    await load(site)
    user = await site.user()
    attested, silent, synced = device(1), device(2, attests=False), device(3, backup_eligible=True)
    made = [await register(site, user, each) for each in (attested, silent, synced)]
    assert [each.passkey.trust for each in made] == ["attested", "none", "attested"]
    found = [await use(site, *each) for each in zip(made, (attested, silent, synced), strict=True)]
    assert [each.amr for each in found] == ["pop user mfa hwk", "pop user mfa", "pop user mfa swk"]
    await configure(site)
    assert (await use(site, made[0], attested)).amr == "pop user mfa", "metadata is not used"


async def test_hardware_is_not_claimed_where_metadata_does_not_say_so(site: Installation) -> None:
    await configure(site, attestation="direct", metadata="status")
    await load(site, entry(protection=["software"]))
    held = device()
    made = await register(site, await site.user(), held)
    assert (await use(site, made, held)).amr == "pop user mfa"


@pytest.mark.parametrize("attests", [True, False])
async def test_a_model_that_was_revoked_later_is_refused_at_the_next_use(
    site: Installation, attests: bool
) -> None:
    await configure(site, attestation="direct", metadata="status")
    await load(site)
    held = device(attests=attests)
    made = await register(site, await site.user(), held)
    assert (await use(site, made, held)).valid
    await load(site, entry(statuses=REVOKED), number=8)
    outcome = await use(site, made, held)
    assert (outcome.valid, outcome.reason) == (False, "webauthn_authenticator_not_allowed")
    await configure(site)
    assert (await use(site, made, held)).valid, "metadata is not used"


async def test_a_status_counts_from_its_day_on(site: Installation) -> None:
    await configure(site, metadata="status")
    await load(site, entry(statuses=[("USER_VERIFICATION_BYPASS", "2023-11-15")]))
    held = device()
    made = await register(site, await site.user(), held)
    assert (await use(site, made, held)).valid
    site.clock.advance(86_400)
    assert (await use(site, made, held)).reason == "webauthn_authenticator_not_allowed"


async def test_only_attested_passkeys_are_used_where_these_are_asked_for(site: Installation) -> None:
    user, silent, attested = await site.user(), device(1, attests=False), device(2)
    before = await register(site, user, silent)
    await configure(site, attestation="direct", metadata="attested")
    with pytest.raises(errors.InvalidRequest) as caught:
        await register(site, user, device(3))
    assert [each.code for each in caught.value.items] == ["webauthn_authenticator_not_allowed"], (
        "none is loaded"
    )
    await load(site)
    made = await register(site, user, attested)
    assert (await use(site, made, attested)).valid
    assert (await use(site, before, silent)).reason == "webauthn_authenticator_not_allowed"


async def test_a_writer_of_the_database_makes_no_passkey_attested(site: Installation) -> None:
    await configure(site, attestation="direct", metadata="status")
    await load(site)
    held = device(attests=False)
    made = await register(site, await site.user(), held)
    site.sql("UPDATE passkeys SET trust = 'attested'")
    assert (await use(site, made, held)).amr == "pop user mfa"


async def test_a_writer_of_the_database_hides_no_revoked_model(site: Installation) -> None:
    await configure(site, metadata="status")
    await load(site)
    held = device()
    made = await register(site, await site.user(), held)
    await load(site, entry(statuses=REVOKED), number=8)
    site.sql("UPDATE passkeys SET aaguid = '00000000-0000-0000-0000-000000000000'")
    assert (await use(site, made, held)).reason == "webauthn_authenticator_not_allowed"


async def test_lists_name_products_as_the_metadata_does(site: Installation) -> None:
    user = await site.user()
    await register(site, user, device())
    (unnamed,) = await site.af.read(site.af.passkeys.of_user(site.environment, user.id))
    await load(site)
    (named,) = await site.af.read(site.af.passkeys.of_user(site.environment, user.id))
    assert (unnamed.product, named.product) == (None, "Acme Key 5")
    assert await site.af.read(site.af.passkeys.of_factor(site.environment, named.factor_id)) == named
