"""Known secrets, each form in which one may be written, and where one turned up that must not be there."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

CODE: Final = re.compile(r"\d{6}")
_LEAST: Final = 8
"""Bytes below which a form is not looked for: shorter ones are found by chance."""


@dataclass(frozen=True)
class Mark:
    """One secret: what kind it is, and its text."""

    kind: str
    value: str

    def forms(self) -> set[bytes]:
        """Every way to write it down that is looked for, codes aside."""
        found = set(_written(self.value.encode()))
        found |= {json.dumps(self.value)[1:-1].encode(), quote(self.value, safe="").encode()}
        found.add("".join(f"\\u{ord(letter):04x}" for letter in self.value).encode())
        found.add("".join(f"%{byte:02X}" for byte in self.value.encode()).encode())
        if self.kind.startswith("TOTP secret"):
            groups = [self.value[at : at + 4] for at in range(0, len(self.value), 4)]
            found |= {self.value.lower().encode(), " ".join(groups).encode()}
            found |= set(_written(base64.b32decode(self.value + "=" * (-len(self.value) % 8))))
        return {form for form in found if len(form) >= _LEAST}


def _written(raw: bytes) -> Iterator[bytes]:
    yield raw
    yield binascii.hexlify(raw)
    yield binascii.hexlify(raw).upper()
    yield base64.b32encode(raw).rstrip(b"=")
    # Inside a longer text base64 depends on where the secret begins: three ways, without the ends that vary.
    for before in range(3):
        middle = base64.b64encode(b"\0" * before + raw)[4 if before else 0 :].rstrip(b"=")[:-1]
        yield middle
        yield middle.replace(b"+", b"-").replace(b"/", b"_")


@dataclass
class Output:
    """One thing that came out, and the secrets that it may show."""

    place: str
    content: bytes
    may_show: set[str] = field(default_factory=set)


def found(marks: Iterable[Mark], outputs: Iterable[Output]) -> list[str]:
    """Say `KIND in PLACE` for each secret where it must not be."""
    outputs = _joined(outputs)
    leaks = set()
    for mark in set(marks):
        if CODE.fullmatch(mark.value):
            # Six digits are a code only as a whole word: ids, moments and hashes hold any six.
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
    """Put together what came out at one place with one allowance: few long texts are searched faster."""
    parts: dict[tuple[str, frozenset[str]], list[bytes]] = {}
    for out in outputs:
        parts.setdefault((out.place, frozenset(out.may_show)), []).append(out.content)
    return [Output(place, b"\n".join(contents), set(shown)) for (place, shown), contents in parts.items()]
