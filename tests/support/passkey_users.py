"""Users with passkeys on an open installation, whose authenticators are software."""

import json
import random
from typing import Any, Final

from authfactor.models import ChallengeRecord, Environment, UserRecord
from authfactor.rules.factors.passkeys import RegisteredPasskey
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from tests.support.installation import Installation

ORIGIN: Final = "https://auth.example.org"


def authenticator(seed: int = 1, **flags: Any) -> SoftwareAuthenticator:  # noqa: ANN401 - any flag
    return SoftwareAuthenticator(random.Random(seed).randbytes, **flags)


async def register(
    site: Installation,
    user: UserRecord,
    device: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    environment: Environment | None = None,
) -> RegisteredPasskey:
    """Register a passkey of a user."""
    chosen = environment or site.environment
    begun = await site.af.run(site.af.passkeys.begin(chosen, user.id))
    body = json.dumps(device.create(begun.public_key, ORIGIN, behavior)).encode()
    return await site.af.run(site.af.passkeys.finish(chosen, user.id, begun.id, body))


async def challenge(
    site: Installation, made: RegisteredPasskey, environment: Environment | None = None
) -> ChallengeRecord:
    """Open a challenge of a passkey."""
    chosen = environment or site.environment
    return await site.af.run(site.af.challenges.create(chosen, made.factor.id))


def answer(
    device: SoftwareAuthenticator, opened: ChallengeRecord, behavior: Behavior = HONEST, origin: str = ORIGIN
) -> str:
    """Return the assertion that a page posts as `code`."""
    assert opened.public_key is not None
    return json.dumps(device.get(opened.public_key, origin, behavior))
