"""`client.mfa`: factors by id, and their challenges."""

from collections.abc import Mapping, Sequence
from typing import Literal

from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    SyncGroup,
    decode_nothing,
    decoder,
    drop_none,
    operation,
    path,
)
from authfactor.client.own_types import FactorImport, RecoveryCodes, RecoveryCodesCreated
from authfactor.client.passkeys import PasskeyFactorMethods
from authfactor.client.trusted_device_types import TrustedDevice, TrustedDeviceIssued
from authfactor.client.types import (
    AnyAuthenticationFactor,
    AuthenticationChallenge,
    AuthenticationChallengeVerificationResponse,
    AuthenticationFactorTotpExtended,
    ListResponse,
    UserFactor,
)


class _Mfa(PasskeyFactorMethods):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @operation
    def enroll_factor(
        self,
        *,
        type: Literal["totp"] = "totp",  # noqa: A002 - the API's word
        totp_issuer: str,
        totp_user: str,
        user_id: str | None = None,
    ) -> ApiCall[AuthenticationFactorTotpExtended]:
        """Enroll a TOTP factor, with or without a user, and without a challenge.

        Only this response contains the factor's secret.

        Args:
            type: Only `totp` is supported.
            totp_issuer: Name of your application in the authenticator app.
            totp_user: Name of the account in the authenticator app.
            user_id: The user to whom the factor belongs. Default: none; the application keeps its own users.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        body = drop_none(type=type, totp_issuer=totp_issuer, totp_user=totp_user, user_id=user_id)
        return ApiCall("POST", "/auth/factors/enroll", decoder(AuthenticationFactorTotpExtended), body)

    @operation
    def get_factor(self, authentication_factor_id: str) -> ApiCall[AnyAuthenticationFactor]:
        """Return a factor, without its secret. Raises `NotFoundError`."""
        url_path = path("/auth/factors/{}", authentication_factor_id)
        return ApiCall("GET", url_path, decoder(AnyAuthenticationFactor))

    @operation
    def delete_factor(self, authentication_factor_id: str) -> ApiCall[None]:
        """Delete a factor and its secret. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/auth/factors/{}", authentication_factor_id), decode_nothing)

    @operation
    def challenge_factor(self, authentication_factor_id: str) -> ApiCall[AuthenticationChallenge]:
        """Create a challenge for a factor, to be verified with one code. Raises `NotFoundError`."""
        url_path = path("/auth/factors/{}/challenge", authentication_factor_id)
        return ApiCall("POST", url_path, decoder(AuthenticationChallenge), {})

    @operation
    def verify_challenge(
        self, authentication_challenge_id: str, code: str
    ) -> ApiCall[AuthenticationChallengeVerificationResponse]:
        """Verify a code. A wrong code is no exception: the response has `valid` False and a `reason`.

        Args:
            authentication_challenge_id: Id of the challenge.
            code: The six digits that the user typed; for a passkey, the JSON of what the browser returned.

        Raises `TooManyAttemptsError`, `NotFoundError`, and `UnprocessableEntityError` for a challenge that
        has expired or was verified before.
        """
        url_path = path("/auth/challenges/{}/verify", authentication_challenge_id)
        return ApiCall("POST", url_path, decoder(AuthenticationChallengeVerificationResponse), {"code": code})

    @operation
    def create_recovery_codes(self, user_id: str) -> ApiCall[RecoveryCodesCreated]:
        """Create ten recovery codes for a user with an active factor; they replace the user's old ones.

        Raises `NotFoundError`, and `UnprocessableEntityError` without an active factor.
        """
        url_path = path("/authfactor/users/{}/recovery_codes", user_id)
        return ApiCall("POST", url_path, decoder(RecoveryCodesCreated), {})

    @operation
    def import_recovery_codes(self, user_id: str, codes: Sequence[str]) -> ApiCall[RecoveryCodes]:
        """Replace a user's recovery codes by unused ones of another system.

        Args:
            user_id: The user, who has an active factor.
            codes: 1 to 50 codes of 8 to 40 letters and digits.

        Raises `NotFoundError`, and `UnprocessableEntityError` for unusable codes or without an active factor.
        """
        url_path = path("/authfactor/users/{}/recovery_codes", user_id)
        return ApiCall("PUT", url_path, decoder(RecoveryCodes), {"codes": list(codes)})

    @operation
    def get_recovery_codes(self, user_id: str) -> ApiCall[RecoveryCodes]:
        """Count a user's recovery codes. Raises `NotFoundError`."""
        return ApiCall("GET", path("/authfactor/users/{}/recovery_codes", user_id), decoder(RecoveryCodes))

    @operation
    def delete_recovery_codes(self, user_id: str) -> ApiCall[None]:
        """Delete a user's recovery codes. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/authfactor/users/{}/recovery_codes", user_id), decode_nothing)

    @operation
    def create_trusted_device(
        self,
        *,
        session_id: str,
        name: str | None = None,
        user_agent: str | None = None,
        ip_address: str | None = None,
    ) -> ApiCall[TrustedDeviceIssued]:
        """Trust the device of a session. Only this response has its first token.

        Args:
            session_id: A session whose code was accepted within the last ten minutes: the claim `sid`.
            name: Shown in lists, such as `Firefox on Linux`; at most 64 characters.
            user_agent: User agent of the browser, shown in lists.
            ip_address: IP address of the browser, shown in lists.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `ConflictError` if the environment trusts no
        devices or the session has made one before.
        """
        body = drop_none(session_id=session_id, name=name, user_agent=user_agent, ip_address=ip_address)
        return ApiCall("POST", "/authfactor/trusted_devices", decoder(TrustedDeviceIssued), body)

    @operation
    def rotate_trusted_device(self, token: str) -> ApiCall[TrustedDeviceIssued]:
        """Exchange a trusted device's token for the next one.

        A token that was used for a sign-in within the last minute gets the token of that sign-in's response.
        Raises `BadRequestError` for a token of a device that is not trusted.
        """
        url_path, body = "/authfactor/trusted_devices/rotate", {"token": token}
        return ApiCall("POST", url_path, decoder(TrustedDeviceIssued), body)

    @operation
    def list_trusted_devices(self, user_id: str) -> ApiCall[ListResponse[TrustedDevice]]:
        """List a user's trusted devices, newest first, ended ones too. Raises `NotFoundError`."""
        url_path = path("/authfactor/users/{}/trusted_devices", user_id)
        return ApiCall("GET", url_path, decoder(ListResponse[TrustedDevice]))

    @operation
    def revoke_trusted_device(self, user_id: str, trusted_device_id: str) -> ApiCall[None]:
        """End a trusted device of a user: its next sign-in needs a code. Raises `NotFoundError`."""
        url_path = path("/authfactor/users/{}/trusted_devices/{}", user_id, trusted_device_id)
        return ApiCall("DELETE", url_path, decode_nothing)

    @operation
    def revoke_trusted_devices(self, user_id: str) -> ApiCall[None]:
        """End all trusted devices of a user. Raises `NotFoundError`."""
        return ApiCall("DELETE", path("/authfactor/users/{}/trusted_devices", user_id), decode_nothing)

    @operation
    def list_all_factors(self, user_id: str) -> ApiCall[ListResponse[UserFactor]]:
        """List all factors of a user, newest first, with names and last use. Raises `NotFoundError`."""
        url_path = path("/authfactor/users/{}/factors", user_id)
        return ApiCall("GET", url_path, decoder(ListResponse[UserFactor]))

    @operation
    def rename_factor(self, authentication_factor_id: str, name: str | None) -> ApiCall[UserFactor]:
        """Name a factor, with at most 64 characters; None removes the name.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        url_path = path("/authfactor/factors/{}", authentication_factor_id)
        return ApiCall("PATCH", url_path, decoder(UserFactor), {"name": name})

    @operation
    def import_factors(
        self, entries: Sequence[Mapping[str, object]], *, create_users: bool = False
    ) -> ApiCall[FactorImport]:
        """Import TOTP factors of another system, which are active at once; repeating it imports none twice.

        Args:
            entries: 1 to 1,000 mappings with `user_id`, `external_id` or `email`, with `totp_secret` or
                `uri`, and optionally `totp_issuer`, `totp_user`, `algorithm`, `digits`, `period`, `drift`.
            create_users: Create users that are unknown and have an `email`.

        Raises `UnprocessableEntityError` for no or too many entries; each entry has a result of its own.
        """
        body = {"entries": [dict(entry) for entry in entries], "create_users": create_users}
        return ApiCall("POST", "/authfactor/imports", decoder(FactorImport), body)

    @operation
    def resync_factor(self, authentication_factor_id: str, codes: Sequence[str]) -> ApiCall[UserFactor]:
        """Accept an active factor's codes from a phone whose clock is up to ten minutes off.

        Args:
            authentication_factor_id: Id of the factor.
            codes: Two codes that the phone showed one after the other, the older one first.

        Raises `NotFoundError`, `TooManyAttemptsError`, and `UnprocessableEntityError` for a wrong pair, which
        counts as one wrong code.
        """
        url_path = path("/authfactor/factors/{}/resync", authentication_factor_id)
        return ApiCall("POST", url_path, decoder(UserFactor), {"codes": list(codes)})


class Mfa(_Mfa, SyncGroup):
    """`client.mfa` of a `Client`."""


class AsyncMfa(_Mfa, AsyncGroup):
    """`client.mfa` of an `AsyncClient`."""
