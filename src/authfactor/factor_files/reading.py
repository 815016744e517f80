"""Reads a file of any format: the entry point of this package."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from authfactor.factor_files import detection, documents, lines
from authfactor.factor_files.entries import MAX_DOCUMENT_BYTES, Read, UnreadableFile, document_of

Reader = Callable[[documents.Object, str | None], Iterator[Read]]
_AUTO: Final = "auto"
_LISTED: Final = ("auth0", "kratos", "privacyidea", "andotp")


class Source(Protocol):
    """A file that can be read and wound back."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return a line, or its first `size` bytes."""

    def seek(self, offset: int, /) -> int:
        """Go to a place from the beginning."""


def read(source: Source, form: str = _AUTO, passphrase: str | None = None) -> tuple[str, Iterator[Read]]:
    """Return the format of a file, and its entries, read while they are asked for.

    Raises `UnreadableFile` and `PassphraseNeeded`; so does the iterator.
    """
    document: Any = None
    if form == _AUTO:
        form = detection.detect(source.read(detection.HEAD_BYTES))
        source.seek(0)
    if form in detection.LINE_FORMATS:
        return form, detection.LINE_FORMATS[form](lines.numbered(source.readline))
    content = document_of(source.read(MAX_DOCUMENT_BYTES + 1))
    if form == "json":
        document = documents.decode(content)
        form = detection.detect_document(document)
    return form, _of_document(form, content, document, passphrase)


def _of_document(form: str, content: bytes, document: Any, passphrase: str | None) -> Iterator[Read]:  # noqa: ANN401 - any document
    if form == "authelia":
        from authfactor.factor_files import authelia  # noqa: PLC0415 - one format of many

        return authelia.read(content)
    if form == "pskc":
        from authfactor.factor_files import pskc  # noqa: PLC0415 - one format of many

        return pskc.read(content, passphrase)
    if form == "qr":
        from authfactor.factor_files import qr_pictures  # noqa: PLC0415 - one format of many

        return qr_pictures.read(content)
    if form == "bitwarden-csv":
        from authfactor.factor_files import password_managers  # noqa: PLC0415 - one format of many

        return password_managers.bitwarden_csv(content)
    value = documents.decode(content) if document is None else document
    if isinstance(value, list) or form in _LISTED:
        value = {"entries": value if isinstance(value, list) else [value]}
    if not isinstance(value, dict):
        raise UnreadableFile("The JSON document is neither an object nor a list.")
    return _reader_of(form)(value, passphrase)


def _reader_of(form: str) -> Reader:
    from authfactor.factor_files import identity_servers, password_managers, phone_apps  # noqa: PLC0415 - for JSON alone

    readers: dict[str, Reader] = {
        "aegis": phone_apps.aegis,
        "2fas": phone_apps.twofas,
        "freeotp-plus": phone_apps.freeotp_plus,
        "andotp": phone_apps.andotp,
        "stratum": phone_apps.stratum,
        "bitwarden": password_managers.bitwarden,
        "proton": password_managers.proton,
        "keycloak": identity_servers.keycloak,
        "auth0": identity_servers.auth0,
        "kratos": identity_servers.kratos,
        "privacyidea": identity_servers.privacyidea,
    }
    if form not in readers:
        raise UnreadableFile(f"There is no format {form}.")
    return readers[form]
