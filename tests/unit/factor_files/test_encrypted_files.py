"""Encrypted files: made with another implementation of the key derivations, and opened by the readers."""

import base64
import hashlib
import hmac
import json
import os
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from authfactor.factor_files.entries import PassphraseNeeded, Refused, UnreadableFile
from tests.support.factor_files import read, sample, secrets

PASSPHRASE: Final = "correct horse"
A: Final = bytes(range(20))
B: Final = bytes(range(32))


def aegis(**slot: Any) -> dict[str, Any]:  # noqa: ANN401 - of the file
    """Encrypt the sample of Aegis, with two slots for passwords and one for a fingerprint."""
    plain = json.loads(sample("aegis.json"))
    master, nonce = os.urandom(32), os.urandom(12)
    sealed = AESGCM(master).encrypt(nonce, json.dumps(plain["db"]).encode(), None)
    slots = [{"type": 2, "uuid": "fingerprint", "key": "00", "key_params": {"nonce": "00", "tag": "00"}}]
    for passphrase in ("another", PASSPHRASE):
        salt, slot_nonce = os.urandom(32), os.urandom(12)
        key = Scrypt(salt=salt, length=32, n=1024, r=8, p=1).derive(passphrase.encode())
        wrapped = AESGCM(key).encrypt(slot_nonce, master, None)
        params = {"nonce": slot_nonce.hex(), "tag": wrapped[-16:].hex()}
        made = {"type": 1, "key": wrapped[:-16].hex(), "key_params": params, "salt": salt.hex()}
        slots.append({**made, "n": 1024, "r": 8, "p": 1, **slot})
    header = {"slots": slots, "params": {"nonce": nonce.hex(), "tag": sealed[-16:].hex()}}
    return {"version": 1, "header": header, "db": base64.b64encode(sealed[:-16]).decode()}


def twofas() -> dict[str, Any]:
    plain = json.loads(sample("2fas.json"))
    salt, nonce = os.urandom(256), os.urandom(12)
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, 10_000).derive(PASSPHRASE.encode())
    sealed = AESGCM(key).encrypt(nonce, json.dumps(plain["services"]).encode(), None)
    parts = ":".join(base64.b64encode(part).decode() for part in (sealed, salt, nonce))
    return {**plain, "services": [], "servicesEncrypted": parts}


@pytest.mark.parametrize("make", [aegis, twofas])
def test_encrypted_file_opens_with_its_passphrase_only(make: Any) -> None:  # noqa: ANN401 - one of the two
    content = json.dumps(make()).encode()
    assert secrets(read(content, passphrase=PASSPHRASE)[1]) == [A, B]
    for passphrase in ("Correct horse", "x"):
        with pytest.raises(PassphraseNeeded, match="wrong"):
            read(content, passphrase=passphrase)
    with pytest.raises(PassphraseNeeded, match="--passphrase-file"):
        read(content)


@pytest.mark.parametrize(
    "slot",
    [
        {"n": 1 << 30},
        {"r": 1 << 20},
        {"p": 1 << 20},
        {"n": 1 << 20, "r": 64},
        {"n": 1000},
        {"n": 1},
        {"n": 0},
        {"n": -1024},
        {"n": "1024"},
        {"n": True},
        {"salt": "00" * 5000},
        {"salt": "zz"},
        {"salt": None},
        {"n": None},
    ],
)
def test_key_derivation_that_is_too_costly_is_refused_before_it_begins(slot: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFile):
        read(json.dumps(aegis(**slot)).encode(), passphrase=PASSPHRASE)


def test_vault_without_a_password_slot_says_so() -> None:
    vault = aegis()
    vault["header"]["slots"] = vault["header"]["slots"][:1]
    with pytest.raises(UnreadableFile, match="no slot for a password"):
        read(json.dumps(vault).encode(), passphrase=PASSPHRASE)


@pytest.mark.parametrize("version", [0, 5, "4", None])
def test_versions_of_2fas_that_are_not_known_are_refused(version: object) -> None:
    with pytest.raises(UnreadableFile, match="not known"):
        read(json.dumps({**twofas(), "schemaVersion": version}).encode(), passphrase=PASSPHRASE)


@pytest.mark.parametrize("parts", ["", "AAAA", "AAAA:AAAA", "?:?:?", "AAAA:AAAA:AAAA"])
def test_damaged_encrypted_parts_are_refused(parts: str) -> None:
    content = json.dumps({**twofas(), "servicesEncrypted": parts or ":"}).encode()
    with pytest.raises(UnreadableFile):
        read(content, passphrase=PASSPHRASE)


