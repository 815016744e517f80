"""The software authenticator does what the options say."""

import random

import pytest

from authfactor.testing.software_authenticator import Behavior, Excluded, NoCredential, SoftwareAuthenticator
from authfactor.webauthn import options
from authfactor.webauthn.options import Account, KnownCredential
from tests.support.passkeys import CHALLENGE, HANDLE, ORIGIN, SETTINGS, Site, stored, to_text, with_settings

ACCOUNT = Account(HANDLE, "kim@example.org", "Kim")


def test_an_excluded_credential_is_not_made_again() -> None:
    site = Site()
    site.creation_response()
    known = [KnownCredential(each) for each in site.authenticator.credentials]
    asked = options.creation_options(SETTINGS, ACCOUNT, CHALLENGE, known)
    with pytest.raises(Excluded):
        site.authenticator.create(asked, ORIGIN)
    assert SoftwareAuthenticator(random.Random(2).randbytes).create(asked, ORIGIN)


def test_only_discoverable_credentials_answer_without_being_named() -> None:
    site = Site(settings=with_settings(resident_key="discouraged"))
    made = site.register()
    assert made.discoverable is False
    with pytest.raises(NoCredential):
        site.request_response(first=True)
    response = site.request_response()
    assert response["response"]["userHandle"] is None
    assert site.sign_in(stored(made), response, allowed=(made.id,))


def test_of_several_credentials_the_named_one_answers_or_else_the_newest() -> None:
    site = Site()
    first, second = site.register(), site.register()
    asked = options.request_options(SETTINGS, CHALLENGE, [KnownCredential(first.id)])
    assert site.authenticator.get(asked, ORIGIN)["id"] == to_text(first.id)
    assert site.request_response(first=True)["id"] == to_text(second.id)


def test_credentials_belong_to_their_rp_id() -> None:
    site = Site()
    site.register()
    site.settings = with_settings(rp_id="example.com")
    with pytest.raises(NoCredential):
        site.request_response()


def test_an_authenticator_that_does_not_count_always_sends_zero() -> None:
    site = Site()
    site.authenticator = SoftwareAuthenticator(random.Random(1).randbytes, backup_eligible=True, counts=False)
    made = site.register()
    for _ in range(2):
        accepted = site.sign_in(stored(made), allowed=(made.id,))
        assert (accepted.sign_count, accepted.counter_went_back) == (0, False)


def test_the_same_entropy_makes_the_same_credential() -> None:
    assert Site(seed=3).creation_response() == Site(seed=3).creation_response()
    assert Site(seed=3).creation_response() != Site(seed=4).creation_response()


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="-35"):
        Site().creation_response(Behavior(), -35)
