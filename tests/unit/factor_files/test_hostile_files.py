"""Files made to hurt: bombs, endless lines, deep nesting; nothing but a refusal comes of them."""

import base64
import contextlib
import io
import json
import tracemalloc
from typing import Final

import pytest

from authfactor.factor_files import (
    documents,
    entries,
    lines,
    migration_payload,
    reading,
    sealed_export,
)
from authfactor.factor_files.detection import FORMATS
from authfactor.factor_files.entries import MAX_LINE_BYTES, FactorEntry, Refused, UnreadableFile
from tests.support.factor_files import read, sample, summary

MEBIBYTE: Final = 1024 * 1024
SECRET: Final = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"


class EndlessLine(io.RawIOBase):
    """A file with one line of a gigabyte, and a good one behind it; nothing of it is kept."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.rest = f"\notpauth://totp/a?secret={SECRET}\n".encode()

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= MAX_LINE_BYTES
        count = min(size, self.left)
        self.left -= count
        if count == size:
            return b"x" * count
        line, newline, self.rest = self.rest.partition(b"\n")
        return b"x" * count + line + newline


def test_line_of_a_gigabyte_is_skipped_without_keeping_it() -> None:
    tracemalloc.start()
    try:
        found = list(lines.otpauth_list(lines.numbered(EndlessLine(1024 * MEBIBYTE).readline)))
        assert tracemalloc.get_traced_memory()[1] < MEBIBYTE
    finally:
        tracemalloc.stop()
    assert [type(entry) for entry in found] == [Refused, FactorEntry]
    assert summary(found)[0] == "line 1: line_unreadable: too long, or not UTF-8"


@pytest.mark.parametrize("form", ["aegis", "pskc", "authelia", "bitwarden-csv", "qr"])
def test_document_beyond_the_limit_is_refused_unread(form: str) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            assert 0 < size <= entries.MAX_DOCUMENT_BYTES + 1
            return bytes(size)

    with pytest.raises(UnreadableFile, match="Split it"):
        reading.read(Endless(), form)


ENTITIES: Final = """<?xml version="1.0"?>
<!DOCTYPE KeyContainer [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><KeyContainer>&c;</KeyContainer>"""
EXTERNAL: Final = """<!DOCTYPE KeyContainer SYSTEM "file:///etc/passwd"><KeyContainer/>"""
FILE: Final = """<!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">]><KeyContainer>&x;</KeyContainer>"""


@pytest.mark.parametrize("text", [ENTITIES, EXTERNAL, FILE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_doctype_is_refused_before_anything_of_it_is_expanded(text: str, encoding: str) -> None:
    with pytest.raises(UnreadableFile, match="DOCTYPE"):
        read(text.encode(encoding), "pskc")


@pytest.mark.parametrize(
    "content",
    [
        b"<a>" * 100_000,
        b"<KeyContainer>" + b"<a>" * 40 + b"</a>" * 40 + b"</KeyContainer>",
        b"<KeyContainer>&undefined;</KeyContainer>",
        b"<Other/>",
        b"<",
        b"<KeyContainer>\xff\xfe</KeyContainer>",
    ],
)
def test_xml_that_is_no_key_container_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)


def test_text_in_many_pieces_is_joined_once() -> None:
    piece = "A" * 100 + "&#65;"
    text = sample("pskc.xml").decode().replace("<UserId>kim<", f"<UserId>{piece * 20_000}<")
    found = read(text.encode())[1]
    assert isinstance(found[0], FactorEntry)
    # Too long for a name.
    assert found[0].external_id is None


@pytest.mark.parametrize("content", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"users":[' * 100_000])
def test_json_that_nests_too_deep_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)
    assert documents.embedded(content.decode()) is None


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"hello", b"{}", b"[]", b"[[]]", b'"x"', b"{", b"a,b\n1,2", b"\xff\xff"]
)
def test_file_of_no_known_format_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'"x"',
        b"[[]]",
        b'{"entries":{}}',
        b"\x00" * 100,
        b"\xff" * 100,
        b"<a/>",
    ],
)
def test_file_of_another_format_gives_no_factor(form: str, content: bytes) -> None:
    try:
        found = read(content, form, "passphrase")[1]
    except UnreadableFile:
        return
    assert not [entry for entry in found if isinstance(entry, FactorEntry)]


