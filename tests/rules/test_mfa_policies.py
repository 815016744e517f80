"""Rules about MFA policies that no request reaches: unknown users and environments, and exempt users."""

import msgspec
import pytest

from authfactor import errors
from authfactor.models import AppliedPolicy
from authfactor.models.mfa_policies import Outcome, OwnPolicy, PolicySubject, StoredUserPolicy
from authfactor.rules.tenants.policy_outcomes import outcome_of
from tests.support.installation import Installation

NOW = 1_000
STRICT = AppliedPolicy(
    mode="required", grace_days=0, methods=("passkey",), rule=None, required_from=None, differs=False
)


def subject(own: OwnPolicy, *kinds: str) -> PolicySubject:
    """Return a user whose own policy ends right after `NOW`."""
    return PolicySubject(
        id="user_1",
        email="kim@example.org",
        email_verified=True,
        metadata="{}",
        last_sign_in_at=None,
        own=StoredUserPolicy(policy=own, until=NOW + 1),
        kinds=frozenset(kinds),
        has_recovery_codes=False,
    )


async def test_unknown_user_is_given_no_grace(installation: Installation) -> None:
    policies = installation.af.mfa_policies
    unit = policies.grant_grace(installation.environment, "user_unknown", days=7, reason="new phone")
    with pytest.raises(errors.NotFound, match="user_unknown"):
        await installation.af.run(unit)
    assert await installation.af.read(lambda tx: tx.user_mfa_policies.of(1, "user_unknown")) is None


async def test_reset_of_a_user_without_a_decision_stores_nothing(installation: Installation) -> None:
    af, user = installation.af, await installation.user()
    before = await af.read(af.mfa_policies.of_user(installation.environment, user.id))
    await af.run(af.mfa_policies.reset_user(installation.environment, user.id))
    assert await af.read(lambda tx: tx.user_mfa_policies.of(installation.environment.number, user.id)) is None
    assert await af.read(af.mfa_policies.of_user(installation.environment, user.id)) == before


async def test_policy_of_an_unknown_environment_is_not_found(installation: Installation) -> None:
    unknown = msgspec.structs.replace(installation.environment, number=999)
    with pytest.raises(errors.NotFound, match=unknown.client_id):
        await installation.af.read(installation.af.mfa_policies.get(unknown))


@pytest.mark.parametrize(
    ("own", "kinds", "outcome"),
    [
        ("exempt", ["totp"], "code"),
        ("exempt", [], "exempt"),
        ("default", ["totp"], "must_enroll"),
        ("default", [], "must_enroll"),
    ],
)
def test_exempt_user_may_use_a_kind_of_factor_that_the_policy_does_not_allow(
    own: OwnPolicy, kinds: list[str], outcome: Outcome
) -> None:
    assert outcome_of(subject(own, *kinds), STRICT, NOW) == outcome
    if own == "exempt":
        expired = outcome_of(subject(own, *kinds), STRICT, NOW + 1)
        assert expired == "must_enroll"
