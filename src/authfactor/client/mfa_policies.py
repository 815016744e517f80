"""`client.mfa_policies`: when sign-ins require a factor, for an environment and for single users."""

from datetime import datetime
from typing import Any

from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    decode_nothing,
    decoder,
    drop_none,
    operation,
    path,
)
from authfactor.client.policy_types import (
    Decision,
    MfaCoverage,
    MfaPolicy,
    MfaPolicyPreview,
    UserMfaPolicy,
)


class _MfaPolicies(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @operation
    def get_policy(self) -> ApiCall[MfaPolicy]:
        """Return the policy of the environment."""
        return ApiCall("GET", "/authfactor/mfa_policy", decoder(MfaPolicy))

    @operation
    def set_policy(self, policy: MfaPolicy) -> ApiCall[MfaPolicy]:
        """Replace the policy as a whole.

        Raises `UnprocessableEntityError`, and `ConflictError` if the policy has changed since `updated_at`.
        """
        return ApiCall("PUT", "/authfactor/mfa_policy", decoder(MfaPolicy), _document(policy))

    @operation
    def preview_policy(self, policy: MfaPolicy) -> ApiCall[MfaPolicyPreview]:
        """Count users by what a policy would lead to; changes nothing. Raises `UnprocessableEntityError`."""
        return ApiCall("POST", "/authfactor/mfa_policy/preview", decoder(MfaPolicyPreview), _document(policy))

    @operation
    def get_coverage(self) -> ApiCall[MfaCoverage]:
        """Count users by method and by what the policy leads to."""
        return ApiCall("GET", "/authfactor/reports/mfa_coverage", decoder(MfaCoverage))

    @operation
    def get_user_policy(self, user_id: str) -> ApiCall[UserMfaPolicy]:
        """Return the policy in force for a user, and why. Raises `NotFoundError`."""
        return ApiCall("GET", path("/authfactor/users/{}/mfa_policy", user_id), decoder(UserMfaPolicy))

    @operation
    def set_user_policy(
        self,
        user_id: str,
        *,
        policy: Decision,
        until: datetime | None = None,
        reason: str | None = None,
        grace_until: datetime | None = None,
    ) -> ApiCall[UserMfaPolicy]:
        """Exempt a user, require a factor of the user, or give a new deadline.

        Args:
            user_id: The user.
            policy: `exempt` needs `until` and `reason`; `default` takes an earlier decision back.
            until: When the decision ends; within 90 days for `exempt`.
            reason: At most 300 characters, for the audit log.
            grace_until: A new deadline for enrolling, within 90 days; needs a reason.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        body = drop_none(
            policy=policy,
            until=None if until is None else until.isoformat(),
            reason=reason,
            grace_until=None if grace_until is None else grace_until.isoformat(),
        )
        return ApiCall("PUT", path("/authfactor/users/{}/mfa_policy", user_id), decoder(UserMfaPolicy), body)

    @operation
    def reset_user_policy(self, user_id: str) -> ApiCall[None]:
        """Take a decision about a user back; a deadline stays as it is. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/authfactor/users/{}/mfa_policy", user_id), decode_nothing)


def _document(policy: MfaPolicy) -> dict[str, Any]:
    return drop_none(**policy.to_dict())


class MfaPolicies(_MfaPolicies, SyncGroup):
    """`client.mfa_policies` of a `Client`."""


class AsyncMfaPolicies(_MfaPolicies, AsyncGroup):
    """`client.mfa_policies` of an `AsyncClient`."""
