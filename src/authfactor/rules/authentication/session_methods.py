"""The authentication methods (`amr`, RFC 8176) of a session, by how it began and what was proven then."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.otp.recovery_code import Method

ONE_STEP: Final = "pwd"
BY_TOTP: Final = "pwd otp mfa"
# RFC 8176 registers no value for a recovery code, nor for a code that was mailed.
BY_RECOVERY_CODE: Final = "pwd recovery_code mfa"
BY_TRUSTED_DEVICE: Final = "pwd trusted_device"
BY_MAGIC_CODE: Final = "email"
AMR: "Final[dict[Method, str]]" = {
    "totp": BY_TOTP,
    "recovery_code": BY_RECOVERY_CODE,
    "trusted_device": BY_TRUSTED_DEVICE,
    "webauthn": "pwd pop user mfa",
}
_AUTH_METHODS: Final = {ONE_STEP: "password", BY_MAGIC_CODE: "magic_code"}
MAGIC_CODE: Final = _AUTH_METHODS[BY_MAGIC_CODE]


def begun_by(auth_method: str | None, amr: str) -> str:
    """Return the methods `amr` of a sign-in by password for one that began with a magic code, if it did."""
    return amr if auth_method is None else f"{BY_MAGIC_CODE}{amr.removeprefix(ONE_STEP)}"


def auth_method_of(amr: str) -> str:
    """Return what the API calls the first method of a session."""
    return _AUTH_METHODS.get(amr.partition(" ")[0], "passkey")


def has_second_factor(amr: str) -> bool:
    """Return whether the methods are those of two factors."""
    return "mfa" in amr.split(" ")
