"""What sessions say about passkeys."""

import pytest

from authfactor.webauthn import claims


@pytest.mark.parametrize(
    ("after_password", "backup_eligible", "expected"),
    [
        (True, False, "pwd pop user mfa"),
        (True, True, "pwd pop user mfa swk"),
        (False, False, "pop user mfa"),
        (False, True, "pop user mfa swk"),
    ],
)
def test_methods_never_claim_biometrics_nor_hardware_that_nothing_attests(
    after_password: bool, backup_eligible: bool, expected: str
) -> None:
    assert claims.methods(after_password=after_password, backup_eligible=backup_eligible) == expected


def test_hardware_is_claimed_for_keys_that_stay_in_it() -> None:
    assert claims.methods(after_password=False, backup_eligible=False, hardware=True) == "pop user mfa hwk"
    assert claims.methods(after_password=False, backup_eligible=True, hardware=True) == "pop user mfa swk"


def test_a_passkey_is_phishing_resistant() -> None:
    assert claims.ACR_PHISHING_RESISTANT == "urn:authfactor:acr:3"
