"""TLS without a proxy: one context whose certificate follows its files, for as long as the server runs."""

import logging
import os
import ssl
from typing import Final

from authfactor.settings import InvalidSetting, Settings

WATCH_SECONDS: Final = 10

log = logging.getLogger("authfactor.http")


class Certificate:
    """The server's TLS context. New connections see a new certificate; those that stand keep theirs."""

    def __init__(self, cert: str, key: str) -> None:
        """Load both files. Raises `BadSetting` that names the file and what is wrong with it."""
        self._files = (cert, key)
        self._seen = self._times()
        # A scratch context first: a pair that does not fit would leave half of itself in the real one.
        _load(_new_context(), cert, key)
        self.context: Final = _new_context()
        _load(self.context, cert, key)

    def refresh(self) -> bool:
        """Take up the files if they were replaced. An unusable pair is logged, and the old one stays."""
        try:
            times = self._times()
            if times == self._seen:
                return False
            self._seen = times
            _load(_new_context(), *self._files)
            _load(self.context, *self._files)
        except InvalidSetting as error:
            log.error("the certificate in use stays: %s", error)  # noqa: TRY400 - the sentence says it all
            return False
        log.info("a new TLS certificate is in use (%s)", self._files[0])
        return True

    def _times(self) -> tuple[tuple[int, int], ...]:
        try:
            found = [os.stat(file) for file in self._files]  # noqa: PTH116 - the settings are texts
        except OSError as error:
            raise InvalidSetting(f"{error.filename} cannot be read: {error.strerror}.") from error
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)


def certificate(settings: Settings) -> Certificate | None:
    """Load the certificate that the settings name, or None without one. Raises `BadSetting`."""
    return Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert else None


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, cert: str, key: str) -> None:
    try:
        # An encrypted key would make OpenSSL ask on the terminal; an empty password makes it refuse.
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSetting(f"The key in {key} is not that of the certificate in {cert}.") from error
        raise InvalidSetting(
            f"{cert} and {key} are no certificate and unencrypted key in PEM form ({error.reason or error})."
        ) from error
    except OSError as error:
        raise InvalidSetting(f"{error.filename or cert} cannot be read: {error.strerror}.") from error
