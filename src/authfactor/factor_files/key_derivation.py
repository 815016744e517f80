"""Keys from passphrases, at costs that a file chooses and this module bounds."""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authfactor.factor_files.entries import PassphraseNeeded, UnreadableFile

MAX_ITERATIONS: Final = 2_000_000
MAX_SCRYPT_BYTES: Final = 256 * 1024 * 1024
MAX_SCRYPT_PASSES: Final = 16
MAX_KEY_BYTES: Final = 64
_MAX_SALT: Final = 1024


def too_costly() -> UnreadableFile:
    """Return the error for a file whose key would take too long to derive."""
    return UnreadableFile("The file asks for a key derivation that is too costly.")


def pbkdf2(hash_name: str, passphrase: str, salt: bytes, iterations: object, length: object) -> bytes:
    """Derive a key. Raises `UnreadableFile` for costs out of bounds."""
    if (
        not _is_within(iterations, MAX_ITERATIONS)
        or not _is_within(length, MAX_KEY_BYTES)
        or len(salt) > _MAX_SALT
    ):
        raise too_costly()
    return hashlib.pbkdf2_hmac(hash_name, passphrase.encode(), salt, int(str(iterations)), int(str(length)))


def scrypt(passphrase: str, salt: bytes, n: object, r: object, p: object) -> bytes:
    """Derive a key of 32 bytes. Raises `UnreadableFile` for costs out of bounds."""
    if not (_is_within(n, 1 << 21) and _is_within(r, 64) and _is_within(p, MAX_SCRYPT_PASSES)):
        raise too_costly()
    cost, block, passes = int(str(n)), int(str(r)), int(str(p))
    if 128 * cost * block > MAX_SCRYPT_BYTES or cost & (cost - 1) or cost == 1 or len(salt) > _MAX_SALT:
        raise too_costly()
    limit = MAX_SCRYPT_BYTES + (8 << 20)
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=cost, r=block, p=passes, maxmem=limit, dklen=32)


def open_gcm(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """Decrypt AES-GCM. Raises `PassphraseNeeded`: a wrong passphrase and a changed file look the same."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):
        raise wrong_passphrase() from None


def wrong_passphrase() -> PassphraseNeeded:
    """Return the error for a passphrase that does not open the file."""
    return PassphraseNeeded("The passphrase is wrong, or the file is damaged.")


def needed(passphrase: str | None) -> str:
    """Return the passphrase of an encrypted file. Raises `PassphraseNeeded`."""
    if not passphrase:
        raise PassphraseNeeded("The file is encrypted. Give its passphrase with --passphrase-file.")
    return passphrase


def _is_within(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
