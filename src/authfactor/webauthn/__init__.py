"""The passkey ceremonies (WebAuthn Level 3): options, responses, each check with its reason. Pure functions.

`fido2` parses what authenticators send and verifies signatures; it is imported when the first response is
parsed, because few starts of a server need it (decision 0047).
"""
