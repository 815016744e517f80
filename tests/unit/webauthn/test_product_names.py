"""Names of the products that keep passkeys."""

from authfactor.webauthn.product_names import product_name

KEYCHAIN = "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"


def test_loaded_metadata_names_a_product_before_the_own_list() -> None:
    assert product_name(KEYCHAIN) == "iCloud Keychain"
    assert product_name(KEYCHAIN, "As described") == "As described"


def test_an_authenticator_that_tells_nothing_has_no_product() -> None:
    assert product_name("00000000-0000-0000-0000-000000000000") is None
    assert product_name("", "") is None
