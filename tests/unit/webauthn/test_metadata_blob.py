"""BLOBs of a metadata service: who signed them, and what they say."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authfactor.models.passkeys import AuthenticatorModel
from authfactor.webauthn import certificates, metadata_blob
from authfactor.webauthn.certificates import InvalidChain
from authfactor.webauthn.metadata_blob import BlobRefused, MetadataBlob, read_blob
from tests.support.metadata_service import (
    AAGUID,
    MAKER,
    NOW,
    ROOT,
    SERVICE,
    SOFT_AAGUID,
    Authority,
    blob,
    entry,
    payload,
)
from tests.support.passkeys import to_text

DAY = 86_400_000


def read(made: bytes, *roots: Authority, now: int = NOW) -> MetadataBlob:
    return read_blob(made, [each.der for each in roots or (ROOT,)], now)


def only_model(*reports: tuple[str, str | None]) -> AuthenticatorModel:
    (model,) = read(blob(payload(entry(statuses=reports)))).models
    return model


def test_a_signed_blob_says_what_it_says() -> None:
    found = read(blob())
    assert (found.number, found.next_update) == (7, 1_701_388_800_000)
    expected = AuthenticatorModel(AAGUID, "Acme Key 5", True, None, None, (MAKER.der,))
    assert found.models == [expected]
    assert read(blob() + b"\n") == found


@pytest.mark.parametrize("status", sorted(metadata_blob.REFUSED_STATUSES))
def test_each_status_of_a_broken_model_counts_whatever_was_reported_since(status: str) -> None:
    model = only_model(
        ("FIDO_CERTIFIED", "2019-01-01"), (status, "2020-01-01"), ("UPDATE_AVAILABLE", "2021-01-01")
    )
    assert (model.status, model.is_refused(NOW)) == (status, True)


def test_a_status_counts_from_its_day_on_and_one_without_a_day_at_once() -> None:
    model = only_model(("REVOKED", "2023-11-20"))
    assert model.refused_from is not None
    assert not model.is_refused(model.refused_from - 1)
    assert model.is_refused(model.refused_from)
    assert only_model(("REVOKED", "2030-01-01"), ("USER_VERIFICATION_BYPASS", None)).is_refused(NOW)


def test_other_statuses_refuse_nothing() -> None:
    model = only_model(("RETIRED", "2020-01-01"), ("A_STATUS_OF_NEXT_YEAR", None))
    assert (model.status, model.is_refused(NOW)) == (None, False)


def test_only_keys_in_hardware_alone_are_hardware() -> None:
    made_of = ("hardware", "software", "hardware software", "", "remote_handle")
    made = [entry(SOFT_AAGUID[:-1] + str(at), protection=each.split()) for at, each in enumerate(made_of)]
    assert [each.is_hardware for each in read(blob(payload(*made))).models] == [True] + [False] * 4


def test_entries_without_an_aaguid_are_left_out() -> None:
    made = entry()
    del made["aaguid"]
    assert read(blob(payload(made))).models == []
    made["aaguid"], made["metadataStatement"] = AAGUID.upper(), {}
    assert read(blob(payload(made))).models == [AuthenticatorModel(AAGUID, "", False, None, None, ())]


def test_a_description_is_short_and_printable() -> None:
    (model,) = read(blob(payload(entry(description="a\x1b[31m\n" + "b" * 500)))).models
    assert model.description == ("a [31m " + "b" * 500)[:120]


def test_a_chain_may_have_authorities_between_and_the_root_itself() -> None:
    middle = Authority("Middle", ROOT, path_length=0)
    leaf = Authority("Leaf", middle, authority=False)
    assert read(blob(signer=leaf, chain=(leaf, middle)))
    assert read(blob(signer=leaf, chain=(leaf, middle, ROOT)))
    assert read(blob(signer=leaf, chain=(leaf, middle)), middle), "an authority of its own choice"
    assert read(blob(signer=leaf, chain=(leaf,)), leaf), "the certificate itself"


def test_rsa_signs_blobs_too() -> None:
    service = Authority("Service", ROOT, key=rsa.generate_private_key(65537, 2048), authority=False)
    assert read(blob(signer=service, chain=(service,), algorithm="RS256"))


def refused_chains() -> dict[str, tuple[bytes, str]]:
    stranger = Authority("Metadata root")
    of_stranger = Authority("Metadata service", stranger, authority=False)
    below_leaf = Authority("Below", SERVICE, authority=False)
    unconstrained = Authority("No authority", ROOT, constraints=False)
    below_unconstrained = Authority("Below", unconstrained, authority=False)
    short = Authority("Short", ROOT, path_length=0)
    second = Authority("Second", short)
    deep = Authority("Deep", second, authority=False)
    past = Authority("Past", ROOT, authority=False, days=1)
    none = "it leads to none"
    return {
        "another root of the same name": (blob(signer=of_stranger, chain=(of_stranger,)), none),
        "its own root in the chain": (blob(signer=of_stranger, chain=(of_stranger, stranger)), none),
        "no chain": (blob(chain=()), "1 to 8"),
        "a long chain": (blob(chain=(SERVICE,) * 9), "1 to 8"),
        "a chain with a gap": (blob(chain=(SERVICE, MAKER)), "not issued by the next"),
        "issued by no authority": (blob(signer=below_leaf, chain=(below_leaf, SERVICE)), "not issued"),
        "issued without constraints": (
            blob(signer=below_unconstrained, chain=(below_unconstrained, unconstrained)),
            "not issued",
        ),
        "below too many authorities": (blob(signer=deep, chain=(deep, second, short)), "not issued"),
        "expired": (blob(signer=past, chain=(past,)), "not valid now"),
    }


@pytest.mark.parametrize("name", list(refused_chains()))
def test_a_chain_that_is_not_the_roots_is_refused(name: str) -> None:
    made, expected = refused_chains()[name]
    with pytest.raises(BlobRefused, match=expected):
        read(made, now=NOW + DAY if name == "expired" else NOW)


def test_a_root_that_is_not_valid_anymore_is_refused() -> None:
    old = Authority("Old root", days=1)
    made = Authority("Service", old, authority=False)
    with pytest.raises(BlobRefused, match="certificate 2 is not valid now"):
        read(blob(signer=made, chain=(made,)), old, now=NOW + DAY)


def test_a_changed_blob_is_refused() -> None:
    header, content, signature = blob().split(b".")
    _, other, _ = blob(payload(number=8)).split(b".")
    with pytest.raises(BlobRefused, match="signature of the BLOB is wrong"):
        read(b".".join((header, other, signature)))
    with pytest.raises(BlobRefused, match="signature of the BLOB is wrong"):
        read(blob(signer=Authority("Other key")))
    with pytest.raises(BlobRefused, match="signature of the BLOB is wrong"):
        read(b".".join((header, content, to_text(bytes(64)).encode())))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384"])
def test_a_blob_is_signed_as_its_key_can_sign(algorithm: str) -> None:
    with pytest.raises(BlobRefused, match="neither with RS256 nor"):
        read(blob(algorithm=algorithm))


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"..",
        b"a.b",
        blob() + b".x",
        b"\xff.\xff.\xff",
        blob()[:-1] + b"!",
        to_text(b"[]").encode() + b"." + b".".join(blob().split(b".")[1:]),
        to_text(b'{"alg":"ES256","x5c":["A"]}').encode() + b"..",
        to_text(b'{"alg":"ES256","x5c":["AAAA"]}').encode() + b"..",
        to_text(b"[" * 100_000).encode() + b"..",
    ],
)
def test_what_is_no_blob_is_refused(made: bytes) -> None:
    with pytest.raises(BlobRefused, match="BLOB"):
        read(made)


def test_a_signed_payload_that_cannot_be_parsed_is_refused() -> None:
    for content in ({"no": 1}, payload(next_update="soon"), payload(entry("no-uuid"))):
        with pytest.raises(BlobRefused):
            read(blob(content))


def test_sizes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    made = blob(payload(entry(), entry(SOFT_AAGUID)))
    monkeypatch.setattr(metadata_blob, "MAX_MODELS", 1)
    with pytest.raises(BlobRefused, match="more than 1 models"):
        read(made)
    monkeypatch.setattr(metadata_blob, "MAX_BLOB", len(made) - 1)
    with pytest.raises(BlobRefused, match="longer than"):
        read(made)


def test_roots_are_read_from_pem_and_der() -> None:
    assert certificates.read_roots(ROOT.der) == [ROOT.der]
    assert certificates.read_roots(b"Root:\n" + ROOT.pem + MAKER.pem) == [ROOT.der, MAKER.der]
    with pytest.raises(InvalidChain, match="no certificate in PEM or DER"):
        certificates.read_roots(b"-----BEGIN PRIVATE KEY-----")


def test_a_root_that_cannot_be_parsed_has_issued_nothing() -> None:
    assert read_blob(blob(), [b"\x30\x00", ROOT.der], NOW)
    with pytest.raises(BlobRefused):
        read_blob(blob(), [b"\x30\x00"], NOW)


def test_a_key_of_another_curve_cannot_sign() -> None:
    other = Authority("P-384", ROOT, key=ec.generate_private_key(ec.SECP384R1()), authority=False)
    with pytest.raises(BlobRefused):
        read(blob(signer=SERVICE, chain=(other,)))
