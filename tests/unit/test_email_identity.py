"""When two email addresses are the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authfactor.email_identity import email_key
from authfactor.rules.tenants.users import MAX_EMAIL

SAME = [
    ("Kim@Example.ORG", "kim@example.org"),
    (" kim@example.org ", "kim@example.org"),
    ("ÄRGER@example.org", "ärger@example.org"),
    # Composed and decomposed, in either part.
    ("ceo@jos\u00e9.fr", "ceo@jose\u0301.fr"),
    ("jos\u00e9@example.org", "JOSE\u0301@example.org"),
    # A letter that has a composed form in lower case only.
    ("j\u030c@example.org", "J\u030c@example.org"),
    # The Kelvin sign is canonically equivalent to K (UAX 15).
    ("\u212aim@example.org", "kim@example.org"),
    # U-label and A-label; what UTS 46 maps; the ideographic full stop.
    ("ceo@faß.de", "ceo@xn--fa-hia.de"),
    ("ceo@faß.de", "CEO@XN--FA-HIA.DE"),
    ("ceo@FAß.de", "ceo@faß.de"),
    ("ceo@fa\u017fs.de", "ceo@fass.de"),
    ("ceo@\ufb01rm.de", "ceo@firm.de"),
    ("ceo@\uff45xample\u3002org", "ceo@example.org"),
    # Labels that IDNA 2008 does not allow leave the others as they are.
    ("ceo@_mail.m\u00fcnchen.de", "ceo@_MAIL.xn--mnchen-3ya.de"),
]

DIFFERENT = [
    ("ceo@faß.de", "ceo@fass.de"),
    ("ceo@xn--fa-hia.de", "ceo@fass.de"),
    ("weiß@example.org", "weiss@example.org"),
    ("\u017fam@example.org", "sam@example.org"),
    ("\ufb01n@example.org", "fin@example.org"),
    ("\uff4bim@example.org", "kim@example.org"),
    ("ceo@σίσυφος.gr", "ceo@σίσυφοσ.gr"),
    # No label has a second A-label (RFC 5891 section 5.3).
    ("ceo@xn--fa-hia.de", "ceo@xn--fa--hia.de"),
    ("kim@example.org", "kim+tag@example.org"),
    ("k.im@example.org", "kim@example.org"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_addresses_have_two_keys(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize(
    "email",
    [
        "kim@example.org",
        "ärger@m\u00fcnchen.de",
        "kim@\U0001f600.ws",
        "kim@xn--",
        "kim@[192.0.2.1]",
        "kim@a..\u00e9",
        "kim@\ud800.de",
        "kim",
        "",
        "@",
    ],
)
def test_a_key_is_its_own_key_and_what_is_no_domain_name_is_kept(email: str) -> None:
    assert email_key(email) == email


def test_the_start_of_an_address_has_the_start_of_its_key() -> None:
    whole = "Weiß@M\u00fcnchen.de"
    for length in range(len(whole)):
        assert email_key(whole).startswith(email_key(whole[:length]))


texts = st.text(st.characters(codec="utf-8"), max_size=40)


@given(local=texts, domain=texts)
def test_canonically_equivalent_addresses_have_one_stable_key(local: str, domain: str) -> None:
    email = f"{local}@{domain}"
    key = email_key(email)
    assert email_key(key) == key
    for form in ("NFC", "NFD"):
        assert email_key(unicodedata.normalize(form, email).strip()) == key


def test_a_text_longer_than_any_stored_email_is_not_normalized() -> None:
    marks = "\u0301\u0316" * 16_000
    assert email_key(f"KIM{marks}@example.org") == f"KIM{marks}@example.org"
    longest = f"{'É' * (MAX_EMAIL - len('@example.org'))}@example.org"
    assert email_key(unicodedata.normalize("NFD", longest)) == longest.lower()
