# ruff: noqa: T201 - programs report by printing
"""Finish one sign-in through workos 5 or the newest: `python finish_sign_in.py TOKEN CHALLENGE_ID CODE`.

Prints the id of the user.
"""

import sys

import steps
import workos

client = workos.WorkOSClient(api_key=steps.API_KEY, client_id=steps.CLIENT_ID, base_url=steps.BASE_URL)
token, challenge_id, code = sys.argv[1:]
signed_in = client.user_management.authenticate_with_totp(
    code=code, authentication_challenge_id=challenge_id, pending_authentication_token=token
)
print(signed_in.user.id)
