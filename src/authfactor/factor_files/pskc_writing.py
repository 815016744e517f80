"""PSKC key containers (RFC 6030): AES-256-CBC under a key of PBKDF2, HMAC-SHA-256 over each value."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from authfactor.otp.totp import CodeProfile

# OWASP's figure for PBKDF2 with HMAC-SHA-256.
ITERATIONS: Final = 600_000
_SALT: Final = 16
_KEY: Final = 32
_BLOCK: Final = 16
_AES: Final = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
_HMAC: Final = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
_PKCS5: Final = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
_BEGINNING: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"'
    ' xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"'
    f' xmlns:pkcs5="{_PKCS5}">\n'
)


class Sealing:
    """Encrypts the values of one container."""

    def __init__(
        self, passphrase: str, entropy: Callable[[int], bytes], iterations: int = ITERATIONS
    ) -> None:
        """Derive the key; `entropy` returns that many random bytes."""
        self.salt = entropy(_SALT)
        self.iterations = iterations
        self._key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), self.salt, iterations, _KEY)
        self._mac_key = entropy(_KEY)
        self._entropy = entropy

    def mac_key(self) -> str:
        """Return the key of the MACs, encrypted."""
        return _text(self._encrypt(self._mac_key))

    def value(self, secret: bytes) -> str:
        """Return the elements of an encrypted secret and its MAC."""
        sealed = self._encrypt(secret)
        return (
            f'<EncryptedValue><xenc:EncryptionMethod Algorithm="{_AES}"/>'
            f"<xenc:CipherData><xenc:CipherValue>{_text(sealed)}</xenc:CipherValue></xenc:CipherData>"
            f"</EncryptedValue><ValueMAC>{_text(hmac.digest(self._mac_key, sealed, 'sha256'))}</ValueMAC>"
        )

    def _encrypt(self, value: bytes) -> bytes:
        padding = _BLOCK - len(value) % _BLOCK
        vector = self._entropy(_BLOCK)
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(vector)).encryptor()
        padded = value + bytes([padding]) * padding
        return vector + encryptor.update(padded) + encryptor.finalize()


def head(sealing: Sealing | None) -> str:
    """Return the beginning of a container."""
    if sealing is None:
        return _BEGINNING
    return (
        f"{_BEGINNING}<EncryptionKey><xenc11:DerivedKey>"
        f'<xenc11:KeyDerivationMethod Algorithm="{_PKCS5}pbkdf2"><pkcs5:PBKDF2-params>'
        f"<Salt><Specified>{_text(sealing.salt)}</Specified></Salt>"
        f"<IterationCount>{sealing.iterations}</IterationCount><KeyLength>{_KEY}</KeyLength>"
        f'<PRF Algorithm="{_HMAC}"/></pkcs5:PBKDF2-params></xenc11:KeyDerivationMethod>'
        "</xenc11:DerivedKey></EncryptionKey>\n"
        f'<MACMethod Algorithm="{_HMAC}"><MACKey><xenc:EncryptionMethod Algorithm="{_AES}"/>'
        f"<xenc:CipherData><xenc:CipherValue>{sealing.mac_key()}</xenc:CipherValue></xenc:CipherData>"
        "</MACKey></MACMethod>\n"
    )


def package(names: tuple[str, str, str, str], profile: CodeProfile, drift: int, value: str) -> str:
    """Return the package of a factor: id, issuer, account and user, and the elements of its secret."""
    factor_id, issuer, account, user = names
    suite = "" if profile.algorithm == "SHA1" else f"<Suite>HMAC-{profile.algorithm}</Suite>"
    return (
        f"<KeyPackage><DeviceInfo><SerialNo>{escape(factor_id)}</SerialNo></DeviceInfo>"
        f'<Key Id={quoteattr(factor_id)} Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp">'
        f"<Issuer>{escape(issuer)}</Issuer>"
        f'<AlgorithmParameters>{suite}<ResponseFormat Length="{profile.digits}" Encoding="DECIMAL"/>'
        f"</AlgorithmParameters><FriendlyName>{escape(account)}</FriendlyName>"
        f"<Data><Secret>{value}</Secret><Time><PlainValue>0</PlainValue></Time>"
        f"<TimeInterval><PlainValue>{profile.period}</PlainValue></TimeInterval>"
        f"<TimeDrift><PlainValue>{drift}</PlainValue></TimeDrift></Data>"
        f"<UserId>{escape(user)}</UserId></Key></KeyPackage>\n"
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