WRONG: Final = [None, True, 7, -1, 1.5, "", "x", "\x00", [], ["x"], {}, {"x": "y"}, 10**400]
PLAIN: Final = [
    "aegis.json",
    "2fas.json",
    "bitwarden.json",
    "proton.json",
    "freeotp-plus.json",
    "andotp.json",
    "stratum.json",
    "keycloak.json",
    "auth0.json",
    "kratos.json",
    "privacyidea.json",
]


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path]
    for name, inner in items:
        found += places(inner, (*path, name))
    return found


def replaced(value: object, path: tuple[object, ...], new: object) -> object:
    if not path:
        return new
    first, *rest = path
    if isinstance(value, dict):
        return {**value, first: replaced(value[first], tuple(rest), new)}
    assert isinstance(value, list)
    return [replaced(each, tuple(rest), new) if at == first else each for at, each in enumerate(value)]


@pytest.mark.parametrize("name", PLAIN)
def test_any_value_of_another_type_is_refused_and_breaks_nothing(name: str) -> None:
    document = json.loads(sample(name))
    form = read(sample(name))[0]
    for path in places(document):
        for wrong in WRONG:
            with contextlib.suppress(UnreadableFile):
                read(json.dumps(replaced(document, path, wrong)).encode(), form, "passphrase")


@pytest.mark.parametrize(
    "text",
    [
        "totp_configurations:\n  - username: *x\n",
        "totp_configurations:\n  - username: !!python/object x\n",
        "totp_configurations:\n  - username: |\n      text\n",
        "totp_configurations:\n  username: x\n",
        "totp_configurations:\n  - {a: b}\n",
        "\ttotp_configurations:\n",
        "totp_configurations:\n  - username: {a: b}\n",
    ],
)
def test_yaml_beyond_what_authelia_writes_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFile):
        read(text.encode(), "authelia")


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


@pytest.mark.parametrize(
    "content",
    [
        b"\x0a\xff",
        b"\x0a\x05ab",
        b"\x80" * 100,
        b"\x0b",
        b"\x0a" + varint(2**62),
        b"\x08" + b"\xff" * 11,
        b"\x09ab",
    ],
)
def test_damaged_migration_payload_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        migration_payload.read(
            "line 1", f"otpauth-migration://offline?data={base64.urlsafe_b64encode(content).decode()}"
        )


def test_migration_payload_with_thousands_of_entries_is_refused() -> None:
    text = base64.urlsafe_b64encode(b"\x0a\x00" * 2000).decode()
    with pytest.raises(UnreadableFile, match="more than 1000"):
        migration_payload.read("line 1", f"otpauth-migration://offline?data={text}")


def test_huge_batch_size_is_no_loop() -> None:
    payload = b"\x18" + varint(2**60)
    text = base64.urlsafe_b64encode(payload).decode()
    found = read(f"otpauth-migration://offline?data={text}\n".encode())[1]
    assert summary(found) == ["batch: batch_incomplete: 1 of 1000 codes are in the file"]


@pytest.mark.parametrize(
    "part",
    ["secret=%ZZ", "secret=" + "A" * 100_000, "a=b&" * 100, "secret=AAAA%00AAAAAAAAAAAA", "secret=%ff%fe"],
)
def test_odd_uri_is_refused(part: str) -> None:
    found = read(f"otpauth://totp/a?{part}\n".encode())[1]
    assert [type(entry) for entry in found] == [Refused]


def test_names_with_control_characters_or_too_long_are_left_out() -> None:
    for name in ("a%0Ab", "x" * 600, "%1B[31m"):
        (entry,) = read(f"otpauth://totp/{name}?secret={SECRET}&issuer={name}".encode())[1]
        assert isinstance(entry, FactorEntry)
        assert (entry.issuer, entry.account) == (None, None)


