"""The client reads, previews and sets policies, over both transports."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from authfactor import Client
from authfactor.client import (
    ConflictError,
    MfaPolicy,
    MfaPolicyRule,
    NotFoundError,
    UnprocessableEntityError,
)


def test_policies_through_the_client(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    known = client.mfa_policies.get_policy()
    rule = MfaPolicyRule(match={"email_domain": "else.example"}, policy="required", grace_days=3)
    changed = msgspec.structs.replace(known, rules=[rule], trusted_devices="allowed", trusted_device_days=7)
    assert client.mfa_policies.preview_policy(changed).outcomes.must_enroll == 0
    stored = client.mfa_policies.set_policy(changed)
    assert stored.rules == [rule]
    assert (stored.trusted_devices, stored.trusted_device_days) == ("allowed", 7)
    with pytest.raises(ConflictError):
        client.mfa_policies.set_policy(known)
    assert client.mfa_policies.get_coverage().users >= 1
    until = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(UnprocessableEntityError):
        client.mfa_policies.set_user_policy(user.id, policy="exempt", until=until)
    decided = client.mfa_policies.set_user_policy(user.id, policy="exempt", until=until, reason="robot")
    assert (decided.policy, decided.reason, decided.outcome) == ("exempt", "robot", "password_only")
    client.mfa_policies.reset_user_policy(user.id)
    assert client.mfa_policies.get_user_policy(user.id).policy == "default"
    with pytest.raises(NotFoundError):
        client.mfa_policies.get_user_policy("user_unknown")
    assert client.mfa_policies.set_policy(MfaPolicy(policy="if_enrolled")).rules == []
