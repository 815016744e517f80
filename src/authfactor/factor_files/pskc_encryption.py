"""The encrypted values of a PSKC file: AES-CBC with a MAC, or AES key wrap (RFC 6030 section 6)."""

import base64
import binascii
import hmac
from typing import Final

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from authfactor.factor_files import key_derivation
from authfactor.factor_files.entries import UnreadableFile, UnusableEntryError
from authfactor.factor_files.xml_element import XmlElement

_BLOCK: Final = 16
_KEY_SIZES: Final = {"128": 16, "192": 24, "256": 32}
_HASHES: Final = {
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
}


class Opener:
    """Opens the values of one container; its key is derived, or read from hexadecimal digits, when needed."""

    def __init__(self, container: XmlElement, passphrase: str | None) -> None:
        """`passphrase`: what the container's key is derived from, or the pre-shared key itself in hex."""
        self._encryption = container.first("EncryptionKey")
        self._mac = container.first("MACMethod")
        self._passphrase = passphrase
        self._keys: tuple[bytes, bytes] | None = None

    def open(self, element: XmlElement) -> bytes:
        """Return a value. Raises `UnusableEntryError`, and `UnreadableFile` if no value can be opened."""
        plain = element.first("PlainValue")
        if plain is not None:
            return decoded(plain.text)
        sealed = element.first("EncryptedValue")
        cipher = None if sealed is None else sealed.first("CipherData", "CipherValue")
        if sealed is None or cipher is None:
            raise UnusableEntryError("secret_missing")
        if self._keys is None:
            self._keys = self._derive()
        key, mac_key = self._keys
        method = algorithm_of(sealed.first("EncryptionMethod"))
        content = decoded(cipher.text)
        if method.startswith("kw-aes"):
            return _unwrapped(key, content)
        if not method.startswith("aes") or not method.endswith("-cbc"):
            raise UnreadableFile("The PSKC file uses an encryption that is not supported.")
        self._authenticate(mac_key, content, element.first("ValueMAC"))
        return decrypted(key, method, content)

    def _authenticate(self, mac_key: bytes, content: bytes, given: XmlElement | None) -> None:
        """Raise unless the MAC over the initialization vector and the ciphertext is right."""
        if given is None:
            raise UnusableEntryError("mac_missing")
        made = hmac.digest(mac_key, content, self._mac_hash())
        if not hmac.compare_digest(made, decoded(given.text)):
            raise UnusableEntryError("mac_wrong")

    def _mac_hash(self) -> str:
        name = algorithm_of(self._mac).removeprefix("hmac-")
        if name not in _HASHES:
            raise UnreadableFile("The PSKC file uses a MAC that is not supported.")
        return _HASHES[name]

    def _derive(self) -> tuple[bytes, bytes]:
        passphrase = key_derivation.needed(self._passphrase)
        derivation = None if self._encryption is None else self._encryption.first("DerivedKey")
        if derivation is not None:
            key = _from_passphrase(derivation, passphrase)
        else:
            try:
                key = bytes.fromhex(passphrase)
            except ValueError:
                raise UnreadableFile(
                    "The passphrase file must have the pre-shared key, in hexadecimal digits."
                ) from None
        return key, self._mac_key(key)

    def _mac_key(self, key: bytes) -> bytes:
        """Return the key of the MAC: its own, encrypted one, or the encryption key."""
        own = None if self._mac is None else self._mac.first("MACKey")
        cipher = None if own is None else own.first("CipherData", "CipherValue")
        if own is None or cipher is None:
            return key
        method = algorithm_of(own.first("EncryptionMethod"))
        content = decoded(cipher.text)
        return _unwrapped(key, content) if method.startswith("kw-aes") else decrypted(key, method, content)


def _from_passphrase(derivation: XmlElement, passphrase: str) -> bytes:
    method = derivation.first("KeyDerivationMethod")
    parameters = None if method is None else method.first("PBKDF2-params")
    if parameters is None:
        raise UnreadableFile("The PSKC file derives its key in a way that is not supported.")
    salt, count = parameters.first("Salt", "Specified"), parameters.first("IterationCount")
    length, function = parameters.first("KeyLength"), parameters.first("PRF")
    # HMAC-SHA-1 is the default, and what an empty element means.
    name = (algorithm_of(function) or "hmac-sha1").removeprefix("hmac-")
    if salt is None or count is None or name not in _HASHES:
        raise UnreadableFile("The PSKC file derives its key in a way that is not supported.")
    size = 16 if length is None else _integer(length.text)
    return key_derivation.pbkdf2(_HASHES[name], passphrase, decoded(salt.text), _integer(count.text), size)


def _integer(text: str) -> int:
    cleaned = text.strip()
    if not cleaned.isascii() or not cleaned.isdigit() or len(cleaned) > 9:  # noqa: PLR2004 - far beyond any bound
        raise key_derivation.too_costly()
    return int(cleaned)


def algorithm_of(element: XmlElement | None) -> str:
    """Return the name at the end of an element's algorithm, in lower case; empty without one."""
    return "" if element is None else element.attributes.get("Algorithm", "").rpartition("#")[2].lower()


def decrypted(key: bytes, method: str, content: bytes) -> bytes:
    """Decrypt AES-CBC with the padding of XML encryption. Raises `PassphraseNeeded`."""
    size = _KEY_SIZES.get(method.removeprefix("aes").removesuffix("-cbc"))
    if size != len(key) or len(content) < 2 * _BLOCK or len(content) % _BLOCK:
        raise key_derivation.wrong_passphrase()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(content[:_BLOCK])).decryptor()
    padded = decryptor.update(content[_BLOCK:]) + decryptor.finalize()
    if not 1 <= padded[-1] <= _BLOCK:
        raise key_derivation.wrong_passphrase()
    return padded[: -padded[-1]]


def _unwrapped(key: bytes, content: bytes) -> bytes:
    try:
        return keywrap.aes_key_unwrap(key, content)
    except (keywrap.InvalidUnwrap, ValueError):
        raise key_derivation.wrong_passphrase() from None


def decoded(text: str) -> bytes:
    """Return the bytes of a base64 text. Raises `UnusableEntryError`."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise UnusableEntryError("entry_damaged", "not base64") from None