@pytest.mark.parametrize(
    ("content", "form", "reasons"),
    [
        (b"\xff\n", "otpauth", ["line 1: line_unreadable: too long, or not UTF-8"]),
        (
            b"otpauth-migration://offline?data=!\n",
            "otpauth",
            ["line 1: uri_invalid: line 1: this is no complete migration URI."],
        ),
        (b"\xff\n", "oath-csv", ["line 1: line_unreadable: too long, or not UTF-8"]),
        (b"totp_secret\n\xff\n", "csv", ["line 2: line_unreadable: too long, or not UTF-8"]),
        (b"\xff\n", "ndjson", ["line 1: line_unreadable: too long, or not UTF-8"]),
        (b"<KeyContainer><KeyPackage/></KeyContainer>", "pskc", ["KeyPackage 1: entry_damaged: no Key"]),
        (
            b"<KeyContainer><KeyPackage><Key/></KeyPackage></KeyContainer>",
            "pskc",
            ["KeyPackage 1: secret_missing"],
        ),
        (
            b"<KeyContainer><KeyPackage><Key><Data><Secret/></Data></Key></KeyPackage></KeyContainer>",
            "pskc",
            ["KeyPackage 1: secret_missing"],
        ),
        (b"a,hello\n", "oath-csv", ["line 1: type_not_supported: type=hotp"]),
        (b"a,,totp\n", "oath-csv", ["line 1: secret_missing"]),
    ],
)
def test_entry_that_is_damaged_is_refused_alone(content: bytes, form: str, reasons: list[str]) -> None:
    assert summary(read(content, form)[1]) == reasons


@pytest.mark.parametrize("content", [b'"\n', b'a,"b\nx\n', b"\xff\nsecret\n", b"a,b\n1,2\n"])
def test_table_whose_first_line_names_no_secret_gives_no_factor(content: bytes) -> None:
    try:
        found = read(content, "csv")[1]
    except UnreadableFile:
        return
    assert not [entry for entry in found if isinstance(entry, FactorEntry)]


@pytest.mark.parametrize(
    "content",
    [
        b"authfactor export 1 scrypt \n",
        b"authfactor export 1 scrypt 2 8 1 zz\n",
        b"authfactor export 1 scrypt 2 8 1 00",
        b"authfactor export 1 scrypt 1073741824 8 1 00\n",
        b"authfactor export 1 scrypt 2 8 1 00\n",
        b"authfactor export 1 scrypt 2 8 1 00\nauthfactor backup 1 other 00 1\n",
        b"authfactor export 1 scrypt 2 8 1 00\nauthfactor backup 1 passphrase 00 1\n",
        b"authfactor export 1 scrypt 2 8 1 00\nauthfactor backup 1 passphrase 00 1\n\0\0\0\x20" + bytes(32),
    ],
)
def test_sealed_export_that_is_damaged_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content, passphrase="passphrase")


def test_export_cut_off_between_chunks_is_refused_at_its_end() -> None:
    target = io.BytesIO()
    sealed = sealed_export.writer(target, "passphrase", bytes(16), 1, (2, 8, 1))
    line = f"otpauth://totp/a?secret={SECRET}\n".encode()
    sealed.write(line * 40_000)
    sealed.close()
    content = target.getvalue()
    assert len(read(content, passphrase="passphrase")[1]) == 40_000
    start = len(content) - len(content.split(b"\n", 2)[2])
    first = start + 4 + int.from_bytes(content[start : start + 4], "big")
    second = first + 4 + int.from_bytes(content[first : first + 4], "big")
    with pytest.raises(UnreadableFile, match="wrong, or the file is damaged"):
        read(content[:first], passphrase="passphrase")
    with pytest.raises(UnreadableFile, match="damaged or incomplete"):
        read(content[:second], passphrase="passphrase")
