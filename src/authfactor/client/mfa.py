"""`client.mfa`: factors and challenges by their ids."""

from typing import Literal

from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    given,
    nothing,
    operation,
    path,
    reader,
)
from authfactor.client.types import (
    AuthenticationChallenge,
    AuthenticationChallengeVerificationResponse,
    AuthenticationFactorTotp,
    AuthenticationFactorTotpExtended,
)


class _Mfa(Group):
    """The methods, written once for both clients."""

    @operation
    def enroll_factor(
        self,
        *,
        type: Literal["totp"] = "totp",  # noqa: A002 - the API's word
        totp_issuer: str,
        totp_user: str,
        user_id: str | None = None,
    ) -> ApiCall[AuthenticationFactorTotpExtended]:
        """Enrol a factor that need not belong to a user, without a challenge.

        Raises `UnprocessableEntityError`. The secret is in this answer only.
        """
        body = given(type=type, totp_issuer=totp_issuer, totp_user=totp_user, user_id=user_id)
        return ApiCall("POST", "/auth/factors/enroll", reader(AuthenticationFactorTotpExtended), body)

    @operation
    def get_factor(self, authentication_factor_id: str) -> ApiCall[AuthenticationFactorTotp]:
        """Read a factor. Raises `NotFoundError`."""
        where = path("/auth/factors/{}", authentication_factor_id)
        return ApiCall("GET", where, reader(AuthenticationFactorTotp))

    @operation
    def delete_factor(self, authentication_factor_id: str) -> ApiCall[None]:
        """Delete a factor. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/auth/factors/{}", authentication_factor_id), nothing)

    @operation
    def challenge_factor(self, authentication_factor_id: str) -> ApiCall[AuthenticationChallenge]:
        """Open a challenge for a factor. Raises `NotFoundError`."""
        where = path("/auth/factors/{}/challenge", authentication_factor_id)
        return ApiCall("POST", where, reader(AuthenticationChallenge), {})

    @operation
    def verify_challenge(
        self, authentication_challenge_id: str, code: str
    ) -> ApiCall[AuthenticationChallengeVerificationResponse]:
        """Check a code. A wrong one is an answer (`valid` is False), not an exception.

        Raises `TooManyAttemptsError`, `NotFoundError`, and `UnprocessableEntityError` for a challenge that
        has expired or was verified before.
        """
        where = path("/auth/challenges/{}/verify", authentication_challenge_id)
        return ApiCall("POST", where, reader(AuthenticationChallengeVerificationResponse), {"code": code})


class Mfa(_Mfa, SyncGroup):
    """`client.mfa` of a `Client`."""


class AsyncMfa(_Mfa, AsyncGroup):
    """`client.mfa` of an `AsyncClient`."""