def container(key: bytes, *, wrap: bool = False, size: int = 256, digest: str = "sha256") -> str:
    """Encrypt a secret for a PSKC file under a pre-shared key, with a MAC key of its own."""

    def encrypt(value: bytes) -> bytes:
        padding = 16 - len(value) % 16
        nonce = os.urandom(16)
        cipher = Cipher(algorithms.AES(key), modes.CBC(nonce)).encryptor()
        return nonce + cipher.update(value + bytes(padding - 1) + bytes([padding])) + cipher.finalize()

    method = f"kw-aes{size}" if wrap else f"aes{size}-cbc"
    mac_key = os.urandom(32)
    sealed = keywrap.aes_key_wrap(key, B) if wrap else encrypt(B)
    sealed_mac = keywrap.aes_key_wrap(key, mac_key) if wrap else encrypt(mac_key)
    mac = base64.b64encode(hmac.digest(mac_key, sealed, digest)).decode()
    text = sample("pskc-preshared-key.xml").decode().replace("aes128-cbc", method)
    text = text.replace("2000/09/xmldsig#hmac-sha1", f"2001/04/xmldsig-more#hmac-{digest}")
    for before, after in (
        ("ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX", sealed_mac),
        ("AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv", sealed),
    ):
        text = text.replace(before, base64.b64encode(after).decode())
    return text.replace("Su+NvtQfmvfJzF6bmQiJqoLRExc=", mac)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("size", [128, 192, 256])
def test_pskc_of_every_key_size_opens_with_its_key_only(*, wrap: bool, size: int) -> None:
    key = hashlib.sha256(b"key").digest()[: size // 8]
    content = b""
    for digest in ("sha1", "sha256", "sha512"):
        content = container(key, wrap=wrap, size=size, digest=digest).encode()
        assert secrets(read(content, passphrase=key.hex())[1]) == [B]
    with pytest.raises(PassphraseNeeded):
        read(content)
    try:
        found = read(content, passphrase=bytes(len(key)).hex())[1]
    except PassphraseNeeded:
        pass
    else:
        # The padding of the MAC key looks right for one wrong key in sixteen.
        assert [each.reason for each in found if isinstance(each, Refused)] == ["mac_wrong"]
    with pytest.raises(UnreadableFile, match="hexadecimal"):
        read(content, passphrase="not hex")


def refusal(content: str, passphrase: str) -> str:
    (entry,) = read(content.encode(), passphrase=passphrase)[1]
    assert isinstance(entry, Refused)
    return entry.reason


def test_changed_value_of_a_pskc_file_is_refused_by_its_mac() -> None:
    text = sample("pskc-passphrase.xml").decode()
    changed = text.replace("oTvo+S22", "pTvo+S22")
    assert refusal(changed, "qwerty") == "mac_wrong"
    assert refusal(text.replace("LP6xMvjtypbfT9PdkJhBZ+D6O4w=", "AAAA"), "qwerty") == "mac_wrong"
    without = text.replace("<ValueMAC>LP6xMvjtypbfT9PdkJhBZ+D6O4w=</ValueMAC>", "")
    assert refusal(without, "qwerty") == "mac_missing"
    assert refusal(text.replace("oTvo+S22", "?Tvo+S22"), "qwerty") == "entry_damaged: not base64"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<IterationCount>1000<", "<IterationCount>1000000000<"),
        ("<IterationCount>1000<", "<IterationCount>100000000000000000000<"),
        ("<IterationCount>1000<", "<IterationCount>x<"),
        ("<KeyLength>16<", "<KeyLength>1000000<"),
        ("<PRF/>", '<PRF Algorithm="x#hmac-md5"/>'),
        ("PBKDF2-params", "Other-params"),
        ("aes128-cbc", "tripledes-cbc"),
        ("xmldsig#hmac-sha1", "xmldsig#hmac-md5"),
        ("<IterationCount>1000</IterationCount>", ""),
    ],
)
def test_other_key_derivations_and_ciphers_of_a_pskc_file_are_refused(before: str, after: str) -> None:
    text = sample("pskc-passphrase.xml").decode()
    assert before in text
    with pytest.raises(UnreadableFile):
        read(text.replace(before, after).encode(), passphrase="qwerty")
