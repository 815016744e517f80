"""Known secrets, the encodings they may appear in, and a search for them where they must not appear."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

CODE: Final = re.compile(r"\d{6}")
_MIN_BYTES: Final = 8
"""Minimum length in bytes of a form that is searched for: shorter ones occur by chance."""


@dataclass(frozen=True)
class Mark:
    """A secret: its kind and its text."""

    kind: str
    value: str

    def forms(self) -> set[bytes]:
        """Return every encoding that is searched for; one-time codes are matched otherwise."""
        found = set(_encodings(self.value.encode()))
        found |= {json.dumps(self.value)[1:-1].encode(), quote(self.value, safe="").encode()}
        found.add("".join(f"\\u{ord(letter):04x}" for letter in self.value).encode())
        found.add("".join(f"%{byte:02X}" for byte in self.value.encode()).encode())
        if self.kind.startswith("TOTP secret"):
            groups = [self.value[at : at + 4] for at in range(0, len(self.value), 4)]
            found |= {self.value.lower().encode(), " ".join(groups).encode()}
            found |= set(_encodings(base64.b32decode(self.value + "=" * (-len(self.value) % 8))))
        return {form for form in found if len(form) >= _MIN_BYTES}


def _encodings(raw: bytes) -> Iterator[bytes]:
    yield raw
    yield binascii.hexlify(raw)
    yield binascii.hexlify(raw).upper()
    yield base64.b32encode(raw).rstrip(b"=")
    # Within a longer text, base64 depends on the secret's offset: three variants, without the ends that vary.
    for before in range(3):
        middle = base64.b64encode(b"\0" * before + raw)[4 if before else 0 :].rstrip(b"=")[:-1]
        yield middle
        yield middle.replace(b"+", b"-").replace(b"/", b"_")


@dataclass
class Output:
    """An output and the secrets that it may contain."""

    place: str
    content: bytes
    may_show: set[str] = field(default_factory=set)


def found(marks: Iterable[Mark], outputs: Iterable[Output]) -> list[str]:
    """Return `KIND in PLACE` for each secret where it must not appear."""
    outputs = _joined(outputs)
    leaks = set()
    for mark in set(marks):
        if CODE.fullmatch(mark.value):
            # Six digits are a code only as a whole word: ids, times and hashes contain any six digits.
            word = re.compile(rb"(?<![0-9A-Za-z+/=_.-])" + mark.value.encode() + rb"(?![0-9A-Za-z+/=_.-])")
            leaks |= {(mark, out.place) for out in outputs if word.search(out.content)
                      and mark.value not in out.may_show}  # fmt: skip
            continue
        forms = mark.forms()
        for out in outputs:
            if mark.value not in out.may_show and any(form in out.content for form in forms):
                leaks.add((mark, out.place))
    return sorted(f"{mark.kind} in {place}" for mark, place in leaks)


def _joined(outputs: Iterable[Output]) -> list[Output]:
    """Join the outputs of one place with the same allowed secrets: few long texts are searched faster."""
    parts: dict[tuple[str, frozenset[str]], list[bytes]] = {}
    for out in outputs:
        parts.setdefault((out.place, frozenset(out.may_show)), []).append(out.content)
    return [Output(place, b"\n".join(contents), set(shown)) for (place, shown), contents in parts.items()]
