"""The cache of authenticated callers is bounded: made-up keys cannot fill the memory."""

import pytest

from authfactor import errors
from authfactor.rules.tenants import environments
from tests.support.installation import Installation


async def test_full_cache_is_cleared_and_keys_keep_working(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "MAX_CACHED", 2)
    af = installation.af
    made = [
        await af.run(af.environments.new_key(installation.environment, f"key {number}"))
        for number in range(5)
    ]
    for _ in range(2):
        for api_key, secret in made:
            caller = await af.environments.authenticate(af.store, secret)
            assert (caller.environment.number, caller.key_id) == (installation.environment.number, api_key.id)
    with pytest.raises(errors.Unauthorized):
        await af.environments.authenticate(af.store, "sk_made_up")
