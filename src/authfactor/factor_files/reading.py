"""Reads a file of any format: the entry point of this package."""

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Protocol, cast

from authfactor.factor_files import detection, documents, lines, sealed_export
from authfactor.factor_files.entries import MAX_DOCUMENT_BYTES, Read, UnreadableFile, document_of

Reader = Callable[[documents.Object, str | None], Iterator[Read]]
_AUTO: Final = "auto"
_LISTED: Final = ("auth0", "kratos", "privacyidea", "andotp")


class Source(Protocol):
    """Where a file is read from; it need not be able to go back."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def read(source: Source, form: str = _AUTO, passphrase: str | None = None) -> tuple[str, Iterator[Read]]:
    """Return the format of a file, and its entries, read while they are asked for.

    Raises `UnreadableFile` and `PassphraseNeeded`; so does the iterator.
    """
    stream, head = _begun(source)
    if head.startswith(sealed_export.MAGIC):
        stream, head = _begun(sealed_export.opened(stream, passphrase))
    if form == _AUTO:
        form = detection.detect(head)
    if form in detection.LINE_FORMATS:
        return form, detection.LINE_FORMATS[form](lines.numbered(stream.readline))
    document: Any = None
    content = document_of(stream.read(MAX_DOCUMENT_BYTES + 1))
    if form == "json":
        document = documents.decode(content)
        form = detection.detect_document(document)
    return form, _of_document(form, content, document, passphrase)


def _begun(source: Source) -> tuple[BinaryIO, bytes]:
    """Return a stream of the whole file, and its beginning."""
    head = b""
    while len(head) < detection.HEAD_BYTES and (part := source.read(detection.HEAD_BYTES - len(head))):
        head += part
    return cast("BinaryIO", io.BufferedReader(_Joined(head, source), detection.HEAD_BYTES)), head


class _Joined(io.RawIOBase):
    """The beginning of a file that has been read, and the rest of it."""

    def __init__(self, head: bytes, rest: Source) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]  # what readers give
        part = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


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
