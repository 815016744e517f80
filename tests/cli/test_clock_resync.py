"""`authfactor factors resync`, with its audit entry."""

from pathlib import Path

from tests.cli.test_recovery_codes import SECRET, read, run
from tests.support import authenticator


def test_factor_is_resynced_and_accepts_the_phone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    user = read(data, "users", "create", "kim@example.org")["id"]
    factor = read(data, "factors", "enroll", user, "--secret", SECRET)["factor"]["id"]

    def codes(first: int, count: int) -> list[str]:
        step = authenticator.current_step() + first
        return [authenticator.code_at(SECRET, step + at) for at in range(count)]

    challenge = read(data, "factors", "challenge", factor)["id"]
    late = run(data, "factors", "verify", challenge, *codes(-9, 1))
    assert late.returncode == 5
    assert "s behind." in late.stdout
    first, second, third = codes(-9, 3)
    refused = run(data, "factors", "resync", factor, second, first)
    assert refused.returncode != 0
    assert "no two codes in a row" in refused.stdout + refused.stderr
    done = run(data, "factors", "resync", factor, first, second)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "behind" in done.stdout
    challenge = read(data, "factors", "challenge", factor)["id"]
    assert read(data, "factors", "verify", challenge, third)["valid"] is True
    exported = run(data, "audit", "export").stdout
    assert exported.count('"factor.resync"') == 1
    assert not any(code in exported for code in (first, second))
