"""TLS without a proxy: one context that reloads its certificate when the files change."""

import logging
import os
import ssl
from typing import Final

from authfactor.settings import InvalidSetting, Settings

POLL_SECONDS: Final = 10

log = logging.getLogger("authfactor.http")


class Certificate:
    """The server's TLS context. New connections get a new certificate; open ones keep theirs."""

    def __init__(self, cert: str, key: str) -> None:
        """Load both files. Raises `InvalidSetting` that names the file and what is wrong with it."""
        self._files = (cert, key)
        self._loaded_times = self._file_times()
        # A scratch context first: a mismatched pair would leave the real one half loaded.
        _load(_new_context(), cert, key)
        self.context: Final = _new_context()
        _load(self.context, cert, key)

    def refresh(self) -> bool:
        """Reload the files if they changed; return whether it did. An invalid pair is logged and ignored."""
        try:
            times = self._file_times()
            if times == self._loaded_times:
                return False
            self._loaded_times = times
            _load(_new_context(), *self._files)
            _load(self.context, *self._files)
        except InvalidSetting as error:
            log.error("keeping the current certificate: %s", error)  # noqa: TRY400 - the message suffices
            return False
        log.info("a new TLS certificate is in use (%s)", self._files[0])
        return True

    def _file_times(self) -> tuple[tuple[int, int], ...]:
        try:
            stats = [os.stat(file) for file in self._files]  # noqa: PTH116 - the settings are strings
        except OSError as error:
            raise InvalidSetting(f"{error.filename} cannot be read: {error.strerror}.") from error
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


def certificate(settings: Settings) -> Certificate | None:
    """Load the certificate that the settings name; None if they name none. Raises `InvalidSetting`."""
    return Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert else None


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, cert: str, key: str) -> None:
    try:
        # OpenSSL prompts on the terminal for an encrypted key; with an empty password it fails instead.
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSetting(f"The key in {key} does not match the certificate in {cert}.") from error
        raise InvalidSetting(
            f"{cert} and {key} are not a certificate and unencrypted key in PEM form"
            f" ({error.reason or error})."
        ) from error
    except OSError as error:
        raise InvalidSetting(f"{error.filename or cert} cannot be read: {error.strerror}.") from error
