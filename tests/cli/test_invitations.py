"""Invitations, links to a new password and verified emails on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.test_command_line import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = run(tmp_path / "data", "users", "create", "kim@example.org")
    assert made.returncode == 0, made.stderr
    return tmp_path / "data"


def test_invitations_are_made_listed_and_revoked(data: Path) -> None:
    made = run(data, "invitations", "create", "lee@example.org", "--days", "1", "--locale", "de")
    assert made.returncode == 0, made.stderr
    assert "/invitation?invitation_token=" in made.stdout
    (listed,) = json.loads(run(data, "--json", "invitations", "list").stdout)["data"]
    assert (listed["email"], listed["state"]) == ("lee@example.org", "pending")
    assert "lee@example.org" in run(data, "invitations", "list", "--email", "LEE@example.org").stdout
    again = run(data, "invitations", "create", "lee@example.org")
    assert again.returncode == 5
    assert "open invitation" in again.stderr
    done = run(data, "--json", "invitations", "revoke", listed["id"], "--yes")
    assert json.loads(done.stdout)["state"] == "revoked"
    shown = run(data, "invitations", "resend", listed["id"])
    assert shown.returncode == 5
    assert "revoked" in shown.stderr


def test_a_revocation_asks_first(data: Path) -> None:
    made = run(data, "--json", "invitations", "create", "lee@example.org")
    assert run(data, "invitations", "revoke", json.loads(made.stdout)["id"]).returncode == 1
    assert "pending" in run(data, "invitations", "list").stdout


def test_an_operator_verifies_an_email_and_makes_a_link_to_a_new_password(data: Path) -> None:
    assert run(data, "users", "verify-email", "kim@example.org").returncode == 1
    shown = run(data, "users", "verify-email", "kim@example.org", "--yes", "--reason", "called")
    assert shown.returncode == 0, shown.stderr
    assert "email verified  yes" in shown.stdout
    assert run(data, "users", "reset-password", "kim@example.org").returncode == 1
    link = run(data, "users", "reset-password", "kim@example.org", "--yes")
    assert "/reset-password?token=" in link.stdout
    assert run(data, "users", "reset-password", "lee@example.org", "--yes").returncode == 4


def test_sign_in_is_set_per_environment(data: Path) -> None:
    changes = (
        *("--sign-in-method", "magic_auth", "--sign-in-method", "password"),
        *("--sign-up", "closed", "--verify-email", "required"),
        *("--password-reset-url", "https://app.example.org/reset"),
        *("--invitation-url", "https://app.example.org/welcome"),
    )
    done = run(data, "--json", "environments", "update", "default", *changes)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["sign_in_methods"] == "magic_auth, password"
    assert (shown["sign_up"], shown["verify_email"]) == ("closed", "required")
    assert shown["invitation_url"] == "https://app.example.org/welcome"
    assert shown["password_reset_url"] == "https://app.example.org/reset"
    reset = run(data, "--json", "environments", "update", "default", "--invitation-url", "")
    found = json.loads(reset.stdout)
    assert (found["invitation_url"], found["sign_up"]) == (None, "closed")
    wrong = run(data, "environments", "update", "default", "--invitation-url", "http://app.example.org")
    assert wrong.returncode == 2
    assert "invitation_url" in wrong.stderr
