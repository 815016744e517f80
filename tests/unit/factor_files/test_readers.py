"""Each format of another program gives the same two factors, and says why it refuses the rest."""

from typing import Final

import pytest

from authfactor.factor_files import detection
from authfactor.factor_files.entries import FactorEntry, Refused, UnreadableFile
from tests.support.factor_files import NAMES, PASSPHRASES, read, sample, secrets, summary

A: Final = bytes(range(20))
B: Final = bytes(range(32))
# Format, and what is in the file: length of the secret, profile, issuer, account, email, external id.
EXPECTED: Final[dict[str, tuple[str, list[tuple[object, ...] | str]]]] = {
    "2fas.json": (
        "2fas",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "services[2]: type_not_supported: type=HOTP",
        ],
    ),
    "aegis.json": (
        "aegis",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "entries[2]: type_not_supported: type=hotp",
            "entries[3]: profile_not_supported: period=20",
            "entries[4]: type_not_supported: type=steam",
        ],
    ),
    "andotp.json": (
        "andotp",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "entries[2]: type_not_supported: type=STEAM",
        ],
    ),
    "auth0.json": (
        "auth0",
        [
            (20, "SHA1", 6, 30, None, None, "kim@example.org", "kim1"),
            (32, "SHA1", 6, 30, None, None, "lee@example.org", None),
        ],
    ),
    "authelia.yml": (
        "authelia",
        [
            (20, "SHA1", 6, 30, "Shop", "kim", None, "kim"),
            (32, "SHA256", 8, 60, "Bank: of Münster", "lee", None, "lee"),
            "line 18: secret_invalid: not base32, or longer than 128 bytes",
        ],
    ),
    "bitwarden.csv": (
        "bitwarden-csv",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            (20, "SHA1", 6, 30, None, "max@example.org", None, None),
            "row 5: type_not_supported: type=steam",
        ],
    ),
    "bitwarden.json": (
        "bitwarden",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            (20, "SHA1", 6, 30, "Bare", "max@example.org", None, None),
            "items[3]: type_not_supported: type=steam",
        ],
    ),
    "freeotp-plus.json": (
        "freeotp-plus",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "tokens[2]: type_not_supported: type=HOTP",
            "tokens[3]: secret_invalid: no list of bytes",
        ],
    ),
    "importer.csv": (
        "csv",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", "kim@example.org", None),
            (32, "SHA1", 6, 30, "Bank, of Münster", None, "lee@example.org", None),
            "line 5: secret_invalid: not base32, or longer than 128 bytes",
        ],
    ),
    "importer.ndjson": (
        "ndjson",
        [
            (20, "SHA1", 6, 30, "Shop", None, "kim@example.org", None),
            (32, "SHA256", 8, 60, None, None, "lee@example.org", "lee-8"),
            "line 3: secret_length: 2 bytes, not 10 to 128",
            "line 4: row_invalid",
            "line 5: row_invalid",
        ],
    ),
    "keycloak.json": (
        "keycloak",
        [
            (20, "SHA1", 6, 30, None, "kim", "kim@example.org", "kim-0001"),
            (32, "SHA256", 8, 60, None, "lee", "lee@example.org", "lee-0001"),
            "users[2].credentials[1]: type_not_supported: type=hotp",
            "users[3].credentials[1]: secret_invalid: secretEncoding is unknown",
        ],
    ),
    "kratos.json": (
        "kratos",
        [
            (
                20,
                "SHA1",
                6,
                30,
                "Shop",
                "kim@example.org",
                "kim@example.org",
                "11111111-0000-4000-8000-000000000000",
            ),
            (
                32,
                "SHA256",
                8,
                60,
                "Bank of Münster",
                "lee@example.org",
                "lee@example.org",
                "22222222-0000-4000-8000-000000000000",
            ),
        ],
    ),
    "migration.txt": (
        "otpauth",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 30, "Bank of Münster", "lee@example.org", None, None),
            "line 2, entry 1: profile_not_supported: algorithm=MD5",
            "line 2, entry 2: type_not_supported: type=hotp",
            "line 2, entry 3: secret_length: 9 bytes, not 10 to 128",
        ],
    ),
    "oath-version-2.csv": (
        "oath-csv",
        [
            (20, "SHA1", 6, 30, None, "TOK001", None, "kim"),
            (32, "SHA256", 8, 60, None, "TOK002", None, "lee"),
        ],
    ),
    "oath.csv": (
        "oath-csv",
        [
            (20, "SHA1", 6, 30, None, "TOK001", None, None),
            (32, "SHA256", 8, 60, None, "TOK002", None, None),
            "line 3: profile_not_supported: digits=7",
            "line 4: type_not_supported: type=hotp",
            "line 5: type_not_supported: type=hotp",
            "line 6: secret_length: 9 bytes, not 10 to 128",
            "line 7: secret_invalid: not hexadecimal",
        ],
    ),
    "otpauth.txt": (
        "otpauth",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "line 5: profile_not_supported: digits=7",
            "line 6: type_not_supported: type=hotp",
            "line 7: type_not_supported: type=steam",
            "line 8: secret_length: 9 bytes, not 10 to 128",
            "line 9: secret_missing",
        ],
    ),
    "privacyidea.json": (
        "privacyidea",
        [
            (20, "SHA1", 6, 30, None, "TOTP0001", None, "kim"),
            (32, "SHA256", 8, 60, None, "TOTP0002", None, "lee"),
            "entries[2]: type_not_supported: type=hotp",
            "entries[3]: secret_invalid: not hexadecimal",
        ],
    ),
    "proton.json": (
        "proton",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "entries[2]: type_not_supported: type=steam",
        ],
    ),
    "pskc-passphrase.xml": ("pskc", [(20, "SHA1", 8, 30, None, "987654321", None, None)]),
    "pskc-preshared-key.xml": ("pskc", [(20, "SHA1", 8, 30, None, "987654321", None, None)]),
    "pskc.xml": (
        "pskc",
        [
            (20, "SHA1", 6, 30, "Shop", "TOK001", None, "kim"),
            (32, "SHA256", 8, 60, "Shop", "TOK002", None, "lee"),
            "KeyPackage 3: type_not_supported: type=hotp",
            "KeyPackage 4: profile_not_supported: encoding=HEXADECIMAL",
        ],
    ),
    "stratum.json": (
        "stratum",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, None),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, None),
            "Authenticators[2]: type_not_supported: type=1",
            "Authenticators[3]: profile_not_supported: algorithm=9",
        ],
    ),
    "table.csv": (
        "csv",
        [
            (20, "SHA1", 6, 30, "Shop", "kim@example.org", None, "kim-7"),
            (32, "SHA256", 8, 60, "Bank of Münster", "lee@example.org", None, "lee-8"),
            "line 4: profile_not_supported: digits=7",
            "line 5: row_invalid",
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_sample_of_a_format_is_recognized_and_read(name: str) -> None:
    form, entries = read(sample(name), "auto", PASSPHRASES.get(name))
    assert (form, summary(entries)) == EXPECTED[name]
    if name.startswith("pskc-"):
        assert secrets(entries) == [b"12345678901234567890"]
    elif name == "keycloak.json":
        # Without an encoding, the characters are the key.
        assert secrets(entries) == [b"ABCDEFGHIJKLMNOPQRST", B]
    else:
        assert set(secrets(entries)) == {A, B}
    # Naming the format gives the same.
    assert read(sample(name), form, PASSPHRASES.get(name)) == (form, entries)


def test_every_sample_has_an_expectation_and_every_format_a_sample() -> None:
    assert set(NAMES) == {*EXPECTED, "yubico.csv"}
    assert {form for form, _ in EXPECTED.values()} == {*detection.FORMATS} - {"yubico-csv", "qr"}


def test_yubico_csv_is_refused_because_it_has_no_totp_secrets() -> None:
    with pytest.raises(UnreadableFile, match="neither of which is a TOTP factor"):
        read(sample("yubico.csv"))


def test_drift_is_read_in_steps_and_bounded() -> None:
    for name, drifts in (("pskc.xml", [-4, 0]), ("privacyidea.json", [-2, 0])):
        entries = read(sample(name))[1]
        assert [entry.drift for entry in entries if isinstance(entry, FactorEntry)] == drifts


def test_unused_recovery_codes_of_kratos_come_along() -> None:
    entries = read(sample("kratos.json"))[1]
    codes = [entry.recovery_codes for entry in entries if isinstance(entry, FactorEntry)]
    assert codes == [("ab3d5f7h", "kl3d5f7h"), ()]


def test_incomplete_batch_of_migration_codes_is_reported() -> None:
    first = sample("migration.txt").splitlines()[0]
    _, entries = read(first)
    assert summary(entries)[-1] == "batch: batch_incomplete: 1 of 2 codes are in the file"
    assert len(secrets(entries)) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"%2B", b"+"),
        (b"%2B", b"-"),
        (b"%2F", b"_"),
        (b"%3D", b""),
        (b"%2B", b"%20"),
        (b"otpauth-", b"OTPAUTH-"),
    ],
)
def test_migration_code_is_read_as_tools_write_it(before: bytes, after: bytes) -> None:
    content = sample("migration.txt").replace(before, after)
    assert secrets(read(content)[1]) == [A, B]


def test_secret_is_in_no_representation_of_an_entry() -> None:
    (entry, *_) = read(sample("otpauth.txt"))[1]
    assert isinstance(entry, FactorEntry)
    assert "0001" not in repr(entry) + str(entry)
    assert "bytes" not in repr(entry)


def test_refusal_shows_no_more_than_a_short_clean_part_of_the_file() -> None:
    content = b"otpauth://totp/x?secret=AAAAAAAAAAAAAAAA&algorithm=" + b"%1b%5b31m" + b"A" * 500
    (refused,) = read(content)[1]
    assert isinstance(refused, Refused)
    assert refused.reason == "profile_not_supported: algorithm=[31m" + "A" * 15
