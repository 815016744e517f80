"""The client imports factors, and reads profiles of codes, over both transports."""

import pytest

from authfactor import Client
from authfactor.client import FactorProfile, UnprocessableEntityError
from tests.client.conftest import SECRET


def test_factors_are_imported_through_the_client(client: Client, email: str) -> None:
    entry = {"email": email, "totp_secret": SECRET, "algorithm": "SHA256", "digits": 8, "period": 60}
    unknown = client.mfa.import_factors([entry])
    assert (unknown.user_unknown, unknown.results[0].status) == (1, "user_unknown")
    made = client.mfa.import_factors([entry, entry, {**entry, "digits": 7}], create_users=True)
    assert (made.imported, made.exists, made.refused) == (1, 1, 1)
    assert [result.code for result in made.results] == [None, None, "profile_not_supported: digits=7"]
    (factor,) = client.mfa.list_all_factors(made.results[0].user_id or "").data
    assert factor.id == made.results[0].factor_id
    assert factor.profile == FactorProfile(algorithm="SHA256", digits=8, period=60)
    with pytest.raises(UnprocessableEntityError):
        client.mfa.import_factors([])
