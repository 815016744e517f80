"""The class and the methods that a session's proofs amount to."""

import pytest

from authfactor.models import SessionRecord
from authfactor.rules.authentication import session_state
from authfactor.settings import Settings


def session(amr: str = "pwd", mfa_at: int | None = None, last_active_at: int = 0) -> SessionRecord:
    return SessionRecord(
        *("session_1", "user_1", None, None, "password", amr, 0, mfa_at, last_active_at, 10_000, None, 0, 0)
    )


@pytest.mark.parametrize(
    ("amr", "mfa_at", "level"),
    [
        ("pwd", None, 1),
        ("pwd trusted_device", None, 1),
        ("pwd otp mfa", 5, 2),
        ("pwd recovery_code mfa", 5, 2),
        ("pwd pop user mfa", 5, 3),
        ("pop user mfa", 5, 3),
        # The second factor was withdrawn, or only resembles one.
        ("pwd pop user mfa", None, 1),
        ("pwd popular mfa", 5, 2),
    ],
)
def test_class_of_a_session(amr: str, mfa_at: int | None, level: int) -> None:
    assert session_state.acr_of(session(amr, mfa_at)) == f"urn:authfactor:acr:{level}"


@pytest.mark.parametrize(
    ("amr", "added", "united"),
    [
        ("pwd", "otp mfa", "pwd otp mfa"),
        ("pwd otp mfa", "otp mfa", "pwd otp mfa"),
        ("pwd otp mfa", "recovery_code mfa", "pwd otp mfa recovery_code"),
        ("pop user mfa", "pwd", "pop user mfa pwd"),
    ],
)
def test_methods_are_added_and_never_removed(amr: str, added: str, united: str) -> None:
    assert session_state.add_methods(amr, added) == united


def test_session_is_idle_after_the_limit_and_never_without_one() -> None:
    limited, unlimited = Settings(session_inactivity=1), Settings(session_inactivity=0)
    assert session_state.is_alive(session(last_active_at=1001), limited, 2000)
    assert not session_state.is_alive(session(last_active_at=1000), limited, 2000)
    assert session_state.is_alive(session(), unlimited, 9999)
    assert not session_state.is_alive(session(), unlimited, 10_000)
