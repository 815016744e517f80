"""What a shell cannot do alone: `tell code SECRET`, `tell wrong SECRET`, `tell picture URI`, `tell claims TOKEN`."""

import json
import sys

from conformance.python import steps

TELLS = {
    "code": steps.code,
    "wrong": steps.wrong_code,
    "picture": steps.text_in_picture,
    "claims": lambda token: json.dumps(
        steps.claims_of(token, f"{steps.BASE_URL}/sso/jwks/{steps.CLIENT_ID}")
    ),
}

if __name__ == "__main__":
    print(TELLS[sys.argv[1]](sys.argv[2]))
