# ruff: noqa: T201 - programs report by printing
"""Verify one challenge through workos 5 or the newest: `python verify.py CHALLENGE_ID CODE`.

Prints `valid` or `not valid`.
"""

import sys

import steps
import workos

client = workos.WorkOSClient(api_key=steps.API_KEY, client_id=steps.CLIENT_ID, base_url=steps.BASE_URL)
challenge_id, code = sys.argv[1:]
if hasattr(client, "multi_factor_auth"):
    verified = client.multi_factor_auth.verify_challenge(challenge_id, code=code)
else:
    verified = client.mfa.verify_challenge(authentication_challenge_id=challenge_id, code=code)
print("valid" if verified.valid else "not valid")
