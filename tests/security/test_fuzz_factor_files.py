"""Damaged and spliced files of factors to every reader: entries, refused entries or a defined refusal."""

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authfactor.factor_files.detection import FORMATS
from authfactor.factor_files.entries import FactorEntry, Refused, UnreadableFile
from authfactor.otp.totp import PROFILES
from tests.support.factor_files import NAMES, PASSPHRASES, read, sample

# 100 examples a format in CI, 100,000 nightly.
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "4"))
FUZZED: Final = settings(
    max_examples=25 * EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
pytestmark = pytest.mark.timeout(120 + 10 * EXAMPLES)
TEXTS: Final = (
    "\0 \" ' { } [ ] , : < & # % null -1 1e999 true 99999999999999999999 <![CDATA[ <!DOCTYPE\ta> \ufeff"
    " otpauth://totp/?secret="
)
TOKENS: Final = st.sampled_from([b"", b"\n", b"\xff", *(text.encode() for text in TEXTS.split(" "))])


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Return a sample after a few random cuts, copies and replacements, maybe with a part of another."""
    content = sample(name)
    for _ in range(draw(st.integers(1, 6))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
        middle = draw(
            st.binary(max_size=8)
            | TOKENS
            | st.just(content[start:end] * 2)
            | st.sampled_from([sample(other)[start:end] for other in NAMES])
        )
        content = content[:start] + middle + content[draw(st.sampled_from([start, end])) :]
        content = content[:100_000]
    return content


def check(content: bytes, form: str, passphrase: str) -> None:
    try:
        _, entries = read(content, form, passphrase)
    except UnreadableFile:
        return
    for entry in entries:
        if isinstance(entry, Refused):
            assert entry.code
            assert entry.reason.isprintable()
            continue
        assert isinstance(entry, FactorEntry)
        assert 10 <= len(entry.secret) <= 128
        assert entry.profile in PROFILES
        assert abs(entry.drift) <= 20
        for name in (entry.issuer, entry.account, entry.email, entry.external_id):
            assert name is None or (name.isprintable() and 0 < len(name) <= 512)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_file_of_each_format_breaks_no_reader(name: str) -> None:
    passphrase = PASSPHRASES.get(name, "passphrase")

    @FUZZED
    @given(damaged(name))
    def fuzz(content: bytes) -> None:
        check(content, "auto", passphrase)

    fuzz()


@pytest.mark.parametrize("form", FORMATS)
def test_any_bytes_break_no_reader(form: str) -> None:
    @FUZZED
    @given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
    def fuzz(content: bytes) -> None:
        check(content, form, "passphrase")

    fuzz()
