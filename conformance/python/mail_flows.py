# ruff: noqa: T201 - programs report by printing
"""Codes and links that are mailed, through workos 5 or the newest: `python mail_flows.py`.

Prints a line for each step. The environment requires verified emails.
"""

import contextlib
import uuid
from typing import Any

import steps
import workos

client = workos.WorkOSClient(api_key=steps.API_KEY, client_id=steps.CLIENT_ID, base_url=steps.BASE_URL)
users: Any = client.user_management
IS_NEWEST = hasattr(users, "confirm_password_reset")


def text(value: Any) -> str:  # noqa: ANN401 - an enumeration in the newest, a string in 5
    return str(getattr(value, "value", value))


email = f"kim.{uuid.uuid4().hex}@example.org"
password, changed = "seven green bottles of glass", "eight green bottles of glass"

user = users.create_user(email=email, **({"password": password} if not IS_NEWEST else {}))
if IS_NEWEST:
    reset = users.reset_password(email=email)
    users.confirm_password_reset(token=reset.password_reset_token, new_password=password)
    print("password_reset", reset.id == users.get_password_reset(reset.id).id)
    users.update_user(user.id, email_verified=False)
else:
    reset = users.create_password_reset(email=email)
    users.reset_password(token=reset.password_reset_token, new_password=password)
    print("password_reset", reset.id == users.get_password_reset(reset.id).id)
    users.update_user(user_id=user.id, email_verified=False)

try:
    users.authenticate_with_password(email=email, password=password)
except Exception as refused:  # noqa: BLE001 - each version has its own class
    body = getattr(refused, "response_json", None) or getattr(refused, "raw_body", None)
    if not isinstance(body, dict):
        body = refused.response.json()  # type: ignore[attr-defined]  # of version 5
    verification = users.get_email_verification(body["email_verification_id"])
    done = users.authenticate_with_email_verification(
        code=verification.code, pending_authentication_token=body["pending_authentication_token"]
    )
    print("email_verification", done.user.email_verified)

users.send_verification_email(users.create_user(email=f"lee.{email}").id)
magic = users.create_magic_auth(email=email)
signed_in = users.authenticate_with_magic_auth(email=email, code=users.get_magic_auth(magic.id).code)
print("magic_auth", signed_in.user.id == user.id, text(signed_in.authentication_method))

invited = users.send_invitation(email=f"pat.{email}", expires_in_days=3)
found = users.find_invitation_by_token(invited.token)
listed = users.list_invitations(email=found.email).data
print("invitation", found.id == invited.id, len(listed), text(users.resend_invitation(invited.id).state))
users.create_user(email=invited.email)
accepted = users.accept_invitation(invited.id)
print("accepted", text(accepted.state))
other = users.send_invitation(email=f"sam.{email}")
print("revoked", text(users.revoke_invitation(other.id).state))
with contextlib.suppress(AttributeError):
    print("email_change", users.send_email_change(user.id, new_email=f"new.{email}").new_email != email)
