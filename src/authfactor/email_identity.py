"""When two email addresses are the same: the key that emails are stored and looked up by (decision 0037)."""

import unicodedata
from typing import Final

_ACE_PREFIX: Final = "xn--"
# Twice the longest email that is stored. Normalizing is quadratic in the length of a run of combining marks.
_MAX_NORMALIZED: Final = 508


def email_key(email: str) -> str:
    """Return the form in which emails are compared.

    The local part is normalized (NFC) and lower-cased, but not case-folded, which would turn `ß` into `ss`.
    The domain is mapped by UTS 46 (non-transitional) to its U-labels. Each U-label has exactly one A-label
    (RFC 5890 section 2.3.2.1), so to compare them is to compare A-labels.
    """
    text = email.strip()
    if text.isascii():
        lowered = text.lower()
        if _ACE_PREFIX not in lowered:
            return lowered
    if len(text) > _MAX_NORMALIZED:
        return text
    local, at, domain = text.partition("@")
    return f"{_lowered(local)}{at}{_u_labels(domain)}"


def _lowered(text: str) -> str:
    """Lower-case a text; canonically equivalent texts (UAX 15) get the same result, in NFC."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _u_labels(domain: str) -> str:
    """Return the U-labels of a domain; what IDNA 2008 does not allow in a label is only lower-cased."""
    import idna  # noqa: PLC0415 - tables of 15 ms, and nearly all emails are ASCII

    try:
        mapped = idna.uts46_remap(domain, std3_rules=False)
    except idna.IDNAError:
        return _lowered(domain)
    labels = []
    for label in mapped.split("."):
        try:
            labels.append(idna.ulabel(label))
        except UnicodeError:
            labels.append(label)
    return ".".join(labels)
